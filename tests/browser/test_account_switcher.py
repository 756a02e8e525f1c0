"""Switching accounts in the header (P3)."""

import pytest
from playwright.sync_api import expect

from tests.browser.screen import balance
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_widths import PHONE
from webapp.domain.users.user import Membership, Role


@pytest.fixture
def other(world):
    other = world.account(name="Northline Telecom", balance="7.00")
    world.session.add(
        Membership(user_id=world.created.user_id, account_id=other.account_id, role=Role.COMMERCIAL)
    )
    world.session.commit()
    return other


def test_switching_by_keyboard_p3(open_page, other):
    """P3: the menu opens by keyboard, marks the current account, and switches to the other."""
    page = open_page()
    button = page.get_by_role("button", name="Account Harbour Voice")
    button.focus()
    page.keyboard.press("Enter")
    here = page.locator("#accounts").get_by_role("button", name="Harbour Voice")
    expect(here).to_have_attribute("aria-current", "true")
    page.locator("#accounts").get_by_role("button", name="Northline Telecom").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Account Northline Telecom")).to_be_visible()
    expect(balance(page)).to_contain_text("$7.00")


def test_an_open_page_follows_the_switch_p3(open_page, other):
    """P3: a second window is reloaded and does not mix the accounts."""
    left_open = open_page()
    second = left_open.context.new_page()
    second.goto("/settings/profile")
    second.get_by_role("button", name="Switch to Northline Telecom").click()
    expect(balance(second)).to_contain_text("$7.00")
    expect(left_open.get_by_role("button", name="Account Northline Telecom")).to_be_visible()
    expect(balance(left_open)).to_contain_text("$7.00")


def test_axe_on_the_account_switcher_p3(open_page, other):
    page = open_page("/settings/profile", viewport=PHONE, bypass_csp=True)
    page.locator("button.account").click()
    expect_no_violations(page, "the account switcher on a phone")
