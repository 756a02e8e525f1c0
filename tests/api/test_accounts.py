"""The provider's programs create, find and change accounts (V4)."""

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Program
from tests.factories import PASSWORD, VISA
from webapp.actions.users.invitations import revoke_invitation
from webapp.actions.users.operators import create_operator
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import ApiKey, Scope
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.shared import signed_links
from webapp.domain.shared.errors import Refusal
from webapp.domain.users.invitations import Invitation, InvitationState
from webapp.domain.users.user import User

CUSTOMER = {
    "name": "Pier Telecom",
    "external_id": "cust-7",
    "metadata": {"plan": "wholesale"},
    "time_zone": "Europe/Dublin",
    "language": "de",
    "credit_limit": "25.50",
    "max_open_holds": 4,
    "owner": {"name": "Ben Okafor", "email": "Ben@Pier.example"},
}


@pytest.fixture
def pier(provider):
    """The account of `CUSTOMER`, as the answer shows it."""
    return provider("POST", "/accounts", CUSTOMER).json


@pytest.fixture
def link(app, world):
    """Return a function that returns the path of the newest invitation's link."""

    def newest():
        last = world.session.scalar(select(Invitation).order_by(Invitation.id.desc()).limit(1))
        token = signed_links.sign(
            app.secret_key, signed_links.INVITATION, [last.id, last.times_sent]
        )
        return f"/invitations/{token}"

    return newest


def count(world, of):
    return world.session.scalar(select(func.count()).select_from(of))


def test_an_account_exists_at_once_and_its_owner_is_invited_v4(world, provider):
    """V4: no password is invented, no key is made, and nobody has joined."""
    users, keys = count(world, User), count(world, ApiKey)
    answer = provider("POST", "/accounts", CUSTOMER)
    made = answer.json
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/accounts/{made['id']}"
    owner = {"name": "Ben Okafor", "email": "ben@pier.example", "has_joined": False}
    assert made == CUSTOMER | {
        "id": made["id"], "state": "active", "currency": "USD", "owner": owner,
        "own_metering": False, "created_at": "2026-11-22T10:00:00Z",
    }  # fmt: skip
    assert provider.get("/accounts/external:cust-7").json == made
    assert provider.get("/accounts/external:cust-7/balance").json["balance"] == "0.00"
    assert (count(world, User), count(world, ApiKey)) == (users, keys)
    email = world.session.scalar(select(Notice).order_by(Notice.id.desc()).limit(1))
    assert (email.kind, email.recipient) == (NoticeKind.INVITATION, "ben@pier.example")
    assert email.facts["by"] == world.policy.provider.name


def test_the_owner_joins_by_the_link_and_nobody_else_does_v4(app, world, provider, pier, link):
    """V4: the person who opens the link owns the account, and the link works once."""
    browser = app.test_client()
    page = browser.get(link())
    assert page.status_code == 200
    assert 'value="Ben Okafor"' in page.text
    browser.post(link(), data={"name": "Ben Okafor", "password": "a password of Ben's"})
    assert provider.get(f"/accounts/{pier['id']}").json["owner"]["has_joined"] is True
    owner = User.by_email(world.session, "ben@pier.example")
    assert owner.owns(pier["id"])
    assert owner.is_confirmed
    assert app.test_client().get(link()).status_code == 422


def test_a_person_who_has_an_account_owns_this_one_too_after_their_click_a6_p3(
    app, world, client, provider, link
):
    """P3, V4: nothing changes for them before, and nothing is lost after."""
    person = world.session.get_one(User, world.created.user_id)
    theirs = CUSTOMER | {"owner": {"email": person.email}}
    made = provider("POST", "/accounts", theirs).json
    world.session.expire_all()
    assert [it.id for it in person.accounts] == [world.account_id]
    hashed = person.password_hash

    stranger = app.test_client()
    assert "/sign-in" in stranger.post(link()).headers["Location"]
    client.post(link())
    world.session.expire_all()
    assert {it.id for it in person.accounts} == {world.account_id, made["id"]}
    assert person.owns(world.account_id)
    assert person.owns(made["id"])
    assert person.password_hash == hashed


def test_an_operator_cannot_become_an_owner_and_so_lose_their_rights_v4(world, app, provider, link):
    """V4: a member of an account would be no operator any more."""
    create_operator(world.ctx, name="Olu", email="olu@provider.example", password=PASSWORD)
    provider("POST", "/accounts", CUSTOMER | {"owner": {"email": "olu@provider.example"}})
    browser = app.test_client()
    browser.post("/sign-in", data={"email": "olu@provider.example", "password": PASSWORD})
    assert browser.post(link()).status_code == 422
    world.session.expire_all()
    assert User.by_email(world.session, "olu@provider.example").accounts == []


def test_the_same_request_again_returns_the_account_v4(world, provider, pier):
    """V4: also after somebody has changed it."""
    provider("PATCH", f"/accounts/{pier['id']}", {"name": "Pier Telecom Ltd"})
    emails = count(world, Notice)
    again = provider("POST", "/accounts", CUSTOMER)
    assert (again.status_code, again.json["id"]) == (200, pier["id"])
    assert again.json["name"] == "Pier Telecom Ltd"
    assert (count(world, Account), count(world, Notice)) == (2, emails)


@pytest.mark.parametrize(
    "other", [{"name": "Pier"}, {"credit_limit": "25.51"}, {"metadata": {}},
              {"owner": {"email": "eve@pier.example"}}],
)  # fmt: skip
def test_another_request_with_the_same_external_id_is_a_conflict_v4(world, provider, pier, other):
    """V4"""
    answer = provider("POST", "/accounts", CUSTOMER | other)
    assert (answer.status_code, answer.json["code"]) == (409, "external_id_taken")
    assert provider.get(f"/accounts/{pier['id']}").json == pier
    assert count(world, Account) == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"external_id": "a b"}, "external_id"),
        ({"external_id": ".."}, "external_id"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {"": "x"}}, "metadata"),
        ({"metadata": {str(n): "x" for n in range(51)}}, "metadata"),
        ({"time_zone": "Mars/Base"}, "time_zone"),
        ({"language": "xx"}, "language"),
        ({"currency": "XXX"}, "currency"),
        ({"credit_limit": "-1.00"}, "credit_limit"),
        ({"credit_limit": 1}, "credit_limit"),
        ({"max_open_holds": -1}, "max_open_holds"),
        ({"owner": {"email": "nobody"}}, "owner"),
        ({"owner": {"email": "a@b.example", "name": "x" * 121}}, "owner"),
        ({"state": "closed"}, "state"),
    ],
)
def test_each_invalid_field_is_named_v4(world, provider, change, field):
    """V4"""
    answer = provider("POST", "/accounts", CUSTOMER | change)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert count(world, Account) == 1


def test_accounts_are_found_v4(world, provider, pier):
    """V4"""

    def ids(query):
        return [it["id"] for it in provider.get(f"/accounts?{query}").json["accounts"]]

    for query in ("external_id=cust-7", "search=pier", "search=BEN@", "search=ust-7",
                  "search=cust-7"):  # fmt: skip
        assert ids(query) == [pier["id"]], query
    assert pier["id"] in ids(f"search={pier['id']}")
    assert ids("external_id=cust") == ids("search=%25") == ids("state=closed") == []
    assert ids("state=active") == [pier["id"], world.account_id]
    first = provider.get("/accounts?limit=1").json
    assert first["next_cursor"] == str(pier["id"])
    assert ids(f"cursor={first['next_cursor']}") == [world.account_id]


def test_a_change_leaves_what_it_does_not_name_v4(world, provider, pier):
    """V4, P2"""
    path = f"/accounts/{pier['id']}"
    changed = provider("PATCH", path, {"credit_limit": "0", "max_open_holds": None,
                                       "external_id": None, "metadata": {}})  # fmt: skip
    assert changed.json == pier | {
        "credit_limit": "0.00", "max_open_holds": None, "external_id": None, "metadata": {},
    }  # fmt: skip
    assert provider("PATCH", path, {}).json == changed.json
    entries = world.session.scalars(select(EventRow).where(EventRow.account_id == pier["id"])).all()
    [entry] = [it for it in entries if it.audit == "account_updated"]
    assert entry.actor_name == "Provider key Switch"
    assert "wholesale" not in str(entry.facts)


def test_a_change_cannot_take_anothers_external_id_v4(world, provider, pier):
    """V4"""
    answer = provider("PATCH", f"/accounts/{world.account_id}", {"external_id": "cust-7"})
    assert (answer.status_code, answer.json["code"]) == (409, "external_id_taken")


def test_a_wrong_owner_is_replaced_until_they_have_joined_v4(app, provider, pier, link):
    """V4: the first link ends."""
    path, first = f"/accounts/{pier['id']}", link()
    owner = {"name": "Bea", "email": "bea@pier.example"}
    changed = provider("PATCH", path, {"owner": owner})
    assert changed.json["owner"] == owner | {"has_joined": False}
    assert app.test_client().get(first).status_code == 422
    app.test_client().post(link(), data={"name": "Bea", "password": "a password of Bea's"})
    answer = provider("PATCH", path, {"owner": CUSTOMER["owner"]})
    assert (answer.status_code, answer.json["code"]) == (409, "owner_has_joined")


def test_only_a_provider_key_with_the_scope_reads_accounts_v1(app, world, program, pier):
    """V1"""
    meter = Program(app, world.provider_key(Scope.USAGE).key)
    for client in (program, meter):
        for method, path, body in (
            ("GET", "/accounts", None), ("GET", "/accounts/external:cust-7", None),
            ("POST", "/accounts", CUSTOMER), ("PATCH", f"/accounts/{pier['id']}", {"name": "x"}),
        ):  # fmt: skip
            answer = client(method, path, body)
            assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_members_cannot_withdraw_the_owners_invitation_v4(world, provider, pier):
    """V4"""
    invited = world.session.scalar(select(Invitation.id))
    with pytest.raises(Refusal):
        revoke_invitation(world.ctx, pier["id"], invited)
    assert world.session.get_one(Invitation, invited).state == InvitationState.OPEN


def test_a_program_suspends_resumes_and_closes_v4(world, provider, pier):
    """V4: together with other changes, or not at all."""
    path = f"/accounts/{pier['id']}"
    suspended = {"state": "suspended", "reason": "Unpaid", "credit_limit": "1.00"}
    refused = provider("PATCH", path, suspended | {"reason": ""})
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["reason"])
    assert provider.get(path).json == pier
    changed = provider("PATCH", path, suspended).json
    assert (changed["state"], changed["credit_limit"]) == ("suspended", "1.00")
    assert provider("PATCH", path, {"state": "suspended"}).json == changed
    assert provider("PATCH", path, {"state": "active"}).json["state"] == "active"
    assert provider("PATCH", path, {"state": "closed", "reason": "Over"}).json["state"] == "closed"
    again = provider("PATCH", path, {"state": "active", "reason": "Sorry"})
    assert (again.status_code, again.json["code"]) == (403, "account_closed")
    assert provider("PATCH", path, {"metadata": {}}).status_code == 200
    assert [it["id"] for it in provider.get("/accounts?state=closed").json["accounts"]] == [
        pier["id"]
    ]


def test_a_new_account_is_active_v4(provider):
    """V4"""
    sent = {"name": "Pier", "owner": {"name": "Ana", "email": "ana@new.example"}}
    assert provider("POST", "/accounts", sent | {"state": "active"}).json["state"] == "active"
    refused = provider("POST", "/accounts", sent | {"state": "closed"})
    assert refused.status_code == 422
    assert refused.json["errors"] == {"state": "Must be 'active' or 'suspended'"}


def test_a_new_account_can_be_suspended_v4(world, provider):
    """V4: with its event, and the same request again is the same account."""
    suspended = CUSTOMER | {"state": "suspended"}
    made = provider("POST", "/accounts", suspended)
    assert (made.status_code, made.json["state"]) == (201, "suspended")
    assert provider("POST", "/accounts", suspended).json == made.json
    assert provider("POST", "/accounts", CUSTOMER).json["code"] == "external_id_taken"
    of_account = select(EventRow.webhook).where(EventRow.account_id == made.json["id"])
    kinds = world.session.scalars(of_account.order_by(EventRow.id)).all()
    assert [it for it in kinds if it and it.startswith("account.")] == [
        "account.created", "account.suspended",
    ]  # fmt: skip


def test_a_reason_can_be_absent_and_follow_later_v4(world, provider):
    """V4: without a reason the email has no line for it; each new reason sends one email."""
    path = f"/accounts/{world.account_id}"

    def sent(**change):
        assert provider("PATCH", path, {"state": "suspended", **change}).status_code == 200
        world.pass_time(seconds=1)
        world.session.rollback()
        rows = world.session.scalars(select(EventRow).where(EventRow.audit == "account_suspended"))
        return [it.facts["reason"] for it in rows]

    assert sent() == [""]
    [mail] = world.mails_of("account_state")
    letter = world.services.mailer.render(mail.kind, mail.facts, mail.language)
    assert "suspended" in letter.text
    assert "Reason" not in letter.text + letter.html
    assert sent() == [""]
    assert sent(reason="Fraud") == ["", "Fraud"]
    assert sent(reason="Fraud") == sent() == ["", "Fraud"]
    assert sent(reason="Invoice 17") == ["", "Fraud", "Invoice 17"]
    assert world.mails == ["account_state"] * 3


def test_a_program_says_what_happens_to_the_balance_v4(world, provider):
    """V4"""
    path = f"/accounts/{world.account_id}"
    closed = {"state": "closed", "reason": "Over"}
    for more in ({}, {"closing_balance": "keep"}):
        refused = provider("PATCH", path, closed | more)
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["closing_balance"])
    made = provider("PATCH", path, closed | {"closing_balance": "payout"})
    assert (made.status_code, world.balance) == (200, "0.00")


def test_money_that_comes_after_closing_is_settled_by_closing_again_v4_l7(world, provider):
    """V4, L7"""
    world.pay(world.card(VISA), "100.00")
    charge = world.attempts[-1].key
    path = f"/accounts/{world.account_id}"
    settled = {"state": "closed", "reason": "Over", "closing_balance": "write_off"}
    assert provider("PATCH", path, settled).status_code == 200
    world.books.reversals.refund(charge, 40_000_000, world.clock.now())
    world.deliver()
    assert world.balance == "-40.00"
    refused = provider("PATCH", path, settled | {"closing_balance": "payout"})
    assert list(refused.json["errors"]) == ["closing_balance"]
    for _ in range(2):
        assert provider("PATCH", path, settled).status_code == 200
        world.session.rollback()
        assert world.balance == "0.00"
