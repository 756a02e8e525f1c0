"""P5: axe and overflow checks of refusals, confirmations and conflicts."""

import re
from secrets import token_hex

from playwright.sync_api import expect

from tests.browser.conftest import session_cookie
from tests.browser.screen import MAIN, MASTERCARD_NAME, apply, field, refill, settings, switch
from tests.browser.test_accessibility import expect_no_violations, run_axe
from tests.browser.test_widths import PHONE, resize, sticks_out
from tests.factories import MASTERCARD, VISA
from tests.roles import hire
from webapp.database.transactions import begin_writing
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.users.user import Membership, Role, User


def check(page, where):
    """Check what is on screen on a phone and on a desktop, without a reload."""
    resize(page, **PHONE)
    assert sticks_out(page) == [], where
    expect_no_violations(page, where)
    resize(page, 1440)
    assert sticks_out(page) == [], where
    run_axe(page, f"{where}, wide")


def test_an_unconfirmed_owner_is_led_to_the_confirmation(open_calm, world):
    """P5: confirming is the first step, later steps wait for it, and a dialog explains it."""
    begin_writing(world.session)
    world.session.get_one(User, world.created.user_id).unconfirmed_since = world.clock.now()
    world.session.commit()
    page = open_calm()
    steps = page.get_by_role("region", name="Set up automatic refills")
    expect(steps).to_contain_text("0 of 4 done")
    card = steps.get_by_role("button", name="Add Credit Card")
    expect(card).to_be_disabled()
    expect(card).to_have_accessible_description(re.compile("After step 1"))
    card.press("Enter")
    check(page, "the first steps")
    settings(page).get_by_role("link", name="Add a credit card").first.click()
    expect(page.get_by_role("dialog", name="Confirm your email first")).to_be_visible()
    check(page, "confirm first")
    page.goto("/settings/profile")
    check(page, "a profile that is not confirmed")


def test_axe_on_a_conflict_of_settings(open_calm, world):
    """P5: the current values are shown beside the entered ones."""
    world.cards(VISA)
    world.refill()
    page, other = open_calm(), open_calm()
    page.evaluate(
        "document.body.addEventListener('account-changed', it => it.stopPropagation(), true)"
    )
    field(page, "Threshold amount").fill("57")
    page.get_by_label("No daily limit").check()
    field(other, "Threshold amount").fill("55")
    field(other, "Daily limit").fill("700")
    apply(other).click()
    expect(other.get_by_text("Changes applied")).to_be_visible()
    apply(page).click()
    expect(settings(page).get_by_role("alert")).to_be_visible()
    expect(settings(page).get_by_role("button", name="Use $700.00")).to_be_visible()
    settings(page).scroll_into_view_if_needed()
    check(page, "a conflict")


def test_axe_on_offline_and_signed_out(open_calm, world):
    """P5: a bar and a dialog over the page."""
    world.cards(VISA, MASTERCARD)
    page = open_calm()
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    check(page, "offline")
    page.context.set_offline(False)
    page.context.clear_cookies()
    # Not a click: the page's own poll may have opened the dialog over the switch already.
    switch(page, MASTERCARD_NAME).dispatch_event("click")
    question = page.get_by_role("dialog", name="You were signed out")
    expect(question).to_be_visible()
    expect(question.get_by_label("Password", exact=True)).to_be_focused()
    check(page, "signed out")
    question.get_by_role("button", name="Close").press("Enter")
    expect(question).to_be_hidden()


def test_axe_on_missing_rights(open_calm, world):
    """P5: a page without access, and disabled controls."""
    world.key(Scope.BILLING_WRITE)
    begin_writing(world.session)
    mine = world.session.query(Membership).filter_by(user_id=world.created.user_id).one()
    mine.role = Role.TECHNICAL
    world.session.commit()
    page = open_calm("/billing/payments")
    check(page, "no access")
    page.goto("/settings/api-keys")
    page.get_by_label(re.compile("^Rotate")).first.focus()
    check(page, "keys that may not be rotated")


def test_axe_on_an_operators_view_of_an_account(app, open_calm, server, world):
    """P5: every control is disabled; changes to the operator's own security ask first."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    page = open_calm(None)
    pat = hire(world, f"pat-{token_hex(4)}@provider.example")
    begin_writing(world.session)
    world.session.get_one(User, pat).totp_since = world.clock.now()
    world.session.commit()
    value = session_cookie(app, world, pat)
    page.context.add_cookies([{"name": "session", "value": value, "url": server.url}])
    page.goto(f"/operator/accounts/{world.account_id}")
    card = page.locator("section", has=page.get_by_role("heading", name="Customer view"))
    card.get_by_label("Reason").fill("Asked why")
    card.get_by_role("button").click()
    expect(page).to_have_url(re.compile(MAIN))
    expect(refill(page)).to_be_disabled()
    check(page, "as the customer sees it")
    page.get_by_role("button", name="Back to operator").click()
    expect(page).to_have_url(re.compile("/operator/"))
    page.goto("/settings/profile")
    page.get_by_role("button", name="Turn off").click()
    expect(page.get_by_role("dialog", name="Turn off two-step sign-in?")).to_be_visible()
    check(page, "turn off")


def test_requiring_two_step_sign_in_for_everyone_asks_first(open_calm, world):
    """P5: the question names the number of people affected."""
    page = open_calm("/settings/users")
    page.get_by_role("button", name="Require for everyone").click()
    expect(page.get_by_role("dialog", name=re.compile("^Require two-step"))).to_be_visible()
    check(page, "require for everyone")


def test_axe_on_a_conflict_of_notifications(open_calm):
    """P5: entered values stay, and the current values are named beside them."""
    page, other = (open_calm("/settings/notifications") for _ in range(2))
    page.get_by_label("Alert 2").fill("44")
    page.get_by_label("Email language").select_option("de")
    page.get_by_label("Another address").fill("books@example.com")
    other.get_by_label("Alert 2").fill("33")
    other.get_by_role("button", name="Apply Changes").click()
    expect(other.get_by_text("Changes applied")).to_be_visible()
    page.get_by_role("button", name="Apply Changes").click()
    expect(page.get_by_role("alert")).to_contain_text("You changed these settings in another tab")
    expect(page.get_by_label("Alert 2")).to_have_value("44")
    expect(page.get_by_label("Alert 2")).to_have_accessible_description("Now 33.00")
    check(page, "a conflict of notifications")
    page.get_by_role("button", name="Apply Changes").click()
    expect(page.get_by_text("Changes applied")).to_be_visible()
