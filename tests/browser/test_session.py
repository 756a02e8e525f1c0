"""Signing in and out."""

import re

from playwright.sync_api import expect

from tests.browser.screen import MAIN, balance
from tests.factories import PASSWORD
from webapp.domain.users.user import User


def sign_in(page, email, password):
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def email_of(world):
    return world.session.get_one(User, world.created.user_id).email


def test_a_person_signs_in_and_out(open_signed_out, world):
    page = open_signed_out()
    page.goto(MAIN)
    expect(page).to_have_url(re.compile("/sign-in"))

    sign_in(page, email_of(world), PASSWORD)

    expect(page).to_have_url(MAIN)
    expect(page.get_by_role("heading", name="Payment Methods", level=1)).to_be_visible()
    expect(balance(page)).to_contain_text("$100.00")

    page.get_by_role("button", name="Ana Ruiz").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    # After signing out, neither the URL nor the back button shows the page.
    page.goto(MAIN)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.get_by_text("$100.00")).to_have_count(0)


def test_signing_in_returns_to_the_requested_page(open_signed_out, world):
    page = open_signed_out()
    page.goto("/billing/statement")
    sign_in(page, email_of(world), PASSWORD)
    expect(page).to_have_url("/billing/statement")


def test_a_wrong_password_is_reported_and_the_email_kept(open_signed_out, world):
    page = open_signed_out()
    page.goto("/sign-in")
    sign_in(page, email_of(world), "not-the-password")

    expect(page.get_by_role("alert")).to_contain_text("Wrong email or password")
    expect(page.get_by_label("Email")).to_have_value(email_of(world))
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_be_focused()


def test_a_page_with_an_ended_session_redirects_to_sign_in(open_page, world):
    world.cards("4242424242424242")
    page = open_page()
    page.context.clear_cookies()
    # The header's balance polls the server and detects the ended session first.
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
