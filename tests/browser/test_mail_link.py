"""The email about an automatic refill that needs authentication, and its link (F7, F10)."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import MAIN, balance, post_usage, row, until
from tests.browser.test_bank_window import ALWAYS_NAME, answer, window
from tests.browser.test_session import email_of, sign_in
from tests.browser.test_widths import PHONE, sticks_out
from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, PASSWORD, resume_token

PAID = f"$100.00 paid with {ALWAYS_NAME}."


@pytest.fixture
def link(app, world, server, open_signed_out):
    """The link of the email: the balance is $40.00, and the only card needs authentication."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    post_usage(server.url, world, "60.00")
    until(open_signed_out(), lambda: world.mails_of("authentication_required"))
    token = resume_token(app.config["SECRET_KEY"], world.attempts[0].id)
    return f"/billing/authentications/{token}"


@pytest.fixture
def arrived(link, world, open_signed_out):
    """The link, opened signed out, followed by signing in."""

    def open_(**options):
        page = open_signed_out(**options)
        page.goto(link)
        expect(page).to_have_url(re.compile("/sign-in"))
        sign_in(page, email_of(world), PASSWORD)
        expect(page).to_have_url(link)
        return page

    return open_


def confirm(page):
    page.get_by_role("main").get_by_role("button", name="Confirm payment").click()


def expect_message(page, words):
    expect(page).to_have_url(MAIN)
    expect(page.get_by_role("status").filter(has_text=words)).to_be_visible()


def expect_used(page, link):
    page.goto(link)
    expect(page.get_by_role("heading", name="Nothing to confirm")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("This link has been used.")
    expect(page.get_by_role("button", name="Confirm payment")).to_have_count(0)


def test_the_email_in_the_outbox_has_the_link(open_page, link):
    """F7"""
    page = open_page("/sandbox/outbox")
    page.get_by_role("main").get_by_role("link", name="Confirm $100.00 with your bank").click()
    expect(page.get_by_role("heading", name="Plain text")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text(link)


def test_a_confirmed_payment_is_paid_and_its_link_is_used(arrived, link, world):
    """F7, F10, F4"""
    page = arrived(viewport=PHONE)
    main = page.get_by_role("main")
    expect(page.get_by_role("heading", name="Confirm the payment of $100.00?")).to_be_visible()
    expect(main).to_contain_text(ALWAYS_NAME)
    expect(main).to_contain_text(re.compile(r"\$40\.00\s*\$140\.00"))
    assert len(world.attempts) == 1, "opening the link charges nothing"
    assert sticks_out(page) == []

    confirm(page)
    expect(window(page)).to_be_visible()
    assert world.charges == []
    answer(page, "Complete authentication")

    expect_message(page, PAID)
    expect(balance(page)).to_contain_text("$140.00")
    expect(row(page, ALWAYS_NAME)).not_to_contain_text("Suspended until")
    assert world.balance == "140.00"
    assert world.charges == [("3184", "100.00")]
    expect_used(page, link)


def test_a_failed_authentication_suspends_the_method(arrived, link, world):
    """F1, F7"""
    page = arrived()
    confirm(page)
    answer(page, "Fail authentication")

    expect_message(page, f"{ALWAYS_NAME} was declined:")
    expect(row(page, ALWAYS_NAME)).to_contain_text("Suspended until")
    expect(row(page, ALWAYS_NAME).get_by_role("button", name="Retry")).to_be_visible()
    expect(balance(page)).to_contain_text("$40.00")
    assert world.balance == "40.00"
    assert world.charges == []


def test_an_abandoned_challenge_can_be_opened_again(arrived, link, world):
    """F9, F10: neither Cancel nor an abandoned challenge uses the link."""
    page = arrived()
    page.get_by_role("main").get_by_role("button", name="Cancel").click()
    expect(page).to_have_url(MAIN)
    page.goto(link)
    confirm(page)
    window(page).get_by_role("button", name="Close").click()
    expect_message(page, f"$100.00 to {ALWAYS_NAME} was not confirmed with the bank.")
    assert world.charges == []

    page.goto(link)
    confirm(page)
    answer(page, "Complete authentication")
    expect_message(page, PAID)
    assert world.charges == [("3184", "100.00")]


def test_a_payment_that_is_no_longer_needed_charges_nothing(arrived, link, server, world):
    """F10: another payment succeeded while the page was open."""
    page = arrived()
    world.card(MASTERCARD, auto_charge=True)
    post_usage(server.url, world, "1.00")
    until(page, lambda: world.balance == "139.00")
    confirm(page)
    expect(page.get_by_role("status").filter(has_text="no longer needed")).to_be_visible()
    page.goto(link)
    expect(page.get_by_role("main")).to_contain_text("no longer needed")
    assert world.charges == [("4444", "100.00")]
