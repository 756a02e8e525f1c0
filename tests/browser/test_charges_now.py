"""T18, T15: actions that charge at once, as only a browser shows them."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import (
    AMEX_NAME,
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    Held,
    apply,
    balance,
    expect_order,
    field,
    handle,
    middle,
    refill,
    row,
    rows,
    said,
    settings,
    switch,
    until,
)
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_reorder import drag
from tests.browser.test_widths import PHONE, sticks_out, sticks_out_at
from tests.factories import AMEX, MASTERCARD, VISA

PAID = "$100.00 paid with Mastercard •••• 4444. Your balance is $60.19."


@pytest.fixture
def stuck(world):
    """An account with both auto-charge methods suspended and a balance of −$39.81."""
    world.cards(AMEX, VISA)
    world.card(MASTERCARD)
    for last4 in ("0005", "4242"):
        world.next_answer("decline", decline_code="insufficient_funds", last4=last4)
        world.pay(world.method(last4), "100.00")
    world.use("139.81")
    world.refill()
    return world


def expect_rows(page, *names):
    """Expect this order on screen, also during a drag."""
    expect(rows(page)).to_contain_text(list(names))


def question(page, title):
    return page.get_by_role("dialog", name=title)


def test_a_switch_that_charges_asks_first_and_shows_the_result(open_page, stuck):
    """T18: by keyboard; Escape changes nothing, and the result stays in the row."""
    page = open_page()
    mastercard = switch(page, MASTERCARD_NAME)
    expect(mastercard).to_have_accessible_description("Turning this on charges $100.00 now.")
    mastercard.press("Space")
    dialog = question(page, "Turn on and charge $100.00?")
    expect(dialog).to_contain_text("$60.19")
    expect(mastercard).not_to_be_checked()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(mastercard).to_be_focused()
    assert not stuck.method("4444").auto_charge

    mastercard.press("Space")
    expect(dialog).to_be_visible()
    held = Held(page, "**/auto-charge")
    page.keyboard.press("Enter")
    expect(row(page, MASTERCARD_NAME).get_by_text("Charging $100.00")).to_be_visible()
    held.let_go()
    message = said(page, PAID)
    expect(message).to_be_visible()
    expect(page.get_by_role("link", name="View payment")).to_be_visible()
    expect(row(page, MASTERCARD_NAME)).to_contain_text("$100.00 paid. Refills now use this method.")
    expect(mastercard).to_be_checked()
    expect(balance(page)).to_contain_text("$60.19")

    stuck.use("1.00")  # The refresh keeps the result.
    expect(balance(page)).to_contain_text("$59.19")
    expect(row(page, MASTERCARD_NAME)).to_contain_text("$100.00 paid.")
    assert stuck.charges == [("4444", "100.00")]


def test_the_red_banner_offers_two_fixes(open_page, stuck):
    """T18: Add Funds is offered only in the banner; the second button asks first."""
    page = open_page()
    banner = page.get_by_role("alert", name="No method can be charged until")
    expect(banner).to_contain_text("Your balance is −$39.81. Both methods with auto-charge are")
    expect(page.get_by_role("button", name="Add Funds", exact=True)).to_have_count(1)
    expect(banner.get_by_role("button", name="Add Funds")).to_be_visible()
    banner.get_by_role("button", name=f"Turn on auto-charge for {MASTERCARD_NAME}").click()
    question(page, "Turn on and charge $100.00?").get_by_role("button", name="Turn on").click()
    expect(said(page, PAID)).to_be_visible()
    expect(banner).to_have_count(0)
    expect(page.get_by_text("Covered by P-")).to_have_count(2)
    page.get_by_role("button", name="More actions for failed payment").first.click()
    page.get_by_role("menuitem", name="Retry").click()
    expect(page.get_by_role("dialog", name="Retry $100.00?")).to_be_visible()


@pytest.fixture
def primary_off(stuck):
    """The primary (American Express) has auto-charge off; Mastercard could be charged."""
    stuck.apply(refill_on=False)
    stuck.consent(stuck.method("0005"), False)
    stuck.consent(stuck.method("4444"), True)
    stuck.refill()
    return stuck


def test_a_dragged_row_names_the_charge_of_its_position(open_page, primary_off):
    """T18: the lifted row has a label while its position would charge; Escape charges nothing."""
    page = open_page()
    lifted = page.locator(".lifted")
    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect_rows(page, AMEX_NAME, MASTERCARD_NAME, VISA_NAME)
    expect(lifted).not_to_have_attribute("data-charges", re.compile("."))
    page.mouse.move(*middle(row(page, AMEX_NAME).first), steps=10)
    expect_rows(page, MASTERCARD_NAME, AMEX_NAME, VISA_NAME)
    expect(lifted).to_have_attribute("data-charges", "First place charges $100.00 now")
    page.mouse.move(*middle(row(page, VISA_NAME).first), steps=10)
    expect_rows(page, AMEX_NAME, VISA_NAME, MASTERCARD_NAME)
    expect(lifted).not_to_have_attribute("data-charges", re.compile("."))
    page.keyboard.press("Escape")
    page.mouse.up()

    drag(page, AMEX_NAME, VISA_NAME)
    expect(lifted).to_have_attribute("data-charges", "This order charges $100.00 now")
    page.keyboard.press("Escape")
    page.mouse.up()
    expect_order(page, AMEX_NAME, VISA_NAME, MASTERCARD_NAME)
    assert primary_off.charges == []


def test_handles_describe_a_move_that_charges(open_page, primary_off):
    """T18: the accessible description of a handle and of Move up, before the key is pressed."""
    page = open_page()
    for name, way, description in (
        (AMEX_NAME, "down", "This order charges $100.00 now"),
        (VISA_NAME, "up", "First place charges $100.00 now"),
    ):
        expect(handle(page, name)).to_have_accessible_description(description)
        move = row(page, name).get_by_role("button", name=f"Move {name} {way}")
        expect(move).to_have_accessible_description(description)
    expect(handle(page, MASTERCARD_NAME)).to_have_accessible_description("")


def test_a_drag_that_charges_asks_first(open_page, primary_off):
    """T18, M5: the rows revert, and move once the charge is confirmed."""
    page = open_page()
    for _ in range(2):
        handle(page, MASTERCARD_NAME).press("ArrowUp")
        if page.get_by_role("dialog").count():
            break
        expect_order(page, AMEX_NAME, MASTERCARD_NAME, VISA_NAME)
    dialog = question(page, "Save order and charge $100.00?")
    expect(dialog).to_be_visible()
    expect_order(page, AMEX_NAME, MASTERCARD_NAME, VISA_NAME)
    dialog.get_by_role("button", name="Save order and charge $100.00").click()
    expect(said(page, PAID)).to_be_visible()
    expect_order(page, MASTERCARD_NAME, AMEX_NAME, VISA_NAME)


def test_apply_names_its_charge(open_page, world):
    """T18: the button follows the input; one press makes one charge and shows the result."""
    world.cards(VISA)
    world.refill()
    world.apply(refill_on=False)
    world.use("58.15")
    page = open_page()
    refill(page).click()
    button = page.get_by_role("button", name="Apply and charge $100.00")
    expect(button).to_be_visible()
    field(page, "Refill amount").fill("130.00")
    expect(page.get_by_role("button", name="Apply and charge $130.00")).to_be_visible()
    field(page, "Threshold amount").fill("40.00")
    expect(apply(page)).to_be_visible()
    field(page, "Threshold amount").fill("50.00")
    page.get_by_role("button", name="Apply and charge $130.00").click()

    expect(settings(page)).to_contain_text("What happened")
    expect(settings(page).get_by_role("strong").filter(has_text="$130.00")).to_be_visible()
    expect(settings(page).get_by_role("link", name="P-")).to_have_css(
        "text-decoration-line", "underline"
    )
    expect(settings(page)).to_contain_text(
        f"$130.00 paid with {VISA_NAME}. Your balance is $171.85."
    )
    expect(apply(page)).to_be_visible()
    until(page, lambda: world.charges == [("4242", "130.00")])


def test_the_card_form_names_its_charge(open_page, stuck):
    """M12, T18: the button follows the checkbox."""
    page = open_page(f"{MAIN}/cards/new")
    expect(page.get_by_role("button", name="Add card", exact=True)).to_be_visible()
    page.get_by_label("Use it for automatic refills").check()
    expect(page.get_by_text("Saving this card charges $100.00 now.")).to_be_visible()
    expect(page.get_by_role("button", name="Add card and charge $100.00")).to_be_visible()
    expect(page.get_by_role("button", name="Add card", exact=True)).to_have_count(0)
    hint = page.get_by_text("We never store the full number.")
    assert hint.bounding_box()["height"] < 24, "the hint must fit on one line next to a long button"


def test_add_funds_shows_an_open_payment(open_page, world):
    """T15: the button and the second line follow the amount."""
    (visa, _) = world.cards(VISA, MASTERCARD)
    world.next_answer("timeout_before_charge", last4=visa.last4)
    world.pay(visa, "100.00")
    page = open_page()
    page.get_by_role("button", name="Add Funds").click()
    dialog = page.get_by_role("dialog", name="Add Funds")
    expect(dialog).to_contain_text("A payment of $100.00 is pending")
    dialog.get_by_label("Amount").fill("250.00")
    expect(dialog.get_by_role("button", name="Pay another $250.00")).to_be_visible()
    expect(dialog).to_contain_text("If the open payment succeeds too$450.00")
    dialog.get_by_role("link", name="Check again").click()
    expect(dialog.get_by_label("Amount")).to_have_value("250.00")


def test_axe_on_actions_that_charge_now(open_calm, stuck):
    """T18: the banner, the hint, the question and the result; light, dark and on a phone."""
    page = open_calm(viewport=PHONE)
    expect(page.get_by_role("alert", name="No method can be charged until")).to_be_visible()
    assert sticks_out_at(page, (1440, 390)) == {}
    expect_no_violations(page, "nothing can be charged")
    switch(page, MASTERCARD_NAME).click()
    expect(question(page, "Turn on and charge $100.00?")).to_be_visible()
    expect_no_violations(page, "the question")
    question(page, "Turn on and charge $100.00?").get_by_role("button", name="Turn on").click()
    expect(said(page, PAID)).to_be_visible()
    expect_no_violations(page, "the result")
    assert sticks_out(page) == []
