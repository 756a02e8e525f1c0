"""Two-step sign-in and reauthentication in a browser."""

import pytest
from playwright.sync_api import expect
from pyotp import TOTP

from tests.browser.conftest import session_cookie
from tests.browser.screen import MAIN, apply, field
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_users import ON_A_PHONE
from tests.factories import PASSWORD, VISA
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import User


@pytest.fixture
def open_stale(app, world, server, open_signed_out):
    """Open a page like `open_page`, twenty minutes after signing in."""

    def open_(path=MAIN, **options):
        page = open_signed_out(**options)
        value = session_cookie(app, world, minutes_ago=20)
        page.context.add_cookies([{"name": "session", "value": value, "url": server.url}])
        page.goto(path)
        return page

    return open_


def refill_amount(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id).refill_amount


def test_raising_the_refill_asks_for_the_password_and_continues(open_stale, world):
    """The form keeps its input; after the password it is saved, and the panel shows it."""
    world.card(VISA)
    world.refill()
    page = open_stale()
    field(page, "Refill amount").fill("120.00")
    apply(page).click()
    dialog = page.get_by_role("dialog", name="Confirm it’s you")
    expect(dialog.get_by_label("Password")).to_be_focused()
    assert refill_amount(world) == 100_000_000
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Wrong password")).to_be_visible()
    dialog.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_text("Changes applied").first).to_be_visible()
    expect(dialog).to_have_count(0)
    expect(field(page, "Refill amount")).to_have_value("120.00")
    assert refill_amount(world) == 120_000_000


def test_cancelling_reauthentication_keeps_the_input(open_stale, world):
    world.card(VISA)
    world.refill()
    page = open_stale()
    field(page, "Refill amount").fill("120.00")
    apply(page).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    expect(field(page, "Refill amount")).to_have_value("120.00")
    assert refill_amount(world) == 100_000_000


def test_removing_a_method_asks_for_the_password(open_stale, world):
    visa = world.card(VISA)
    page = open_stale(f"{MAIN}/{visa.id}/removal")
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Visa •••• 4242 was removed.")).to_be_visible()
    assert world.methods == []


def test_two_step_sign_in_can_be_set_up_and_used(open_page, open_signed_out, world):
    page = open_page("/settings/profile", **ON_A_PHONE)
    expect_no_violations(page, "profile")
    page.get_by_role("button", name="Set up").click()
    secret = page.locator(".secret code").inner_text().replace(" ", "")
    expect_no_violations(page, "setting up")
    page.get_by_label("Code").fill(TOTP(secret).at(world.clock.wall()))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Two-step sign-in is on")).to_be_visible()
    codes = page.get_by_role("list", name="Recovery codes").get_by_role("listitem")
    expect(codes).to_have_count(10)
    code = codes.first.inner_text()
    expect_no_violations(page, "recovery codes")

    page = open_signed_out(**ON_A_PHONE)
    page.goto("/sign-in")
    page.get_by_label("Email").fill(world.session.get_one(User, world.created.user_id).email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Code")).to_be_focused()
    expect_no_violations(page, "the code")
    page.keyboard.type(code)
    page.keyboard.press("Enter")
    expect(page).to_have_url(MAIN)
