"""P5: refusals are precise, shown in place, and offer a way forward."""

import re
from secrets import token_hex

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import session_cookie
from tests.browser.screen import (
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    apply,
    field,
    said,
    settings,
    switch,
)
from tests.factories import MASTERCARD, PASSWORD, VISA
from tests.roles import hire
from webapp.database.transactions import begin_writing
from webapp.domain.users.user import Membership, Role

VIEWING = "You are viewing this account as its customer. Controls are off."


@pytest.fixture
def staff_page(app, world, server, open_signed_out):
    """An operator's page of an account."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    pat = hire(world, f"pat-{token_hex(4)}@provider.example")
    page = open_signed_out()
    cookie = {"name": "session", "value": session_cookie(app, world, pat), "url": server.url}
    page.context.add_cookies([cookie])
    page.goto(f"/operator/accounts/{world.account_id}")
    return page


def test_adjustment_errors_disappear_once_their_fields_are_valid(staff_page):
    """P5: the form's preview removes them one by one."""
    form = staff_page.locator(
        "form", has=staff_page.get_by_role("button", name="Credit", exact=True)
    )
    form.get_by_label("Amount").fill("abc")
    form.evaluate("form => form.noValidate = true")
    form.get_by_role("button").click()
    errors = staff_page.locator("form[action$=adjustments] .field-error:not(:empty)")
    expect(errors).to_have_count(2)
    staff_page.get_by_label("Amount").fill("10")
    expect(errors).to_have_text(["Enter a reason for the audit log"])
    staff_page.locator("#adjust-reason").fill("Goodwill")
    expect(errors).to_have_count(0)
    expect(staff_page.locator("form[action$=adjustments] [aria-invalid]")).to_have_count(0)


@pytest.fixture
def customer_view(staff_page):
    """An operator's view of the account as its customer."""
    page = staff_page
    card = page.locator("section", has=page.get_by_role("heading", name="Customer view"))
    card.get_by_label("Reason").fill("Asked why")
    card.get_by_role("button").click()
    expect(page).to_have_url(re.compile(MAIN))
    return page


def test_a_disabled_control_says_why_and_sends_nothing(customer_view):
    """P5: it can be reached by pointer and by keyboard."""
    sent = []
    customer_view.on("request", lambda request: sent.append(request.method))
    control = switch(customer_view, VISA_NAME)
    expect(control).to_have_accessible_description(re.compile("Controls are off"))
    control.focus()
    expect(control).to_be_focused()
    customer_view.keyboard.press("Enter")
    customer_view.keyboard.press("Space")
    control.click(force=True)
    customer_view.get_by_label(f"Reorder {VISA_NAME}").press("ArrowDown")
    expect(customer_view.get_by_role("button", name="Add Funds", exact=True)).to_be_disabled()
    assert "POST" not in sent
    expect(control).to_have_attribute("aria-checked", "true")
    expect(customer_view.get_by_label("Threshold amount")).to_be_disabled()


def test_a_role_removed_meanwhile_is_reported_in_place(world, open_page):
    """P5: a 403 is not shown as a server error; the switch reverts."""
    world.cards(VISA, MASTERCARD)
    page = open_page()
    begin_writing(world.session)
    mine = world.session.query(Membership).filter_by(user_id=world.created.user_id).one()
    mine.role = Role.TECHNICAL
    world.session.commit()
    switch(page, VISA_NAME).click()
    expect(said(page, "Your role does not allow this.")).to_be_visible()
    expect(switch(page, VISA_NAME)).to_have_attribute("aria-checked", "true")


def sign_in_again(page):
    dialog = page.get_by_role("dialog", name="You were signed out")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Sign in", exact=True).click()
    expect(dialog).to_be_hidden()


def test_a_request_is_repeated_after_signing_in_again(world, open_page):
    """P5: signing in happens over the same page, and the input stays."""
    world.cards(VISA, MASTERCARD)
    page = open_page()
    page.context.clear_cookies()
    switch(page, MASTERCARD_NAME).click()
    sign_in_again(page)
    expect(switch(page, MASTERCARD_NAME)).to_have_attribute("aria-checked", "false")
    assert page.url.endswith(MAIN)


def test_a_full_page_form_keeps_its_input_after_signing_in_again(world, open_page):
    """P5: the session is checked before the page is left."""
    page = open_page("/billing/details")
    page.get_by_label("Name").first.fill("Harbour Voice GmbH")
    page.context.clear_cookies()
    page.get_by_role("button", name="Save").click()
    sign_in_again(page)
    expect(said(page, "Saved. New receipts will use these details.")).to_be_visible()
    page.goto("/billing/details")
    expect(page.get_by_label("Name").first).to_have_value("Harbour Voice GmbH")


def test_offline_is_shown_until_the_connection_is_back(world, open_page):
    """P5: nothing is sent, and the input stays."""
    world.cards(VISA, MASTERCARD)
    page = open_page()
    bar = page.get_by_role("status").filter(has_text="You are offline.")
    page.context.set_offline(True)
    expect(bar).to_contain_text(re.compile(r"Last updated at \d\d:\d\d\. Nothing is sent"))
    expect(switch(page, MASTERCARD_NAME)).to_be_disabled()
    switch(page, MASTERCARD_NAME).click(force=True)
    expect(switch(page, MASTERCARD_NAME)).to_have_attribute("aria-checked", "true")
    page.context.set_offline(False)
    expect(bar).to_be_hidden()
    switch(page, MASTERCARD_NAME).click()
    expect(switch(page, MASTERCARD_NAME)).to_have_attribute("aria-checked", "false")


def test_a_conflict_is_resolved_without_javascript(world, open_page):
    """P5: Use sends the form without saving it, and Enter in a field applies it."""
    world.cards(VISA)
    world.refill()
    page, other = open_page(java_script_enabled=False), open_page()
    field(page, "Threshold amount").fill("57")
    field(other, "Threshold amount").fill("55")
    apply(other).click()
    expect(other.get_by_text("Changes applied")).to_be_visible()
    apply(page).click()
    expect(settings(page).get_by_role("alert")).to_contain_text("it is now $55.00")
    expect(field(page, "Threshold amount")).to_have_value("57")
    settings(page).get_by_role("button", name="Use $55.00").click()
    expect(field(page, "Threshold amount")).to_have_value("55.00")
    field(page, "Threshold amount").fill("58")
    field(page, "Threshold amount").press("Enter")
    expect(said(page, "Changes applied")).to_be_visible()
    expect(field(page, "Threshold amount")).to_have_value("58.00")
