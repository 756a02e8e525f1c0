"""Add Funds: Instant payment and Auto-charge (L4)."""

import re

from playwright.sync_api import expect

from tests.browser.screen import (
    AMEX_NAME,
    MASTERCARD_NAME,
    VISA_NAME,
    balance,
    dialog,
    more,
    press,
    row,
    said,
    suspend,
)
from tests.factories import AMEX, MASTERCARD, VISA


def open_dialog(page):
    page.get_by_role("main").get_by_role("button", name="Add Funds").click()
    found = page.get_by_role("dialog", name="Add Funds")
    expect(found).to_be_visible()
    return found


def amount(page):
    return dialog(page).get_by_label("Amount", exact=True)


def after(page, pattern):
    expect(dialog(page).get_by_text("Balance after this payment").locator("..")).to_contain_text(
        re.compile(pattern)
    )


def test_an_instant_payment_uses_the_chosen_method(open_page, world):
    world.cards(VISA, MASTERCARD)
    page = open_page()
    funds = open_dialog(page)
    expect(funds.get_by_role("tab", name="Instant payment")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(amount(page)).to_be_focused()
    after(page, r"\$100\.00\s*\$200\.00")
    amount(page).fill("75.5")
    after(page, r"\$100\.00\s*\$175\.50")
    funds.get_by_role("button", name="$250", exact=True).click()
    after(page, r"\$100\.00\s*\$350\.00")
    funds.get_by_role("radio", name=re.compile(re.escape(MASTERCARD_NAME))).check(force=True)
    press(page, "Pay $250.00")

    expect(funds).to_have_count(0)
    expect(balance(page)).to_contain_text("$350.00")
    expect(row(page, MASTERCARD_NAME)).to_contain_text("$250.00 paid.")
    expect(said(page, f"$250.00 paid with {MASTERCARD_NAME}.")).to_be_visible()
    assert world.charges == [("4444", "250.00")]


def test_a_bad_amount_is_reported_beside_the_field(open_page, world):
    world.cards(VISA)
    page = open_page()
    open_dialog(page)
    # Consecutive messages differ, so that none is mistaken for the previous one.
    for typed, button, message in [
        ("5", "Pay $5.00", r"At least \$30\.00"),
        ("ten", "Pay", "Enter an amount"),
        ("100000", "Pay $100,000.00", r"At most \$10,000\.00"),
        ("", "Pay", "Enter an amount"),
    ]:
        amount(page).fill(typed)
        press(page, button)
        expect(amount(page)).to_have_accessible_description(re.compile(message))
        expect(amount(page)).to_have_attribute("aria-invalid", "true")
        expect(amount(page)).to_have_value(typed)
    assert world.charges == []

    amount(page).fill("29")
    expect(amount(page)).to_have_attribute("aria-invalid", "true")
    amount(page).fill("30")
    expect(amount(page)).not_to_have_attribute("aria-invalid", "true")
    expect(dialog(page).get_by_text("Enter an amount")).to_have_count(0)
    press(page, "Pay $30.00")
    expect(balance(page)).to_contain_text("$130.00")


def test_a_decline_suspends_the_method_without_fallback(open_page, world):
    """L4, F1."""
    world.cards(VISA, MASTERCARD)
    world.next_answer("decline", decline_code="insufficient_funds", last4="4242")
    page = open_page()
    open_dialog(page)
    press(page, "Pay $100.00")

    expect(said(page, f"{VISA_NAME} was declined: Insufficient funds.")).to_be_visible()
    expect(row(page, VISA_NAME)).to_contain_text("Suspended until")
    expect(row(page, VISA_NAME).get_by_role("button", name="Retry")).to_be_visible()
    assert world.tries == [("4242", "100.00", "declined")]


def test_auto_charge_continues_down_the_chain(open_page, world):
    """L4, T7."""
    world.cards(VISA, MASTERCARD)
    world.card(AMEX)
    world.next_answer("decline", decline_code="insufficient_funds", last4="4242")
    page = open_page()
    funds = open_dialog(page)
    funds.get_by_role("tab", name="Auto-charge").click()
    expect(funds.get_by_role("tab", name="Auto-charge")).to_be_focused()
    chain = funds.get_by_role("list", name="Charged in order").get_by_role("listitem")
    expect(chain).to_contain_text([VISA_NAME, MASTERCARD_NAME])
    expect(funds).to_contain_text(f"{AMEX_NAME} is not used: its auto-charge is off.")
    press(page, "Pay $100.00")

    expect(balance(page)).to_contain_text("$200.00")
    expect(row(page, VISA_NAME)).to_contain_text("Suspended until")
    expect(page.get_by_role("region", name="Recent failed payments")).to_contain_text(
        f"Paid by {MASTERCARD_NAME}"
    )
    assert world.charges == [("4444", "100.00")]


def test_the_tabs_support_the_arrow_keys(open_page, world):
    world.cards(VISA)
    page = open_page()
    funds = open_dialog(page)
    instant = funds.get_by_role("tab", name="Instant payment")
    chain = funds.get_by_role("tab", name="Auto-charge")
    instant.focus()
    page.keyboard.press("ArrowRight")
    expect(chain).to_be_focused()
    expect(chain).to_have_attribute("aria-selected", "true")
    expect(funds.get_by_role("tabpanel")).to_contain_text("Charged in order")
    page.keyboard.press("ArrowRight")
    expect(instant).to_be_focused()
    expect(funds.get_by_role("tabpanel")).to_contain_text("Pay with")


def test_auto_charge_explains_why_it_is_unavailable(open_page, world):
    world.card(VISA, auto_charge=False)
    page = open_page()
    funds = open_dialog(page)
    funds.get_by_role("tab", name="Auto-charge").click()
    expect(funds).to_contain_text("No payment method has auto-charge on.")
    expect(funds.get_by_role("button", name="Pay $100.00")).to_be_disabled()
    expect(funds.get_by_text("Balance after this payment")).to_be_hidden()
    amount(page).press("Enter")

    funds.get_by_role("tab", name="Instant payment").click()
    expect(funds.get_by_role("button", name="Pay $100.00")).to_be_enabled()
    after(page, r"\$100\.00\s*\$200\.00")
    assert world.attempts == []


def test_a_rows_add_funds_preselects_its_method_and_restores_it(open_page, world):
    """F5."""
    _, mastercard = world.cards(VISA, MASTERCARD)
    suspend(world, mastercard)
    page = open_page()
    more(page, MASTERCARD_NAME, "Add Funds")
    chosen = dialog(page).get_by_role("radio", name=re.compile(re.escape(MASTERCARD_NAME)))
    expect(chosen).to_be_checked()
    expect(dialog(page)).to_contain_text("Suspended. Paying with it restores it.")
    press(page, "Pay $100.00")
    expect(row(page, MASTERCARD_NAME)).not_to_contain_text("Suspended until")
    expect(balance(page)).to_contain_text("$200.00")


def test_a_double_click_charges_once(open_page, world):
    world.cards(VISA)
    page = open_page()
    open_dialog(page)
    dialog(page).get_by_role("button", name="Pay $100.00").dblclick()
    expect(balance(page)).to_contain_text("$200.00")
    assert world.charges == [("4242", "100.00")]


def test_a_form_without_a_response_can_be_sent_again(open_page, world):
    world.cards(VISA)
    page = open_page()
    funds = open_dialog(page)
    page.route("**/billing/funds", lambda route: route.abort())
    press(page, "Pay $100.00")
    expect(page.get_by_text("The server did not respond.")).to_have_count(1)
    expect(funds).to_be_visible()
    page.unroute("**/billing/funds")
    press(page, "Pay $100.00")
    expect(balance(page)).to_contain_text("$200.00")
    assert world.charges == [("4242", "100.00")]


def test_add_funds_without_a_method_asks_for_one(open_page, world):
    page = open_page()
    funds = open_dialog(page)
    press(page, "Pay $100.00")
    expect(funds).to_contain_text("Choose a payment method")
