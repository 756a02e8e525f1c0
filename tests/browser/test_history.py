"""Filters of the payment list, and the preview of unsaved settings."""

import re

from playwright.sync_api import expect

from tests.browser.screen import MAIN, apply, field, settings, suspend
from tests.factories import MASTERCARD, VISA


def test_the_payment_list_follows_the_filters_and_so_does_the_url(open_page, world):
    """E1: the CSV link and the pages are filtered too; a reload shows the same."""
    visa, mastercard = world.cards(VISA, MASTERCARD)
    world.pay(mastercard, "31.00")
    suspend(world, visa, "250.00")
    page = open_page("/billing/payments")
    rows = page.get_by_role("region", name="Payments").get_by_role("listitem")
    expect(rows).to_have_count(3)
    page.get_by_label("Search").fill("4444")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=4444$"))
    page.get_by_label("Search").fill("")
    expect(rows).to_have_count(3)
    page.get_by_label("State").select_option("declined")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("Insufficient funds")
    expect(page.get_by_role("link", name="Download these payments as CSV")).to_be_visible()
    page.reload()
    expect(rows).to_have_count(1)
    page.get_by_label("Kind").select_option("wire")
    expect(page.get_by_role("heading", name="No payments match")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(3)
    rows.first.get_by_role("link", name=re.compile("^P-")).click()
    expect(page.get_by_role("list", name="The attempts in order")).to_contain_text(
        "Insufficient funds"
    )


def test_settings_are_previewed_before_they_are_applied(open_page, world):
    """T13: the preview and the chart follow the input; Discard restores both and saves nothing."""
    world.cards(VISA)
    world.refill()
    page = open_page(MAIN)
    line = page.locator(".chart-threshold")
    before = line.get_attribute("y1")
    field(page, "Threshold amount").fill("80")
    preview = page.locator("#settings-preview")
    expect(preview).to_contain_text("When your balance falls below $80.00, we’ll charge $100.00")
    assert line.get_attribute("y1") != before
    field(page, "Refill amount").fill("1")
    expect(preview).not_to_contain_text("we’ll charge")
    field(page, "Refill amount").fill("100")
    expect(preview).to_contain_text("$80.00")
    settings(page).get_by_role("button", name="Discard").click()
    expect(preview).to_be_empty()
    assert line.get_attribute("y1") == before
    field(page, "Threshold amount").fill("90")
    apply(page).click()
    expect(page.get_by_text("Changes applied").first).to_be_visible()
    expect(preview).to_be_empty()
