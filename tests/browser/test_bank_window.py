"""The bank's window above our dialog: saving a card, and paying with one (M6, F4, F7, F9)."""

import pytest
from playwright.sync_api import expect

from tests.browser.screen import Held, dialog, press, row, said
from tests.browser.test_add_card import card_field, fill, open_form
from tests.factories import CHALLENGED_ALWAYS, CHALLENGED_ONCE

ONCE_NAME = "Visa •••• 3155"
ALWAYS_NAME = "Visa •••• 3184"


def window(page):
    return page.get_by_role("dialog", name="Confirm with your bank")


def bank(page):
    return page.frame_locator("iframe[title='Your bank']")


def answer(page, name):
    bank(page).get_by_role("button", name=name).click()


def submit(page):
    return page.get_by_role("dialog", name="Add a credit card").locator("[type=submit]").first


@pytest.fixture
def asked(open_page):
    """A page whose card form was submitted and whose bank window is open."""
    page = open_page()
    open_form(page)
    fill(page, CHALLENGED_ONCE)
    submit(page).click()
    expect(window(page)).to_be_visible()
    return page


def test_a_confirmed_card_is_listed(asked):
    """M6."""
    expect(asked.locator("#dialog [aria-busy=true]")).to_have_text("Add card")
    expect(bank(asked).get_by_role("button", name="Complete authentication")).to_be_focused()

    asked.keyboard.press("Enter")

    expect(said(asked, f"{ONCE_NAME} is saved.")).to_be_visible()
    expect(row(asked, ONCE_NAME)).to_be_visible()
    expect(dialog(asked)).to_have_count(0)


def test_a_refused_card_stays_in_the_form_and_can_be_submitted_again(asked, world):
    """M6."""
    answer(asked, "Fail authentication")

    reason = asked.get_by_role("alert").filter(has_text="Your bank did not confirm the card.")
    expect(reason).to_be_focused()
    expect(card_field(asked, "Card number")).to_have_value("4000 0025 0000 3155")
    assert world.methods == []

    submit(asked).click()
    answer(asked, "Complete authentication")
    expect(row(asked, ONCE_NAME)).to_be_visible()


def test_no_refresh_starts_before_the_second_response(asked):
    """M6: an earlier response to a refresh would show the page without the card."""
    answer(asked, "Fail authentication")
    expect(asked.get_by_role("alert").filter(has_text="Your bank did not")).to_be_focused()
    submit(asked).click()
    conclusion = Held(asked, "**/conclusion")
    answer(asked, "Complete authentication")
    conclusion.arrived()

    refreshes = []
    asked.on(
        "request", lambda request: refreshes.append(request) if "refresh" in request.url else None
    )
    asked.evaluate("htmx.trigger(document.body, 'account-changed')")
    asked.evaluate("new Promise(requestAnimationFrame)")
    assert refreshes == []

    conclusion.let_go()
    expect(row(asked, ONCE_NAME)).to_be_visible()


def test_closing_the_window_abandons_the_challenge(asked, world):
    """M6: by Close, by Escape, and by Escape inside the frame; the form can be sent again."""
    for place, key in (("Close", "Enter"), ("Close", "Escape"), ("the frame", "Escape")):
        # The frame takes the focus once it has loaded; a key pressed earlier would be lost.
        expect(bank(asked).get_by_role("button", name="Complete authentication")).to_be_focused()
        if place == "Close":
            window(asked).get_by_role("button", name="Close").focus()
        asked.keyboard.press(key)

        expect(window(asked)).to_have_count(0)
        expect(dialog(asked)).to_contain_text("Your bank's confirmation was not completed.")
        expect(submit(asked)).not_to_have_attribute("aria-busy", "true")
        assert world.methods == []
        submit(asked).click()
    expect(window(asked)).to_be_visible()


def test_a_retry_on_the_payments_page_reports_its_result_there(open_page, world):
    """F4."""
    payment = world.pay(world.card(CHALLENGED_ALWAYS))
    world.bank(world.address_of(payment), "fail")
    world.conclude(payment)
    page = open_page("/billing/payments")
    page.get_by_role("button", name="Retry").click()
    press(page, "Retry")

    answer(page, "Complete authentication")

    expect(said(page, f"$100.00 paid with {ALWAYS_NAME}.")).to_be_visible()
    assert page.url.endswith("/billing/payments")
    assert world.balance == "200.00"
