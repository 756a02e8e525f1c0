"""Chromium without JavaScript: sign-in, switches, moves, settings, adding a card, and the menu.

Chromium also resolves a conflict of settings (test_refusals.py) and signs out of a portal session
(test_portal.py). The other tasks submit the pages' forms over HTTP, in
tests/web/http/test_without_scripts.py.
"""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import (
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    apply,
    expect_order,
    field,
    refill,
    row,
    rows,
    settings,
    switch,
)
from tests.factories import MASTERCARD, PASSWORD, VISA, valid_expiry
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import User


@pytest.fixture
def open_plain(open_page):
    return lambda path=MAIN, **options: open_page(path, java_script_enabled=False, **options)


def main_button(page, name):
    return page.get_by_role("main").get_by_role("button", name=name, exact=True)


def message(page, text):
    expect(page.get_by_role("status").filter(has_text=text)).to_be_visible()


def test_signing_in_and_out(open_signed_out, world):
    page = open_signed_out(java_script_enabled=False)
    page.goto(MAIN)
    page.get_by_label("Email").fill(world.session.get_one(User, world.created.user_id).email)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(MAIN)
    page.get_by_role("button", name="Ana Ruiz").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_the_switch_and_the_move_buttons_work(open_plain, world):
    """M5."""
    world.cards(VISA, MASTERCARD)
    page = open_plain()
    switch(page, VISA_NAME).click()
    message(page, f"Auto-charge for {VISA_NAME} is off.")
    expect(switch(page, VISA_NAME)).not_to_be_checked()
    assert not world.method("4242").auto_charge

    row(page, MASTERCARD_NAME).hover()
    page.get_by_role("button", name=f"Move {MASTERCARD_NAME} up").click()
    expect_order(page, MASTERCARD_NAME, VISA_NAME)
    page.get_by_role("button", name=f"Move {MASTERCARD_NAME} down").press("Enter")
    expect_order(page, VISA_NAME, MASTERCARD_NAME)


def test_settings_can_be_refused_and_applied(open_plain, world):
    world.cards(VISA)
    page = open_plain()
    refill(page).click(force=True)
    expect(refill(page)).to_be_checked()
    field(page, "Threshold amount").fill("50")
    field(page, "Refill amount").fill("1")
    apply(page).click()
    expect(field(page, "Refill amount")).to_have_accessible_description(
        re.compile(r"At least \$30\.00")
    )
    expect(field(page, "Threshold amount")).to_have_value("50")
    world.session.rollback()
    assert not LowBalanceSettings.of(world.session, world.account_id).refill_on

    field(page, "Refill amount").fill("100")
    apply(page).click()
    message(page, "Changes applied")
    expect(field(page, "Refill amount")).to_have_value("100.00")
    expect(settings(page)).to_contain_text("Last saved today")


def test_a_card_is_added_through_the_processors_page(open_plain, world):
    """M7."""
    page = open_plain()
    main_button(page, "Add Credit Card").click()
    for name, value in [
        ("Card number", "4242 4242 4242 4241"),
        ("Expiry date", valid_expiry(world.clock.now())),
        ("Security code", "123"),
        ("Cardholder name", "Ana Ruiz"),
        ("Address", "12 Harbour Road"),
        ("City", "Dublin"),
        ("Postal code", "D18 A4R6"),
    ]:
        page.get_by_label(name, exact=True).fill(value)
    page.get_by_label("Country").select_option("Ireland")
    main_button(page, "Add card").click()

    number = page.get_by_label("Card number")
    expect(number).to_have_attribute("aria-invalid", "true")
    expect(number).to_have_value("")  # M7: the number is not even sent back to the page
    expect(page.get_by_label("Cardholder name")).to_have_value("Ana Ruiz")
    number.fill(VISA)
    page.get_by_label("Security code").fill("123")
    main_button(page, "Add card").click()

    expect(page).to_have_url(MAIN)
    message(page, f"{VISA_NAME} is saved.")
    expect(rows(page)).to_have_count(1)
    assert "4242424242424242" not in page.url + page.content()


def test_a_checkbox_that_needs_javascript_is_not_offered(open_plain, world):
    """T18, M4: it would change the amount on the button."""
    world.cards(VISA)
    world.refill()
    world.remove(world.method("4242"))
    world.use("58.15")
    page = open_plain(f"{MAIN}/cards/new")
    expect(main_button(page, "Add card and charge $100.00")).to_be_visible()
    expect(page.get_by_label("Save without auto-charge")).to_be_hidden()


def test_the_menu_of_a_narrow_page_opens(open_plain, world):
    world.cards(VISA, MASTERCARD)
    page = open_plain(viewport={"width": 390, "height": 844})
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("link", name="Statement").click()
    expect(page.get_by_role("heading", name="Statement", level=1)).to_be_visible()
