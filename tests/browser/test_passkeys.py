"""Passkeys with Chromium's virtual authenticator: adding, signing in, confirming, removing."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import select, update

from tests.browser.screen import said
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_session import email_of
from tests.factories import PASSWORD
from webapp.domain.notifications.outbox import Notice
from webapp.domain.users.sessions import UserSession

MAIN = re.compile("/billing/payment-methods$")


@pytest.fixture
def here(server):
    """The server's URL with localhost: browsers refuse passkeys on IP addresses."""
    return server.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def phone(open_signed_out, here):
    """The sign-in page of a browser with an authenticator."""
    page = open_signed_out(bypass_csp=True)  # for axe
    client = page.context.new_cdp_session(page)
    client.send("WebAuthn.enable")
    client.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    page.goto(f"{here}/sign-in")
    return page


def passkeys(page):
    return page.get_by_role("region", name="Passkeys")


@pytest.fixture
def added(phone, here, world):
    """A page signed in with the password, with a saved passkey."""
    phone.get_by_label("Email").fill(email_of(world))
    phone.get_by_label("Password").fill(PASSWORD)
    phone.get_by_role("button", name="Sign in", exact=True).click()
    expect(phone).to_have_url(MAIN)
    phone.goto(f"{here}/settings/profile")
    passkeys(phone).get_by_label("Name", exact=True).fill("Ana’s laptop")
    passkeys(phone).get_by_role("button", name="Add a passkey").click()
    expect(said(phone, "The passkey Ana’s laptop is saved.")).to_be_visible()
    return phone


def sign_out(page):
    page.get_by_role("button", name="Ana Ruiz").click()
    page.locator("header").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_in_with_a_passkey(added, here, world):
    expect(passkeys(added).get_by_role("listitem")).to_contain_text("not used yet")
    expect_no_violations(added, "Profile with a passkey")
    sign_out(added)
    added.get_by_role("button", name="Sign in with a passkey").click()
    expect(added).to_have_url(MAIN)
    added.goto(f"{here}/settings/profile")
    expect(passkeys(added).get_by_role("listitem")).to_contain_text("last used Today")
    expect(added.get_by_role("list", name="Sessions")).to_contain_text("passkey")
    assert ("signed_in", {"by": "passkey"}) in world.audits
    mails = select(Notice.facts).where(Notice.recipient == email_of(world))
    assert "A passkey was added" in [facts.get("what") for facts in world.session.scalars(mails)]


def test_without_a_passkey_on_the_device_an_error_is_shown(phone):
    phone.get_by_role("button", name="Sign in with a passkey").click()
    expect(phone.get_by_role("alert")).to_contain_text("No passkey was used.")


def test_a_removed_passkey_cannot_sign_in(added, world):
    passkeys(added).get_by_role("button", name="Remove Ana’s laptop").click()
    expect(said(added, "The passkey Ana’s laptop is removed.")).to_be_visible()
    sign_out(added)
    added.get_by_role("button", name="Sign in with a passkey").click()
    expect(added.get_by_role("alert").first).to_contain_text("not registered")


def test_signing_in_again_with_a_passkey_repeats_the_request(added, here, world):
    """P5: the dialog over the page offers a passkey like the sign-in page, and the input stays."""
    added.goto(f"{here}/billing/details")
    added.get_by_label("Name").first.fill("Harbour Voice GmbH")
    added.context.clear_cookies()
    added.get_by_role("button", name="Save").click()
    dialog = added.get_by_role("dialog", name="You were signed out")
    dialog.get_by_role("button", name="Sign in with a passkey").click()
    expect(said(added, "Saved. New receipts will use these details.")).to_be_visible()
    added.goto(f"{here}/billing/details")
    expect(added.get_by_label("Name").first).to_have_value("Harbour Voice GmbH")


def test_confirming_with_a_passkey(added, world):
    """The last authentication is too old; the request continues after the passkey is used."""
    world.session.rollback()
    long_ago = world.clock.wall() - timedelta(hours=1)
    world.session.execute(update(UserSession).values(proved_at=long_ago))
    world.session.commit()
    passkeys(added).get_by_text("Rename").click()
    passkeys(added).get_by_label("New name of Ana’s laptop").fill("Old laptop")
    passkeys(added).get_by_role("button", name="Save").click()
    expect(said(added, "The passkey is renamed.")).to_be_visible()
    passkeys(added).get_by_role("button", name="Remove Old laptop").click()
    expect(added.get_by_role("heading", name="Confirm it’s you")).to_be_visible()
    added.get_by_role("button", name="Use a passkey").click()
    expect(said(added, "The passkey Old laptop is removed.")).to_be_visible()
