"""API keys: scopes, allowed addresses, expiry, rotation, and what is stored of them."""

from datetime import timedelta

import pytest
from sqlalchemy import event, text

from tests.conftest import on_sqlite
from tests.factories import PASSWORD
from webapp.actions.accounts.create_account import create_account
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.api_keys.rotate_key import rotate_key
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.api_keys.api_key import MOST, ApiKey, Scope
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.errors import Conflict, Denied, Invalid, NotFound
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import Right
from webapp.extensions import db

TECHNICIAN = frozenset({Right.TECHNICAL})


@pytest.fixture
def ask(app):
    """An API client that reads the balance or posts usage from this address."""

    def ask(key, what="balance", address="203.0.113.7"):
        client, environ = app.test_client(), {"REMOTE_ADDR": address}
        headers = {"Authorization": f"Bearer {key}"}
        if what == "balance":
            return client.get("/api/v1/balance", headers=headers, environ_overrides=environ)
        record = {"amount": "1.00", "reference": "call-1"}
        return client.post("/api/v1/usage", json=record, headers=headers, environ_overrides=environ)

    return ask


def rotate(world, key_id, overlap=timedelta(hours=24), rights=frozenset(Right), account_id=None):
    return rotate_key(world.ctx, account_id or world.account_id, key_id, overlap, rights)


def revoke(world, key_id, account_id=None):
    account_id = account_id or world.account_id
    return revoke_key(world.ctx, account_id, key_id)


def record_of(world, key_id):
    world.session.rollback()
    return world.session.get_one(ApiKey, key_id)


def audited(world):
    world.session.rollback()
    entries = world.session.query(EventRow).filter(EventRow.audit.like("api_key%"))
    return [(entry.audit, entry.facts["name"]) for entry in entries.order_by(EventRow.id)]


def test_a_key_is_limited_to_its_scopes(world, ask):
    meter, reader = world.key(Scope.USAGE_WRITE).key, world.key(Scope.BALANCE_READ).key
    assert ask(meter, "usage").status_code == 201
    assert ask(reader).status_code == 200
    for key, what in ((meter, "balance"), (reader, "usage")):
        answer = ask(key, what)
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")
    assert world.balance == "99.00"


def test_the_first_key_of_an_account_only_reads(world, ask):
    owner = OwnerChoice("a@pier.example", password=PASSWORD)
    made = create_account(world.ctx, AccountChoice("Pier"), owner)
    assert ask(made.api_key).status_code == 200
    assert ask(made.api_key, "usage").status_code == 403


def test_v3_checks_the_scope_too(app, world):
    headers = {"Api-Key": world.key(Scope.USAGE_WRITE).key}
    answer = app.test_client().get("/v3/balance", headers=headers)
    assert (answer.status_code, answer.mimetype) == (403, "application/vnd.api+json")
    assert answer.json["errors"][0]["code"] == "insufficient_scope"


def test_a_key_is_never_stored(world):
    made = world.key()
    world.session.rollback()
    for table in ("api_key", "event"):
        rows = world.session.execute(text(f"SELECT * FROM {table}")).all()
        assert made.key not in str(rows)
        assert made.key[:8] in str(rows)  # the prefix by which people recognize a key


@pytest.mark.parametrize(
    ("networks", "allowed", "refused"),
    [
        (["203.0.113.0/24"], ["203.0.113.7", "::ffff:203.0.113.9"], ["203.0.114.1", "2001:db8::1"]),
        (["203.0.113.7", "2001:db8::/32"], ["203.0.113.7", "2001:db8::9"], ["203.0.113.8"]),
        ([], ["203.0.113.7", "2001:db8::1"], []),
    ],
)
def test_a_key_can_be_bound_to_addresses(world, ask, networks, allowed, refused):
    key = world.key(networks=networks).key
    for address in allowed:
        assert ask(key, address=address).status_code == 200, address
    for address in refused:
        answer = ask(key, address=address)
        assert (answer.status_code, answer.json["code"]) == (403, "address_not_allowed"), address


def test_a_key_expires_at_the_second(world, ask):
    key = world.key(lasts=timedelta(days=30)).key
    world.clock.advance(days=29, hours=23, minutes=59, seconds=59)
    assert ask(key).status_code == 200
    world.clock.advance(seconds=1)
    answer = ask(key)
    assert answer.status_code == 401
    assert answer.json["detail"] == "This API key is expired."
    assert "error=invalid_token" in answer.headers["WWW-Authenticate"]


def test_a_key_is_revoked_at_once_and_permanently(world, ask):
    made = world.key()
    assert ask(made.key).status_code == 200
    revoke(world, made.id)
    assert ask(made.key).status_code == 401
    at = record_of(world, made.id).revoked_at
    world.clock.advance(hours=1)
    revoke(world, made.id)
    assert record_of(world, made.id).revoked_at == at
    assert audited(world) == [("api_key_created", "Meter"), ("api_key_revoked", "Meter")]


def test_after_a_rotation_both_keys_work_during_the_overlap(world, ask):
    old = world.key(Scope.BALANCE_READ, networks=["203.0.113.0/24"], lasts=timedelta(days=90))
    world.clock.advance(days=10)
    new = rotate(world, old.id, timedelta(hours=24))
    successor = record_of(world, new.id)
    assert (successor.name, successor.scopes) == ("Meter", ["balance:read"])
    assert successor.networks == ["203.0.113.0/24"]
    assert successor.expires_at == world.clock.now() + timedelta(days=90)

    world.clock.advance(hours=23, minutes=59)
    assert [ask(key).status_code for key in (old.key, new.key)] == [200, 200]
    world.clock.advance(minutes=1)
    assert [ask(key).status_code for key in (old.key, new.key)] == [401, 200]


def test_a_rotation_does_not_extend_the_old_key(world, ask):
    old = world.key(lasts=timedelta(hours=2))
    rotate(world, old.id, timedelta(hours=24))
    world.clock.advance(hours=2)
    assert ask(old.key).status_code == 401


def test_rotated_and_revoked_keys_cannot_be_rotated(world):
    old = world.key()
    rotate(world, old.id)
    with pytest.raises(Conflict):
        rotate(world, old.id)
    gone = world.key()
    revoke(world, gone.id)
    with pytest.raises(Conflict):
        rotate(world, gone.id)


def test_technicians_cannot_create_billing_keys(world):
    """P1: a technician's key has no more rights than the technician."""
    for scope in (Scope.BILLING_READ, Scope.BILLING_WRITE):
        with pytest.raises(Invalid) as refused:
            world.key(scope, rights=TECHNICIAN)
        assert set(refused.value.fields) == {"scopes"}
        with pytest.raises(Denied):
            rotate(world, world.key(scope).id, rights=TECHNICIAN)
    made = world.key(Scope.USAGE_WRITE, Scope.BALANCE_READ, rights=TECHNICIAN)
    assert rotate(world, made.id, rights=TECHNICIAN).key


def test_another_accounts_key_is_not_found(world):
    """P1."""
    made, other = world.key(), world.account(name="Other Ltd")
    for do in (rotate, revoke):
        with pytest.raises(NotFound):
            do(world, made.id, account_id=other.account_id)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"networks": ["10.0.0.1/8"]}, "networks"),
        ({"networks": ["example.com"]}, "networks"),
        ({"networks": ["10.0.0.1"] * 21}, "networks"),
        ({"scopes": ["everything"]}, "scopes"),
    ],
)
def test_what_cannot_be_options_for(world, options, field):
    others = {name: value for name, value in options.items() if name != "scopes"}
    with pytest.raises(Invalid) as refused:
        world.key(*options.get("scopes", []), **others)
    assert set(refused.value.fields) == {field}


def test_an_account_has_at_most_fifty_keys(world):
    for _ in range(MOST - 1):
        made = world.key()
    with pytest.raises(Invalid):
        world.key()
    revoke(world, made.id)
    assert world.key().key


def test_last_use_is_recorded_to_the_hour(world, ask):
    made = world.key()
    assert record_of(world, made.id).last_used_at is None
    began = world.clock.now()
    ask(made.key)
    assert record_of(world, made.id).last_used_at == began
    assert record_of(world, made.id).last_used_from == "203.0.113.7"
    world.clock.advance(minutes=59)
    ask(made.key, address="203.0.113.8")
    assert record_of(world, made.id).last_used_from == "203.0.113.7"
    world.clock.advance(minutes=1)
    ask(made.key, address="203.0.113.8")
    assert record_of(world, made.id).last_used_from == "203.0.113.8"


@on_sqlite
def test_a_second_request_writes_nothing(world, ask):
    """A meter sends many requests per second."""
    key = world.key().key
    ask(key)
    world.session.rollback()
    executed = []
    note = lambda connection, *more: connection.set_trace_callback(executed.append)  # noqa: E731
    event.listen(db.engine, "checkout", note)
    assert ask(key).status_code == 200
    statements = [statement.split()[0] for statement in executed]
    # It reads the key, and in a transaction the balance.
    assert statements == ["SELECT", "BEGIN", "SELECT"], executed


def test_a_read_only_database_still_serves_reads(world, ask):
    """A full disk prevents writes but not reads."""
    key = world.key().key
    if db.engine.dialect.name != "sqlite":
        pytest.skip("SQLite alone can be made read-only by a connection")
    world.session.rollback()
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    try:
        assert ask(key).json["balance"] == "100.00"
    finally:
        db.engine.dispose()
