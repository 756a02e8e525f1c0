"""Portal sessions: from the provider's portal into one account, in one role, and back (V8)."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Program
from tests.factories import VISA
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.api_keys.rotate_key import rotate_key
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.outbox import Notice
from webapp.domain.users.portal import PortalLink, fault_of_return_url
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import Right, Role, User, set_roles

BACK = "https://portal.example.com/customers/42"


@pytest.fixture
def provider(app, world):
    return Program(app, world.provider_key().key)


@pytest.fixture
def link(world, provider):
    """Return a function that creates a link and returns its path."""

    def create(role="billing", account=None, **more):
        body = {"role": role, "return_url": BACK, **more}
        path = f"/accounts/{account or world.account_id}/portal-sessions"
        answer = provider("POST", path, body)
        assert answer.status_code == 201, answer.json
        return answer.json["url"].removeprefix("http://127.0.0.1:8000")

    return create


@pytest.fixture
def enter(app, link):
    """Return a function that opens a new link in a new browser."""

    def open_(*args, **more):
        browser = app.test_client()
        answer = browser.get(link(*args, **more))
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        return browser

    return open_


def test_one_click_leads_into_the_account_and_back_v8(world, enter):
    """V8"""
    browser = enter("billing")
    page = browser.get("/", follow_redirects=True)
    assert page.request.path == "/billing/payment-methods"
    assert "Harbour Voice" in page.text
    assert f'href="{BACK}"' in page.text
    assert "Back to your provider" in page.text
    signed_out = browser.post("/sign-out")
    assert signed_out.status_code == 200
    assert f'content="0; url={BACK}"' in signed_out.text
    assert "/sign-in" in browser.get("/billing/payment-methods").headers["Location"]


def test_the_link_works_once_v8(app, link):
    """V8, P5: opening it again signs nobody in, and the page says what to do."""
    path = link()
    assert app.test_client().get(path).status_code == 303
    other = app.test_client()
    answer = other.get(path)
    assert answer.status_code == 410
    assert "open your billing from there again" in answer.text
    assert "/sign-in" in other.get("/billing/payment-methods").headers["Location"]


def test_the_link_works_for_a_minute_v8(app, world, link):
    """V8: by the wall clock, not by the sandbox's."""
    early, late = link(), link()
    world.clock.advance(hours=9)
    world.clock.wall_at += timedelta(seconds=59)
    assert app.test_client().get(early).status_code == 303
    world.clock.wall_at += timedelta(seconds=1)
    answer = app.test_client().get(late)
    assert (answer.status_code, "one minute" in answer.text) == (410, True)


def test_what_only_looks_at_the_link_does_not_use_it_v8(app, link):
    """V8: HEAD requests and prefetches of chats, mail scanners and browsers."""
    path = link()
    assert app.test_client().head(path).status_code == 204
    prefetch = app.test_client().get(path, headers={"Sec-Purpose": "prefetch;prerender"})
    assert prefetch.status_code == 204
    answer = app.test_client().get(path)
    assert answer.status_code == 303
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_token_is_not_stored_v8(world, link):
    """V8"""
    token = link().removeprefix("/portal/")
    stored = world.session.scalars(select(PortalLink.token_hash)).all()
    assert token not in str(stored)
    assert token not in str(world.session.execute(select(EventRow.facts)).all())


@pytest.mark.parametrize(
    ("role", "opens", "refuses"),
    [
        ("billing", "/billing/payments", "/settings/api-keys"),
        ("technical", "/settings/webhooks", "/billing/payments"),
        ("admin", "/settings/users", None),
        ("owner", "/settings/audit-log", None),
    ],
)
def test_the_session_has_the_rights_of_its_role_v8(enter, role, opens, refuses):
    """V8, P1"""
    browser = enter(role)
    assert browser.get(opens).status_code == 200
    assert refuses is None or browser.get(refuses).status_code == 403


def test_a_member_gets_no_more_than_their_own_roles_v8(world, provider, enter):
    """V8: the email names a member, and the role limits them."""
    member = world.session.get_one(User, world.created.user_id)
    browser = enter("billing", email=member.email.upper())
    assert browser.get("/billing/payments").status_code == 200
    assert browser.get("/settings/users").status_code == 403

    set_roles(world.session, world.account_id, member.id, [Role.TECHNICAL])
    world.session.commit()
    assert browser.get("/billing/payments").status_code != 200
    browser = enter("owner", email=member.email)
    assert browser.get("/billing/payments").status_code == 403
    path = f"/accounts/{world.account_id}/portal-sessions"
    body = {"role": "billing", "return_url": BACK, "email": member.email}
    assert list(provider("POST", path, body).json["errors"]) == ["role"]
    body["email"] = "nobody@example.com"
    assert list(provider("POST", path, body).json["errors"]) == ["email"]


def test_a_removed_member_is_signed_out_v8(world, enter):
    """V8"""
    member = world.session.get_one(User, world.created.user_id)
    browser = enter("owner", email=member.email)
    set_roles(world.session, world.account_id, member.id, [])
    world.session.commit()
    assert "/sign-in" in browser.get("/billing/payments").headers["Location"]


def test_the_session_opens_no_other_account_v8(world, enter):
    """V8, P3: neither another account of the member, nor a stranger's."""
    member = world.session.get_one(User, world.created.user_id)
    other = world.account(name="Pier Telecom").account_id
    set_roles(world.session, other, member.id, [Role.ADMIN])
    world.session.commit()
    browser = enter("owner", email=member.email)
    assert browser.post(f"/accounts/{other}/visits").status_code == 404
    page = browser.get("/billing/payment-methods").text
    assert "Harbour Voice" in page
    assert "Pier Telecom" not in page


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/settings/users/invitations", {"email": "eve@example.com", "roles": "admin"}),
        ("/settings/api-keys", {"name": "x", "scopes": "balance:read", "lasts": "90"}),
        ("/settings/webhooks", {"url": "https://eve.example.com/x", "events": "balance.low"}),
        ("/settings/profile/password", {"current": "", "password": "a long password of Eve's"}),
        ("/settings/profile/email", {"email": "eve@example.com"}),
        ("/settings/profile/sessions/others/end", {}),
        ("/sign-out/everywhere", {}),
    ],
)
@pytest.mark.parametrize("is_member", [False, True])
def test_the_session_makes_nothing_that_outlasts_it_v8(world, enter, path, data, is_member):
    """V8: no people, keys, endpoints, recipients or sign-in, in any role."""
    member = world.session.get_one(User, world.created.user_id)
    browser = enter("owner", **({"email": member.email} if is_member else {}))
    answer = browser.post(path, data=data)
    assert (answer.status_code, "your provider’s portal" in answer.text) == (403, True)


def test_the_sign_in_pages_are_closed_to_the_session_v8(enter):
    """V8, P5"""
    browser = enter("owner")
    for path in ("/settings/profile", "/settings/profile/password"):
        answer = browser.get(path)
        assert answer.status_code in (403, 404, 405), path
    page = browser.get("/billing/payment-methods").text
    assert "Your profile" not in page
    assert "portal.invalid" not in page


def test_spending_more_needs_a_fresh_link_v8(world, enter):
    """V8: there is no password to ask for after 15 minutes."""
    world.cards(VISA)
    browser = enter("billing")
    form = {"refill_on": "1", "threshold": "50.00", "refill_amount": "100.00", "day_limit": "500",
            "seen": "0"}  # fmt: skip
    world.clock.wait(minutes=16)
    refused = browser.post("/billing/low-balance-settings", data=form)
    assert (refused.status_code, "more than 15 minutes" in refused.text) == (403, True)
    world.session.rollback()
    fresh = enter("billing")
    assert fresh.post("/billing/low-balance-settings", data=form).status_code in (200, 303)


def test_the_session_ends_and_says_where_to_go_v8(world, enter):
    """V8, P5: after an hour without use, and after eight hours in all."""
    browser = enter("billing")
    world.clock.wait(minutes=59)
    assert browser.get("/billing/payments").status_code == 200
    world.clock.wait(minutes=61)
    answer = browser.get("/billing/payments", follow_redirects=True)
    assert "Your session from the portal has ended" in answer.text
    assert f'href="{BACK}"' in answer.text


def test_the_link_and_the_sign_in_are_audited_v8(world, enter, client):
    """V8, P2"""
    enter("billing")
    page = client.get("/settings/audit-log").text
    assert "Portal link created" in page
    assert "Signed in by portal" in page


def test_people_whom_only_the_portal_knows_are_no_members_and_get_no_email_v8(world, enter, client):
    """V8: one user per account, without a password."""
    emails = world.session.scalar(select(func.count()).select_from(Notice))
    enter("owner")
    enter("billing")
    users = world.session.scalars(select(User).where(User.email.endswith("portal.invalid"))).all()
    assert [it.name for it in users] == [f"{world.policy.provider.name} portal"]
    assert users[0].accounts == []
    assert "portal.invalid" not in client.get("/settings/users").text
    sign_in = {"email": users[0].email, "password": ""}
    assert client.application.test_client().post("/sign-in", data=sign_in).status_code == 422
    assert world.session.scalar(select(func.count()).select_from(Notice)) == emails


def test_a_closed_account_can_be_read_from_the_portal_v8(world, enter):
    """V4, V8"""
    world.session.get_one(Account, world.account_id).state = "closed"
    world.session.commit()
    browser = enter("owner")
    page = browser.get("/billing/payments")
    assert (page.status_code, "This account is closed" in page.text) == (200, True)
    assert browser.post("/billing/low-balance-settings", data={}).status_code == 403


@pytest.mark.parametrize(
    "url",
    ["https://portal.example.com/a?b=1#c", "http://localhost:8080/x", "http://127.0.0.1:9/",
     "http://[::1]/", "https://portal.example.com:8443"],
)  # fmt: skip
def test_a_way_back_may_be_https_or_local_v8(url):
    """V8"""
    assert fault_of_return_url(url) == ""


@pytest.mark.parametrize(
    "url",
    ["", "/billing", "//evil.example", "http://portal.example.com/", "javascript:alert(1)",
     "https://", "https://a@b.example/", "https://a:b@c.example/", "https:/evil.example",
     "https://portal.example.com\\@evil.example/", "https://a b.example/", "https://a.example/\n",
     "data:text/html,x", "ftp://a.example/", "http://127.0.0.1.evil.example/",
     "http://localhost.evil.example/", "https://a.example:99999/", "https://[::1", "https://ä.example/",
     f"https://a.example/{'x' * 500}"],
)  # fmt: skip
def test_there_is_no_open_redirect_v8(world, provider, url):
    """V8"""
    assert fault_of_return_url(url)
    path = f"/accounts/{world.account_id}/portal-sessions"
    answer = provider("POST", path, {"role": "billing", "return_url": url})
    assert list(answer.json["errors"]) == ["return_url"]


def test_two_browsers_race_for_one_link_and_one_gets_in_v8(app, world, link):
    """V8: the link is taken by a guarded update."""
    path = link()
    barrier, answers = threading.Barrier(4), []

    def open_():
        browser = app.test_client()
        barrier.wait()
        answers.append(browser.get(path).status_code)

    threads = [threading.Thread(target=open_) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [303, 410, 410, 410]
    sessions = select(func.count()).where(UserSession.account_id.is_not(None))
    assert world.session.scalar(sessions) == 1


def test_a_browser_that_is_signed_in_is_asked_first_v8(world, link, client):
    """V8: another site could send it here, and its person would work in another account."""
    path = link("billing")
    asked = client.get(path)
    assert (asked.status_code, "You are signed in as" in asked.text) == (200, True)
    assert client.get("/settings/profile").status_code == 200
    assert f'action="{path}"' in asked.text
    assert client.post(path).status_code == 303
    assert client.get("/settings/profile").status_code == 403


def test_revoking_the_providers_key_ends_what_it_has_opened_v8(app, world, enter, link):
    """V8, P2: links that are not used yet, and sessions; those of another key go on."""
    browser, unused, used = enter(), link(), link()
    assert app.test_client().get(used).status_code == 303
    other = Program(app, world.provider_key(name="Other").key)
    path = f"/accounts/{world.account_id}/portal-sessions"
    answer = other("POST", path, {"role": "billing", "return_url": BACK})
    spared = app.test_client()
    spared.get(answer.json["url"].removeprefix("http://127.0.0.1:8000"))

    key_id = world.session.scalar(select(ApiKey.id).where(ApiKey.name == "Switch"))
    for _ in range(2):
        revoke_key(world.ctx, None, key_id)
    assert "/sign-in" in browser.get("/billing/payment-methods").headers["Location"]
    ended = app.test_client().get(unused)
    assert ended.status_code == 410
    assert "Your provider has ended it" in ended.text
    assert spared.get("/billing/payment-methods").status_code == 200
    world.session.rollback()
    query = select(EventRow).where(EventRow.audit == "portal_access_ended")
    [event] = world.session.scalars(query)
    assert (event.account_id, event.facts["count"]) == (world.account_id, 3)


def test_rotating_the_providers_key_without_overlap_ends_what_it_has_opened_v8(
    app, world, enter, link
):
    """V8: as revoking does. With an overlap both go on, and a link ends with its key."""
    browser, unused = enter(), link()
    key_id = world.session.scalar(select(ApiKey.id).where(ApiKey.name == "Switch"))
    every = frozenset(Right)
    second = rotate_key(world.ctx, None, key_id, timedelta(), every)
    assert "/sign-in" in browser.get("/billing/payment-methods").headers["Location"]
    ended = app.test_client().get(unused)
    assert (ended.status_code, "Your provider has ended it" in ended.text) == (410, True)

    program = Program(app, second.key)
    path = f"/accounts/{world.account_id}/portal-sessions"
    body = {"role": "billing", "return_url": BACK}
    first, late = (
        program("POST", path, body).json["url"].removeprefix("http://127.0.0.1:8000")
        for _ in range(2)
    )
    rotate_key(world.ctx, None, second.id, timedelta(hours=1), every)
    browser = app.test_client()
    assert browser.get(first).status_code == 303
    assert browser.get("/billing/payment-methods").status_code == 200
    world.clock.advance(hours=1)
    ended = app.test_client().get(late)
    assert (ended.status_code, "Your provider has ended it" in ended.text) == (410, True)
