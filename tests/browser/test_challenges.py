"""Add Funds and Retry with a challenge: every way to end it (F1, F4, F9, L4)."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import balance, dialog, press, row, said, switch
from tests.browser.test_add_funds import amount, open_dialog
from tests.browser.test_bank_window import ALWAYS_NAME, answer, bank, window
from tests.browser.test_keyboard import tab_to
from tests.browser.test_widths import PHONE, sticks_out
from tests.factories import CHALLENGED_ALWAYS, CHALLENGED_THEN_DECLINED
from webapp.domain.payment_methods.payment_method import MethodStatus

WAYS = pytest.mark.parametrize("way", ["funds", "retry"])


@pytest.fixture
def card(world):
    return world.card(CHALLENGED_ALWAYS)


@pytest.fixture
def suspended(world, card):
    """The card, suspended by a failed authentication of a manual payment."""
    payment = world.pay(card)
    world.bank(world.address_of(payment), "fail")
    world.conclude(payment)
    return card


def status_of_card(world):
    return world.method("3184").standing(world.clock.now())


def retry_button(page):
    return row(page, ALWAYS_NAME).get_by_role("button", name="Retry")


PAY = re.compile(r"^Pay( another)? \$100\.00$")
"""The button of Add Funds; "another" while a payment is open (T15)."""


def begin(page, way):
    """Start a payment up to the bank's window."""
    if way == "funds":
        open_dialog(page)
        amount(page).fill("100")
        dialog(page).get_by_role("button", name=PAY).click()
    else:
        retry_button(page).click()
        press(page, "Retry")
    expect(window(page)).to_be_visible()


def arrange(request, way):
    request.getfixturevalue("card" if way == "funds" else "suspended")


@pytest.fixture
def asked(request, open_page, world):
    """Start a payment of $100.00 up to the bank's window, by Add Funds or by Retry."""

    def open_(way, **options):
        arrange(request, way)
        page = open_page(**options)
        begin(page, way)
        assert world.charges == []
        return page

    return open_


def expect_paid(page, world):
    expect(said(page, f"$100.00 paid with {ALWAYS_NAME}.")).to_be_visible()
    expect(balance(page)).to_contain_text("$200.00")
    expect(row(page, ALWAYS_NAME)).not_to_contain_text("Suspended until")
    expect(dialog(page)).to_have_count(0)
    assert world.balance == "200.00"
    assert world.charges == [("3184", "100.00")]
    assert status_of_card(world) is MethodStatus.READY


def test_a_failed_challenge_suspends_the_method(asked, world):
    """F1"""
    page = asked("funds")
    answer(page, "Fail authentication")
    expect(said(page, f"{ALWAYS_NAME} was declined:")).to_be_visible()
    expect(window(page)).to_have_count(0)
    expect(row(page, ALWAYS_NAME)).to_contain_text("Suspended until")
    expect(retry_button(page)).to_be_visible()
    expect(balance(page)).to_contain_text("$100.00")
    assert world.charges == []
    assert status_of_card(world) is MethodStatus.SUSPENDED


@pytest.mark.parametrize(("way", "key"), [("funds", "click"), ("retry", "Escape")])
def test_a_closed_challenge_is_not_confirmed(asked, world, way, key):
    """F9: this is no decline, so it neither starts nor extends a suspension."""
    page = asked(way)
    before = world.method("3184").suspended_until
    if key == "click":
        window(page).get_by_role("button", name="Close").click()
    else:
        expect(bank(page).get_by_role("button", name="Complete authentication")).to_be_focused()
        page.keyboard.press(key)
    message = f"$100.00 to {ALWAYS_NAME} was not confirmed with the bank. Nothing was charged."
    expect(said(page, message)).to_be_visible()
    expect(window(page)).to_have_count(0)
    assert world.method("3184").suspended_until == before
    assert world.tries[-1] == ("3184", "100.00", "abandoned")
    assert world.charges == []
    if way == "funds":
        assert status_of_card(world) is MethodStatus.READY
    else:
        expect(retry_button(page)).to_be_visible()

    begin(page, way)
    answer(page, "Complete authentication")
    expect_paid(page, world)


def test_after_a_reload_the_payment_is_offered_again(asked, world):
    """F9: the abandoned challenge is given up, and the payment is charged once."""
    page = asked("funds")
    page.reload()
    expect(window(page)).to_have_count(0)
    expect(dialog(page)).to_have_count(0)
    expect(row(page, ALWAYS_NAME)).to_be_visible()
    begin(page, "funds")
    answer(page, "Complete authentication")
    expect_paid(page, world)
    assert [state for *_, state in world.tries][-2:] == ["abandoned", "paid"]


def test_a_confirmed_payment_without_funds_suspends_the_method(open_page, world):
    """F2"""
    world.card(CHALLENGED_THEN_DECLINED)
    page = open_page()
    begin(page, "funds")
    answer(page, "Complete authentication")
    expect(said(page, "was declined: Insufficient funds.")).to_be_visible()
    expect(row(page, "Visa •••• 3178")).to_contain_text("Suspended until")
    assert world.charges == []


@WAYS
def test_a_challenge_can_be_answered_by_keyboard(request, open_page, world, way):
    """The focus moves into the bank's frame once: a key pressed during a second move is lost."""
    arrange(request, way)
    page = open_page()
    page.evaluate("window.moves = 0; addEventListener('blur', () => window.moves++)")
    if way == "funds":
        opener = page.get_by_role("main").get_by_role("button", name="Add Funds")
        tab_to(page, opener)
        page.keyboard.press("Enter")
        expect(amount(page)).to_be_focused()
    else:
        opener = retry_button(page)
        tab_to(page, opener)
        page.keyboard.press("Enter")
        expect(dialog(page).get_by_role("button", name="Retry", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(bank(page).get_by_role("button", name="Complete authentication")).to_be_focused()
    expect(bank(page).get_by_text("$100.00").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(bank(page).get_by_role("button", name="Fail authentication")).to_be_focused()
    assert page.evaluate("window.moves") == 1
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect_paid(page, world)
    # The Retry button is gone, so the row's switch has the focus.
    expect(opener if way == "funds" else switch(page, ALWAYS_NAME)).to_be_focused()


def test_a_challenge_fits_on_a_phone(asked, world):
    page = asked("retry", viewport=PHONE, has_touch=True)
    expect(window(page).get_by_role("button", name="Close")).to_be_in_viewport(ratio=1)
    for name in ("Complete authentication", "Fail authentication"):
        expect(bank(page).get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    box = window(page).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert sticks_out(page) == []
    bank(page).get_by_role("button", name="Complete authentication").tap()
    expect_paid(page, world)
