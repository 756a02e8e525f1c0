"""Users, sign-up and invitations in a browser."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import MAIN
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_widths import PHONE, sticks_out
from webapp.domain.notifications.outbox import Notice
from webapp.domain.users.user import Membership, Role, User

USERS = "/settings/users"
ON_A_PHONE = {"viewport": PHONE, "bypass_csp": True}


@pytest.fixture
def mate(world):
    user = User(
        email=f"mate-{world.account_id}@example.com",
        name="Bo Lind",
        password_hash="",
        created_at=world.clock.now(),
    )
    world.session.add(user)
    world.session.flush()
    world.session.add(Membership(user_id=user.id, account_id=world.account_id, role=Role.BILLING))
    world.session.commit()
    return user


def test_roles_are_changed_in_a_dialog_by_keyboard_p1(open_page, world, mate):
    """P1: the menu opens by keyboard, the dialog takes the focus, and the list shows the roles."""
    world.invite("cy@example.com")
    page = open_page(USERS, **ON_A_PHONE)
    expect_no_violations(page, "users")
    page.get_by_role("button", name="More actions for Bo Lind").press("Enter")
    expect(page.get_by_role("menuitem", name="Change roles")).to_be_focused()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Roles of Bo Lind")
    expect(dialog.get_by_label("Billing")).to_be_checked()
    expect_no_violations(page, "roles")
    dialog.get_by_label("Technical").press("Space")
    dialog.get_by_role("button", name="Save roles").press("Enter")
    expect(page.get_by_text("The roles of Bo Lind are changed.")).to_be_visible()
    expect(page.get_by_text("Billing, Technical")).to_be_visible()
    assert sticks_out(page) == []


def test_a_company_signs_up_and_confirms_its_email_p3(open_signed_out, world):
    """P3: it then sees its main screen."""
    page = open_signed_out(**ON_A_PHONE)
    email = "bo@example.com"
    page.goto("/sign-in")
    page.get_by_role("link", name="Create an account").click()
    expect_no_violations(page, "sign-up")
    page.get_by_label("Company name").fill("Quay Telecom")
    page.get_by_label("Your name").fill("Bo Lind")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Create account").click()
    expect(page).to_have_url(MAIN)
    expect(page.get_by_role("heading", name="Confirm your email")).to_be_visible()
    expect_no_violations(page, "not confirmed yet")
    world.session.rollback()
    mail = world.session.query(Notice).filter_by(recipient=email).one()
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    page.goto(re.search(r"https?://[^/\s]+(/confirm-email/\S+)", text)[1])
    expect_no_violations(page, "confirming")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text(f"{email} is confirmed.")).to_be_visible()
    expect(page.get_by_text("Confirm your email address.")).to_have_count(0)
    page.goto("/forgot-password")
    expect_no_violations(page, "forgotten")
