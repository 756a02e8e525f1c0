"""Retry on the row and in the failed payments; Restore without paying (F4)."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import VISA_NAME, Held, balance, dialog, press, row, said, suspend
from tests.factories import MASTERCARD, VISA


@pytest.fixture(autouse=True)
def suspended(world):
    visa, _ = world.cards(VISA, MASTERCARD)
    suspend(world, visa)
    return visa


def retry_on_row(page):
    return row(page, VISA_NAME).get_by_role("button", name="Retry")


def retry_on_payment(page):
    failures = page.get_by_role("region", name="Recent failed payments")
    return failures.get_by_role("button", name="Retry")


def expect_restored(page):
    expect(row(page, VISA_NAME).get_by_text("Ready")).to_be_visible()
    expect(row(page, VISA_NAME)).not_to_contain_text("Suspended until")
    expect(retry_on_row(page)).to_have_count(0)


def test_a_suspended_row_names_the_end_and_the_reason(open_page):
    page = open_page()
    expect(row(page, VISA_NAME)).to_contain_text(
        re.compile(r"Suspended until \w{3}\s\d+\s\w{3},\s\d\d:\d\d\s·\sInsufficient funds")
    )
    expect(retry_on_row(page)).to_have_accessible_description(re.compile("Insufficient funds"))


@pytest.mark.parametrize("where", [retry_on_row, retry_on_payment])
def test_retry_asks_first_then_pays_and_restores(open_page, world, where):
    page = open_page()
    where(page).click()
    question = page.get_by_role("dialog", name="Retry $250.00?")
    expect(question).to_contain_text(VISA_NAME)
    expect(question).to_contain_text("Insufficient funds")
    expect(question).to_contain_text(re.compile(r"\$100\.00\s*\$350\.00"))
    assert world.charges == [], "opening the dialog charges nothing"

    press(page, "Retry")
    expect_restored(page)
    expect(question).to_have_count(0)
    expect(row(page, VISA_NAME)).to_contain_text("$250.00 paid. This method is back in use.")
    expect(balance(page)).to_contain_text("$350.00")
    expect(retry_on_payment(page)).to_have_count(0)
    assert world.charges == [("4242", "250.00")]
    assert world.balance == "350.00"


def test_cancel_and_escape_charge_nothing(open_page, world):
    page = open_page()
    retry_on_row(page).click()
    press(page, "Cancel")
    expect(dialog(page)).to_have_count(0)
    expect(retry_on_row(page)).to_be_focused()
    retry_on_row(page).press("Enter")
    expect(dialog(page)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(retry_on_row(page)).to_be_focused()
    assert len(world.attempts) == 1


def test_a_decline_restarts_the_48_hours(open_page, world):
    before = world.method("4242").suspended_until
    world.next_answer("decline", decline_code="generic_decline", last4="4242")
    page = open_page()
    retry_on_row(page).click()
    press(page, "Retry")

    expect(said(page, f"{VISA_NAME} was declined: Declined by the bank.")).to_be_visible()
    expect(row(page, VISA_NAME)).to_contain_text(re.compile(r"Suspended until .*Declined by the"))
    expect(retry_on_row(page)).to_be_visible()
    expect(balance(page)).to_contain_text("$100.00")
    assert world.method("4242").suspended_until > before
    assert world.charges == []


def test_a_double_click_charges_once(open_page, world):
    page = open_page()
    retry_on_row(page).click()
    pay = dialog(page).get_by_role("button", name="Retry", exact=True)
    with page.expect_request("**/retries") as sent:
        pay.dblclick()
    expect_restored(page)

    # Send the same form again, as a reload or a second tab would.
    again = page.request.post(
        sent.value.url,
        data=sent.value.post_data_buffer,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert again.ok
    page.reload()
    expect(balance(page)).to_contain_text("$350.00")
    assert world.charges == [("4242", "250.00")]
    assert world.balance == "350.00"


def test_the_row_shows_retrying_until_the_response(open_page, world):
    page = open_page()
    retry_on_row(page).click()
    held = Held(page, "**/retries")
    press(page, "Retry")
    held.arrived()
    expect(row(page, VISA_NAME).get_by_text("Retrying")).to_be_visible()
    expect(dialog(page)).to_have_count(0)
    assert world.charges == []
    held.let_go()
    expect_restored(page)


def test_a_retry_without_a_response_is_offered_again(open_page):
    page = open_page()
    retry_on_row(page).click()
    page.route("**/retries", lambda route: route.abort())
    press(page, "Retry")
    expect(said(page, "The server did not respond.")).to_be_visible()
    expect(row(page, VISA_NAME).get_by_text("Retrying")).to_have_count(0)
    expect(retry_on_row(page)).to_be_visible()


def test_restore_without_paying(open_page, world):
    page = open_page()
    retry_on_row(page).click()
    press(page, "Restore without paying")

    expect_restored(page)
    expect(row(page, VISA_NAME)).to_contain_text(
        "Verified with the bank. This method is back in use."
    )
    expect(balance(page)).to_contain_text("$100.00")
    assert world.charges == []
    # The payment is still unpaid and can be retried.
    expect(retry_on_payment(page)).to_be_visible()


def test_a_failed_payment_covered_by_another_method_has_no_retry(open_page, world):
    world.session.rollback()
    world.consent(world.method("4242"), True)
    page = open_page()
    retry_on_row(page).click()
    press(page, "Restore without paying")
    expect_restored(page)
    world.next_answer("decline", decline_code="generic_decline", last4="4242")
    world.pay_by_chain("40.00")

    failures = page.get_by_role("region", name="Recent failed payments")
    expect(failures.get_by_role("listitem").filter(has_text="$40.00")).to_contain_text(
        "Paid by Mastercard •••• 4444"
    )
    expect(retry_on_payment(page)).to_have_count(1)


def test_retry_in_the_list_of_payments(open_page, world):
    page = open_page("/billing/payments")
    declined = page.get_by_role("listitem").filter(has_text="Declined")
    declined.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("dialog", name="Retry $250.00?")).to_be_visible()
    press(page, "Retry")
    expect(page.get_by_role("listitem").filter(has_text="Retry")).to_contain_text(["Paid"])
    expect(page.get_by_role("button", name="Retry")).to_have_count(0)
    assert world.charges == [("4242", "250.00")]


def test_the_result_survives_a_refresh_before_and_after_the_payments_page_loads(open_page, world):
    """F4: the page refreshes itself when the account has changed."""
    page = open_page("/billing/payments")
    page.get_by_role("button", name="Retry").click()
    load = Held(page, lambda url: url == page.url, resource_type="document")

    with page.expect_response(
        lambda answer: answer.url == page.url and answer.request.resource_type == "xhr"
    ):
        press(page, "Retry")
        load.arrived()
    load.let_go()
    result = said(page, "$250.00 paid")
    expect(result).to_be_visible()

    world.pay(world.method("4444"), "31.23")
    expect(page.locator("#payments")).to_contain_text("$31.23")
    expect(result).to_be_visible()
