"""Linking PayPal: a dialog, PayPal's own page, and back (M11, M6)."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import MAIN, VISA_NAME, dialog, press, row, rows, said, switch
from tests.browser.test_widths import PHONE, sticks_out
from tests.factories import VISA
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.domain.shared.context import Actor

EMAIL = "ana@example.com"
NAME = f"PayPal {EMAIL}"
NOT_GIVEN = "PayPal was not linked: the agreement was not approved. Nothing was saved."
AT_PAYPAL = re.compile("/sandbox/paypal/")
ON_A_PHONE = {"viewport": PHONE, "has_touch": True}


@pytest.fixture
def allowed(world):
    operator = Actor(name="Operator")
    allow_paypal(world.ctx.by(operator), world.account_id, True)
    return world


def choose(page):
    page.get_by_role("button", name="Add Payment Method").click()
    page.get_by_role("menuitem", name="PayPal").click()
    expect(page.get_by_role("dialog", name="Link PayPal")).to_be_visible()


def go_to_paypal(page):
    choose(page)
    press(page, "Continue to PayPal")
    expect(page).to_have_url(AT_PAYPAL)


def agree(page, email=EMAIL):
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Agree").click()


def test_an_agreement_is_listed_with_the_payers_email(open_page, allowed):
    """M11, M4"""
    page = open_page(**ON_A_PHONE)
    choose(page)
    expect(dialog(page)).to_contain_text("Nothing is charged now.")
    assert sticks_out(page) == []
    press(page, "Continue to PayPal")

    expect(page).to_have_url(AT_PAYPAL)
    expect(page.get_by_role("heading", name="Agree to automatic payments")).to_be_visible()
    expect(page.get_by_label("Email")).to_be_focused()
    assert sticks_out(page) == []
    agree(page)

    expect(page).to_have_url(MAIN)
    expect(said(page, f"{NAME} is saved.")).to_be_visible()
    expect(row(page, NAME).get_by_role("img", name="Primary")).to_be_visible()
    expect(switch(page, NAME)).to_be_checked()
    assert sticks_out(page) == []

    page.reload()
    expect(rows(page)).to_have_count(1)
    assert [method.label for method in allowed.methods] == [NAME]
    assert allowed.charges == []


def test_an_invalid_email_is_reported_on_paypals_page(open_page, allowed):
    page = open_page()
    go_to_paypal(page)
    agree(page, "ana")
    expect(page.get_by_label("Email")).to_have_accessible_description(
        re.compile("Enter an email address")
    )
    expect(page.get_by_label("Email")).to_have_value("ana")
    assert allowed.methods == []
    agree(page)
    expect(row(page, NAME)).to_be_visible()


def test_cancelling_at_paypal_saves_nothing_and_shows_a_message(open_page, allowed):
    """M6"""
    allowed.cards(VISA)
    page = open_page()
    go_to_paypal(page)
    page.get_by_role("button", name="Cancel").click()

    expect(page).to_have_url(MAIN)
    expect(page.get_by_text(NOT_GIVEN).first).to_be_visible()
    expect(rows(page)).to_have_count(1)
    assert [method.label for method in allowed.methods] == [VISA_NAME]


def test_cancelling_in_the_dialog_does_not_open_paypal(open_page, allowed):
    page = open_page()
    choose(page)
    press(page, "Cancel")
    expect(dialog(page)).to_have_count(0)
    expect(page).to_have_url(MAIN)
    assert allowed.methods == []


def test_linking_the_same_payer_twice_keeps_one_row(open_page, allowed):
    """M8"""
    page = open_page()
    for _ in range(2):
        go_to_paypal(page)
        agree(page)
        expect(page).to_have_url(MAIN)
        expect(row(page, NAME)).to_be_visible()
    expect(rows(page)).to_have_count(1)
    assert len(allowed.methods) == 1


def test_consent_is_asked_for_where_nothing_can_be_charged(open_page, allowed):
    """M12: the box is not ticked by default; ticking it switches auto-charge on."""
    visa = allowed.card(VISA, auto_charge=True)
    allowed.refill()
    allowed.consent(visa, False)
    page = open_page()
    choose(page)
    box = dialog(page).get_by_role("checkbox", name="Use it for automatic refills")
    expect(box).not_to_be_checked()
    expect(box).to_have_accessible_description(re.compile(re.escape(VISA_NAME)))
    box.check()
    press(page, "Continue to PayPal")
    agree(page)
    expect(switch(page, NAME)).to_be_checked()
    expect(switch(page, VISA_NAME)).not_to_be_checked()


def test_the_menu_offers_no_paypal_where_it_is_not_allowed(open_page, world):
    """M11: a bookmarked URL says how to ask for it."""
    page = open_page(**ON_A_PHONE)
    page.get_by_role("button", name="Add Payment Method").click()
    expect(page.get_by_role("menuitem", name="Wire Transfer")).to_be_visible()
    expect(page.get_by_role("menuitem", name="PayPal")).to_have_count(0)
    page.goto(f"{MAIN}/paypal/new")
    expect(page.get_by_role("main")).to_contain_text("Ask your provider to allow it.")
    expect(page.get_by_role("button", name="Continue to PayPal")).to_have_count(0)
    assert sticks_out(page) == []
