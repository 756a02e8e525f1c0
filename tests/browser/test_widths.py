"""Widths from 320 to 1920 pixels: nothing overflows, and everything is reachable."""

from itertools import pairwise

import pytest
from playwright.sync_api import expect

from tests.browser.screen import (
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    dialog,
    expect_order,
    handle,
    more,
    row,
    suspend,
    switch,
)
from tests.factories import AMEX, MASTERCARD, VISA

PAGES = [
    MAIN,
    "/billing/payments",
    "/billing/statement",
    "/billing/activity",
    "/billing/funds/new",
    "/billing/payment-methods/cards/new",
    "/settings/users",
    "/settings/notifications",
    "/settings/api-keys",
    "/settings/webhooks/new",
    "/settings/data",
    "/settings/audit-log",
    "/sandbox",
    "/sandbox/outbox",
    "/billing/nowhere",
]
PHONE = {"width": 390, "height": 844}
WIDTHS = (320, 390, 768, 1100, 1920)


def sticks_out(page):
    """Return elements beyond the right edge, unless a scrolling or clipping box contains them."""
    return page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth;
          if (document.documentElement.scrollWidth <= width) return [];
          return [...document.querySelectorAll("body *")]
            .filter((it) => it.checkVisibility() && it.getBoundingClientRect().right > width + 0.5)
            .map((it) => it.outerHTML.slice(0, 120))
            .slice(0, 5)
            .concat(`the page is ${document.documentElement.scrollWidth} wide`);
        }"""
    )


def resize(page, width, height=900):
    """Resize the window, and wait until the page has redrawn what depends on its width."""
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def sticks_out_at(page, widths=WIDTHS):
    """Return what `sticks_out` finds at each of the widths; the page is loaded once."""
    found = {}
    for width in widths:
        resize(page, width)
        if out := sticks_out(page):
            found[width] = out
    return found


@pytest.fixture(autouse=True)
def full(world):
    """Fill each page with as much content as possible."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.card(AMEX)
    suspend(world, visa)
    world.refill("1000.00", "500.00", day_limit="2000.00", month_limit="20000.00")
    world.use("10123456.789012")
    return visa


def test_no_page_scrolls_sideways(open_page):
    page = open_page(None)
    found = {}
    for path in PAGES:
        page.goto(path)
        if out := sticks_out_at(page):
            found[path] = out
    assert found == {}


def test_no_dialog_overflows_a_phone(open_page):
    page = open_page(viewport=PHONE, reduced_motion="reduce")

    def fits():
        expect(dialog(page)).to_be_visible()
        for width in (320, 390):
            resize(page, width, 700)
            box = dialog(page).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 700
            inside = dialog(page).evaluate("it => it.scrollWidth <= it.clientWidth")
            assert inside, "the dialog must not scroll sideways"
        page.keyboard.press("Escape")
        expect(dialog(page)).to_have_count(0)

    page.get_by_role("main").get_by_role("button", name="Add Funds").click()
    fits()
    page.get_by_role("button", name="Add Payment Method").click()
    page.get_by_role("menuitem", name="Credit Card").click()
    fits()
    row(page, VISA_NAME).get_by_role("button", name="Retry").click()
    fits()
    more(page, VISA_NAME, "Remove")
    fits()


def test_the_menu_is_a_drawer_on_a_phone(open_page):
    page = open_page(viewport=PHONE)
    menu = page.get_by_role("navigation", name="Menu")
    expect(menu).to_be_hidden()
    page.get_by_role("button", name="Open menu").click()
    expect(menu).to_be_visible()
    page.get_by_role("button", name="Close menu").click()
    expect(menu).to_be_hidden()

    page.get_by_role("button", name="Open menu").click()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(page.get_by_role("button", name="Open menu")).to_be_focused()

    page.get_by_role("button", name="Open menu").click()
    menu.get_by_role("link", name="Activity").click()
    expect(page.get_by_role("heading", name="Activity", level=1)).to_be_visible()


def test_from_tablets_up_the_menu_is_always_visible(open_page):
    page = open_page()
    menu = page.get_by_role("navigation", name="Menu")
    for width in (768, 1440):
        resize(page, width)
        for name in ("Payment Methods", "Payments", "Statement", "Activity"):
            expect(menu.get_by_role("link", name=name, exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="Open menu")).to_be_hidden()
    expect(menu.get_by_role("link", name="Payment Methods")).to_have_attribute(
        "aria-current", "page"
    )


def test_on_a_phone_the_move_actions_are_in_the_rows_menu(open_page):
    page = open_page(viewport=PHONE)
    page.get_by_role("button", name=f"More actions for {MASTERCARD_NAME}").click()
    up = page.get_by_role("menuitem", name=f"Move {MASTERCARD_NAME} up")
    expect(page.get_by_role("menuitem", name=f"Move {MASTERCARD_NAME} down")).to_be_visible()
    up.click()
    expect_order(page, MASTERCARD_NAME, VISA_NAME, "American Express •••• 0005")
    # The menu stays open, because rows are often moved by several positions.
    expect(up).to_be_visible()
    expect(up).to_be_focused()
    page.get_by_role("menuitem", name=f"Move {MASTERCARD_NAME} down").click()
    expect_order(page, VISA_NAME, MASTERCARD_NAME, "American Express •••• 0005")
    page.keyboard.press("Escape")
    expect(up).to_be_hidden()


def test_on_a_phone_every_control_is_large_enough_to_touch(open_page, world):
    """36 pixels on phones; a switch is as high as its label."""
    world.pay(world.method("4444"), "30.00")
    payment = f"/billing/payments/{world.attempts[-1].payment_id}"
    page, small = open_page(None, viewport=PHONE, has_touch=True), {}
    for path in (MAIN, "/billing/statement", payment):
        page.goto(path)
        small[path] = page.evaluate(
            """() => ["main button", "main a[role=button]", "main summary", "header button"]
                 .flatMap((kind) => [...document.querySelectorAll(kind)])
                 .filter((it) => it.checkVisibility({ visibilityProperty: true }))
                 .map((it) => [it.getBoundingClientRect(), it.ariaLabel ?? it.textContent.trim()])
                 .filter(([box]) => box.width > 1 && (box.height < 35.5 || box.width < 24))
                 .map(([box, name]) => `${name}: ${box.width} × ${box.height}`)"""
        )
    assert not any(small.values()), small


def test_on_a_phone_a_long_url_breaks_at_its_parts(open_page, world):
    url = "https://hooks.billing.harbour-voice.example/ballast/events/incoming"
    endpoint = world.webhook(url=url).endpoint_id
    page = open_page(f"/settings/webhooks/{endpoint}", viewport=PHONE)
    title = page.get_by_role("heading", name=url, level=1)
    lines = title.evaluate(
        """(it) => {
          const words = document.createRange(), lines = new Map();
          const texts = document.createTreeWalker(it, NodeFilter.SHOW_TEXT);
          while (texts.nextNode()) {
            const { textContent } = texts.currentNode;
            for (let at = 0; at < textContent.length; at += 1) {
              words.setStart(texts.currentNode, at);
              words.setEnd(texts.currentNode, at + 1);
              const { top } = words.getBoundingClientRect();
              lines.set(top, (lines.get(top) ?? "") + textContent[at]);
            }
          }
          return [...lines.values()].map((line) => line.trim());
        }"""
    )
    assert "".join(lines) == url
    assert all(line[-1] in "/-" or after[0] == "." for line, after in pairwise(lines))


def test_on_a_phone_the_switch_has_a_label_and_the_handle_is_visible(open_page):
    page = open_page(viewport=PHONE)
    expect(handle(page, VISA_NAME)).to_be_visible()
    expect(row(page, VISA_NAME).get_by_text("Auto-charge", exact=True)).to_be_visible()
    switch(page, MASTERCARD_NAME).click()
    expect(switch(page, MASTERCARD_NAME)).not_to_be_checked()


def test_text_at_double_size_still_fits(open_page):
    """A 200 % zoom of a 1280-pixel window equals 640 pixels."""
    page = open_page(viewport={"width": 640, "height": 480}, device_scale_factor=2)
    assert sticks_out(page) == []
