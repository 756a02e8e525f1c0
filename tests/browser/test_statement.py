"""The chart in the browser shows the ledger's numbers, by pointer and by keyboard."""

import re

from playwright.sync_api import expect

from tests.browser.screen import post_usage, until
from tests.factories import VISA

PATH = "/billing/statement"


def test_the_chart_shows_the_ledgers_numbers(open_page, world, server):
    """L2: by arrow keys, by pointer, and in the table."""
    world.cards(VISA)
    world.refill()
    for amount in ("10.25", "5.5", "40.125", "3.00"):
        post_usage(server.url, world, amount)
    page = open_page(PATH)
    until(page, lambda: world.balance == "141.125")
    page.goto(PATH)
    cursor = page.get_by_role("slider", name="Balance, point by point")
    cursor.focus()
    reading = page.locator(".chart-reading")
    expect(reading).to_contain_text("$141.12")
    readings = []
    for _ in range(int(cursor.get_attribute("max")) + 1):
        readings.append(reading.inner_text().rpartition("· ")[2])
        assert cursor.get_attribute("aria-valuetext") == reading.inner_text()
        page.keyboard.press("ArrowLeft")
    # Usage posted together is one point; each refill is a point of its own.
    assert readings[0] == "$141.12"
    possible = ["$141.12", "$144.12", "$41.12", "$44.12", "$84.25", "$89.75", "$100.00", "$0.00"]
    assert set(readings) <= set(possible)
    cursor.blur()
    expect(reading).to_have_text("Last 30 days")

    box = page.locator(".chart-plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 40)
    expect(reading).to_contain_text("$141.12")
    page.get_by_text("Daily figures").click()
    today = page.get_by_role("table").first.get_by_role("row").nth(1)
    expect(today).to_contain_text("$141.12")


def test_days_and_month_are_kept_in_the_url(open_page, world):
    page = open_page(PATH)
    plot = page.locator(".chart-plot")
    before = plot.bounding_box()
    page.get_by_role("link", name="90 days").click()
    expect(page).to_have_url(re.compile("days=90"))
    expect(page.locator(".chart-plot svg")).to_be_visible()
    assert plot.bounding_box() == before, "the layout must not move"
    page.get_by_label("Month").select_option("all")
    expect(page).to_have_url(re.compile("days=90&month=all"))
    page.reload()
    expect(page.get_by_role("link", name="90 days")).to_have_attribute("aria-current", "true")
    expect(page.get_by_label("Month")).to_have_value("all")
