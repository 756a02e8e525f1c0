"""L1: amounts are entered and shown in the account's currency and number format."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import (
    apply,
    balance,
    dialog,
    field,
    notification,
    press,
    refill,
    said,
    settings,
)
from tests.factories import VISA, World, micros
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.top_ups.settings import LowBalanceSettings


@pytest.fixture
def world(world, request):
    """The test's own account in the currency and number format of its parameter."""
    currency, locale, opening = request.param
    own = World(world.app, world.session, world.account(opening, currency=currency))
    begin_writing(own.session)
    own.session.get_one(Account, own.account_id).locale = locale
    own.session.commit()
    own.card(VISA, auto_charge=True)
    return own


def in_account(currency, locale, opening):
    return pytest.mark.parametrize(
        "world", [(currency, locale, opening)], indirect=True, ids=[f"{currency}-{locale}"]
    )


def stored(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id)


def open_funds(page):
    page.get_by_role("main").get_by_role("button", name="Add Funds").click()
    return dialog(page).get_by_label("Amount", exact=True)


@in_account("EUR", "de_DE", "1234.56")
def test_amounts_with_a_decimal_comma_are_saved_and_charged(open_page, world):
    """L1: as on the keyboard of a phone that has no full stop; bug 6."""
    page = open_page()
    expect(balance(page)).to_contain_text("1.234,56\xa0€")
    refill(page).click()
    field(page, "Threshold amount").fill("75,50")
    field(page, "Refill amount").fill("1.234,56")
    expect(field(page, "Daily limit")).to_have_value("6172,80")
    notification(page).click()
    field(page, "Notification threshold").fill("1.000")
    apply(page).click()
    error = settings(page).locator("#notification_threshold-error")
    expect(error).to_have_text("Enter 1000 or 1,00: 1.000 can mean both")
    assert not stored(world).refill_on, "all or nothing"

    field(page, "Notification threshold").fill("1000,00")
    apply(page).click()
    expect(page.get_by_role("status").filter(has_text="Changes applied")).to_be_visible()
    expect(field(page, "Threshold amount")).to_have_value("75,50")
    expect(field(page, "Refill amount")).to_have_value("1234,56")
    kept = stored(world)
    amounts = (kept.threshold, kept.refill_amount, kept.day_limit, kept.notification_threshold)
    assert amounts == tuple(map(micros, ("75.50", "1234.56", "6172.80", "1000.00")))
    expect(page.get_by_text("1.500\xa0€", exact=True).first).to_be_attached()

    amount = open_funds(page)
    expect(amount).to_have_value("100,00")
    amount.fill("1.500")
    expect(dialog(page).get_by_role("button", name="Pay", exact=True)).to_be_visible()
    amount.fill("1.500,75")
    after = dialog(page).get_by_text("Balance after this payment").locator("..")
    expect(after).to_contain_text("2.735,31\xa0€")
    press(page, "Pay 1.500,75\xa0€")
    expect(said(page, "1.500,75\xa0€ paid with Visa •••• 4242.")).to_be_visible()
    assert world.charges == [("4242", "1500.75")]


@in_account("JPY", "en_US", "12000.00")
def test_amounts_in_yen_have_no_decimals(open_page, world):
    page = open_page()
    expect(balance(page)).to_contain_text("¥12,000")
    refill(page).click()
    field(page, "Threshold amount").fill("5,000")
    field(page, "Refill amount").fill("10000.50")
    apply(page).click()
    expect(settings(page).locator("#refill_amount-error")).to_have_text("JPY has no decimals")
    field(page, "Refill amount").fill("10000")
    expect(field(page, "Daily limit")).to_have_value("50000")
    apply(page).click()
    expect(page.get_by_role("status").filter(has_text="Changes applied")).to_be_visible()
    expect(field(page, "Threshold amount")).to_have_value("5000")
    expect(page.get_by_role("region", name="What happens next")).to_contain_text(
        "When your balance falls below ¥5,000, we’ll charge ¥10,000"
    )
    kept = stored(world)
    assert (kept.threshold, kept.refill_amount) == (micros("5000"), micros("10000"))

    amount = open_funds(page)
    expect(amount).to_have_value("10000")
    dialog(page).get_by_role("button", name="¥5,000", exact=True).click()
    expect(amount).to_have_value("5000")
    after = dialog(page).get_by_text("Balance after this payment").locator("..")
    expect(after).to_contain_text(re.compile(r"¥12,000\s*¥17,000"))
    press(page, "Pay ¥5,000")
    expect(balance(page)).to_contain_text("¥17,000")
    assert world.charges == [("4242", "5000.00")]
    assert [currency for _, _, currency in world.books.paid_charges()][-1] == "JPY"
