"""Strength of a new password while it is typed."""

from playwright.sync_api import expect

from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_users import ON_A_PHONE
from tests.browser.test_widths import sticks_out

WEAK, OWN = "Weak: easy to guess.", "Do not use your name, email address or company."


def test_the_strength_is_shown_while_typing(open_signed_out):
    """A meter, and a sentence for screen readers."""
    page = open_signed_out(**ON_A_PHONE)
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
    assert sticks_out(page) == []
    field.fill("")
    expect(message).to_be_hidden()
