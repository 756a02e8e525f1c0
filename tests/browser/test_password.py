"""Strength of a new password while it is typed."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_users import LOOKS, options

WEAK, OWN = "Weak: easy to guess.", "Do not use your name, email address or company."


@LOOKS
def test_the_strength_is_shown_while_typing(open_signed_out, width, theme):
    """A meter, and a sentence for screen readers."""
    page = open_signed_out(**options(width, theme))
    page.goto("/sign-up")
    page.get_by_label("Company name").fill("Quay Telecom")
    page.get_by_label("Email").fill("bo.lind@example.com")
    field, message = page.get_by_label("Password"), page.locator(".strength [role=status]")
    meter = page.locator(".strength meter")
    expect(message).to_be_hidden()
    for password, text, value in (
        ("abc", "Too short: 7 more characters.", 1),
        ("abcdefghi", "Too short: 1 more character.", 1),
        ("aaaaaaaaaaaa", WEAK, 1),
        ("1234567890", WEAK, 1),
        ("abcdefghijklm", WEAK, 1),
        ("Bo.Lind2026", OWN, 1),
        ("mocelet-yauq-99", OWN, 1),
        ("kT9-pe2-wRx", "Fair: a longer one is safer.", 2),
        ("a-long-password", "Good.", 3),
        ("seven boats in the harbour", "Strong.", 4),
    ):
        field.fill(password)
        expect(message).to_have_text(text)
        assert meter.evaluate("it => it.value") == value
    expect_no_violations(page, "the strength of a password")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    field.fill("")
    expect(message).to_be_hidden()


@pytest.mark.parametrize("scripts", [True, False])
def test_a_common_password_is_refused_with_and_without_javascript(open_signed_out, scripts):
    """The server decides."""
    page = open_signed_out(java_script_enabled=scripts)
    page.goto("/sign-up")
    for label, text in (
        ("Company name", "Quay Telecom"),
        ("Your name", "Bo Lind"),
        ("Email", "bo.lind@example.com"),
        ("Password", "password12"),
    ):
        page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_text("This is one of the most common passwords.")).to_be_visible()
    expect(page.get_by_label("Company name")).to_have_value("Quay Telecom")
