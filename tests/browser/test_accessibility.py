"""axe checks, and support for keyboards, forced colours and reduced motion."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.browser.screen import (
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    Held,
    apply,
    come_to_rest,
    dialog,
    field,
    handle,
    methods,
    more,
    notification,
    refill,
    row,
    settings,
    suspend,
    switch,
)
from tests.factories import AMEX, DISCOVER, MASTERCARD, VISA

axe = Axe()
SHADES = ["color-contrast", "link-in-text-block"]
"""Rules about colours; in the dark theme only these can differ."""


def expect_no_violations(page, where):
    """Run the colour rules in the dark theme, then all rules in the light one."""
    page.emulate_media(color_scheme="dark")
    run_axe(page, f"{where}, dark", {"runOnly": SHADES})
    page.emulate_media(color_scheme="light")
    run_axe(page, where)


def run_axe(page, where, options=None):
    """Expect no violation on the page as it is; `options` are axe's own."""
    come_to_rest(page)  # colours are checked after the transitions
    options = (options or {}) | {"preload": False, "iframes": False, "resultTypes": ["violations"]}
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.axe_script)
    results = page.evaluate("(options) => axe.run(options)", options)
    found = [
        {
            "rule": violation["id"],
            "help": violation["help"],
            "at": [f"{node['target']} {node['html'][:160]}" for node in violation["nodes"][:4]],
            "why": violation["nodes"][0]["failureSummary"],
        }
        for violation in results["violations"]
    ]
    assert not found, f"{where}: {json.dumps(found, indent=1, ensure_ascii=False)}"


@pytest.fixture
def full(world):
    """An account with every kind of row, a failed payment and an email."""
    visa, _, _ = world.cards(VISA, MASTERCARD, AMEX)
    world.card(DISCOVER)
    world.refill(notification_on=True, notification_threshold="120.00", day_limit="500.00")
    suspend(world, visa)
    world.use("60.00")
    return world


def test_axe_on_every_page(open_calm, full):
    page = open_calm()
    expect_no_violations(page, MAIN)
    for path in (
        "/billing/payments",
        f"/billing/payments/{full.attempts[0].payment_id}",
        "/billing/details",
        "/billing/statement",
        "/billing/activity",
        "/settings/audit-log",
        "/settings/api-keys",
        "/settings/api-keys/new",
        "/settings/webhooks",
        "/settings/webhooks/new",
        "/settings/data",
        "/settings/notifications",
        "/settings/notifications/mails/receipt",
        "/sandbox",
        "/sandbox/outbox",
        "/api/docs",
        "/billing/nowhere",
    ):
        page.goto(path)
        expect_no_violations(page, path)
    page.goto("/sandbox/outbox")
    page.get_by_role("main").get_by_role("listitem").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name="Plain text")).to_be_visible()
    expect_no_violations(page, "an email")


def test_axe_on_every_dialog_and_menu(open_calm, full):
    page = open_calm()

    def check(where):
        expect(dialog(page)).to_be_visible()
        expect_no_violations(page, where)
        page.keyboard.press("Escape")
        expect(dialog(page)).to_have_count(0)

    page.get_by_role("main").get_by_role("button", name="Add Funds").click()
    page.get_by_role("dialog").get_by_label("Amount", exact=True).fill("1")
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Pay")).click()
    expect(page.get_by_role("dialog")).to_contain_text("At least $30.00")
    expect_no_violations(page, "Add Funds, Instant payment, refused")
    page.get_by_role("tab", name="Auto-charge").click()
    check("Add Funds, Auto-charge")
    page.get_by_role("button", name="Add Payment Method").click()
    expect_no_violations(page, "the menu Add Payment Method")
    page.get_by_role("menuitem", name="Credit Card").click()
    page.get_by_role("dialog").get_by_label("Card number").fill("4242")
    page.get_by_role("dialog").get_by_role("button", name="Add card").click()
    check("Add a credit card, refused")
    row(page, VISA_NAME).get_by_role("button", name="Retry").click()
    check("Retry")
    page.get_by_role("button", name=f"More actions for {MASTERCARD_NAME}").click()
    expect_no_violations(page, "a row's menu")
    page.get_by_role("menuitem", name="Remove").click()
    check("Remove")
    page.get_by_role("button", name="Ana Ruiz").click()
    expect_no_violations(page, "the user menu")


def test_axe_on_the_empty_screen_a_warning_and_refused_settings(open_calm, world):
    page = open_calm()
    expect(page.get_by_role("heading", name="Set up automatic refills")).to_be_visible()
    expect_no_violations(page, "without a method")

    world.cards(VISA, MASTERCARD)
    world.refill()
    world.consent(world.method("4242"), False)
    page.reload()
    expect(page.get_by_text("Nothing is charged automatically")).to_be_visible()
    notification(page).click()
    field(page, "Threshold amount").fill("x")
    apply(page).click()
    expect(settings(page).locator(".outcome")).to_have_text("2 fields to fix")
    expect_no_violations(page, "with a warning and refused settings")


def test_axe_signed_out_and_on_a_phone(open_signed_out, open_calm, full):
    out = open_signed_out(bypass_csp=True)
    out.goto("/sign-in")
    expect_no_violations(out, "sign-in")
    out.get_by_label("Email").fill("ana@example.com")
    out.get_by_label("Password").fill("wrong")
    out.get_by_role("button", name="Sign in").click()
    expect(out.get_by_role("alert")).to_be_visible()
    expect_no_violations(out, "sign-in, refused")

    phone = open_calm(viewport={"width": 390, "height": 844})
    expect_no_violations(phone, "a phone")
    phone.get_by_role("button", name="Open menu").click()
    expect(phone.get_by_role("navigation", name="Menu")).to_be_visible()
    expect_no_violations(phone, "a phone's drawer")


def test_forced_colours_keep_the_border_of_switches(open_page, full):
    page = open_page(forced_colors="active")
    for place in (switch(page, VISA_NAME), refill(page), notification(page)):
        track = place.evaluate(
            """(it) => {
              const track = it.matches("input") ? it : it.querySelector(".track");
              const style = getComputedStyle(track);
              return [style.borderTopStyle, parseFloat(style.borderTopWidth)];
            }"""
        )
        assert track[0] == "solid"
        assert track[1] >= 1
    # On and off look different.
    on, off = (
        methods(page).get_by_role("switch", checked=is_on).first.screenshot()
        for is_on in (True, False)
    )
    assert on != off


def test_forced_colours_keep_the_mark_of_a_box(open_page, full):
    page = open_page(forced_colors="active")
    box = page.get_by_label("No daily limit")
    clear = box.screenshot()
    box.check()
    page.mouse.move(0, 0)
    come_to_rest(page)
    assert box.screenshot() != clear


def test_reduced_motion_keeps_the_spinner(open_page, full):
    page = open_page(reduced_motion="reduce")
    field(page, "Threshold amount").fill("60")
    held = Held(page, "**/low-balance-settings")
    apply(page).click()
    held.arrived()
    expect(apply(page)).to_have_css("color", "rgb(255, 255, 255)")  # its color fades
    spinner = apply(page).evaluate(
        """(it) => {
          const style = getComputedStyle(it, "::before");
          return [style.width, style.borderTopColor, style.animationName, style.animationDuration];
        }"""
    )
    assert spinner == ["14px", "rgb(255, 255, 255)", "turn, appear", "0.7s, 0s"]
    held.let_go()


def moving(page):
    """Return the properties being animated now, except colours and opacity."""
    return page.evaluate(
        """() => document.getAnimations()
             .flatMap((it) => it.effect.getKeyframes()).flatMap((it) => Object.keys(it))
             .filter((it) => !["offset", "computedOffset", "easing", "composite"].includes(it))
             .filter((it) => !/color|background|fill|stroke|shadow|opacity|outline/i.test(it))"""
    )


def test_reduced_motion_disables_movement(open_page, full):
    page = open_page(reduced_motion="reduce")
    place = switch(page, MASTERCARD_NAME)
    durations = place.locator(".track").evaluate(
        """(it) => [getComputedStyle(it), getComputedStyle(it, "::before"),
                    getComputedStyle(it, "::after")]
             .map((style) => [style.transitionProperty, style.transitionDuration])"""
    )
    for properties, times in durations:
        if any(word in properties for word in ("transform", "translate", "left", "all")):
            assert set(times.split(", ")) <= {"0s", "0.01ms", "1e-05s"}, (properties, times)

    page.route("**/order*", lambda route: route.abort())
    handle(page, MASTERCARD_NAME).press("ArrowUp")
    assert moving(page) == []
    page.unroute("**/order*")
    more(page, MASTERCARD_NAME, "Remove")
    expect(dialog(page)).to_be_visible()
    assert moving(page) == []
