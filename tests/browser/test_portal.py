"""From the provider's portal into the dashboard by one click, and back (V8)."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.screen import MAIN
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_widths import PHONE, sticks_out_at
from tests.factories import VISA
from webapp.actions.accounts.change_state import change_state
from webapp.actions.users.portal import create_portal_link
from webapp.domain.accounts.account import AccountState
from webapp.domain.accounts.state_change import StateChange
from webapp.domain.users.portal import PortalChoice


def link(world, server, role="billing"):
    """Return a new link, which leads back to a page of the server itself."""
    choice = PortalChoice(role, f"{server.url}/healthz")
    return f"/portal/{create_portal_link(world.ctx, world.account_id, choice).token}"


def test_a_person_comes_from_the_portal_and_goes_back_v8(world, server, open_signed_out):
    """V8, P5: the page says what to do to a second person with the same link."""
    world.cards(VISA)
    page, path = open_signed_out(), link(world, server)
    page.goto(path)
    expect(page).to_have_url(f"{server.url}{MAIN}")
    expect(page.get_by_role("heading", name="Payment Methods")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Visa •••• 4242").first).to_be_visible()

    other = open_signed_out(locale="en-GB")
    other.goto(path)
    expect(other.get_by_role("heading", name="This link no longer works")).to_be_visible()

    page.get_by_role("link", name="Back to your provider").click()
    expect(page).to_have_url(f"{server.url}/healthz")


@pytest.mark.parametrize("scripts", [True, False])
def test_signing_out_leads_back_to_another_site_v8(world, server, open_signed_out, scripts):
    """V8: under the content security policy, whose form-action holds for redirects too."""
    portal = server.url.replace("127.0.0.1", "localhost")
    choice = PortalChoice("billing", f"{portal}/healthz")
    path = f"/portal/{create_portal_link(world.ctx, world.account_id, choice).token}"
    page = open_signed_out(java_script_enabled=scripts)
    page.goto(path)
    page.get_by_role("button", name=re.compile("portal$")).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{portal}/healthz")


def test_the_pages_of_a_portal_session_are_accessible_v8(world, server, open_signed_out):
    """V8: in both themes, on a phone and a desktop, also of a suspended account."""
    world.cards(VISA)
    world.refill()
    change_state(world.ctx, world.account_id, StateChange(AccountState.SUSPENDED, "Unpaid"))
    page = open_signed_out(viewport=PHONE, reduced_motion="reduce", bypass_csp=True)
    page.goto(link(world, server))
    expect(page.get_by_text("Your provider has suspended this account").first).to_be_visible()
    expect_no_violations(page, "a portal session")
    assert sticks_out_at(page, (390, 1440)) == {}
