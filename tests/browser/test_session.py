"""Signing in and out."""

from playwright.sync_api import expect

from tests.browser.screen import MAIN, balance
from tests.factories import PASSWORD


def sign_in(page, email, password):
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def email_of(world):
    from webapp.domain.users import User

    return world.session.get_one(User, world.created.user_id).email


def test_a_person_signs_in_and_out(open_signed_out, world):
    page = open_signed_out()
    page.goto(MAIN)
    expect(page).to_have_url("/sign-in?next=%2Fbilling%2Fpayment-methods")

    sign_in(page, email_of(world), PASSWORD)

    expect(page).to_have_url(MAIN)
    expect(page.get_by_role("heading", name="Payment Methods", level=1)).to_be_visible()
    expect(balance(page)).to_contain_text("$100.00")

    page.get_by_role("button", name="Ana Ruiz").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()

    page.goto(MAIN)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("$100.00")).to_have_count(0)
