"""The provider's API keys: on the operator's page, and in no customer's settings (V1, V3)."""

import pytest

from tests.web.conftest import errors, words
from tests.web.test_api_keys import keys, shown
from webapp.domain.api_keys.api_key import OF_ACCOUNT, OF_PROVIDER
from webapp.domain.events.rows import EventRow

HERE, THEIRS = "/operator/keys", "/settings/api-keys"
SWITCH = {"name": "Switch", "scopes": ["balances", "usage"], "networks": "127.0.0.1", "lasts": "90"}


@pytest.fixture
def staff(operator, sign_in):
    return sign_in(operator)


@pytest.fixture
def balances(app):
    """Return a function that asks for the balances of all accounts, and returns the status."""

    def ask(key):
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().get("/api/v1/balances", headers=headers).status_code

    return ask


def test_an_operator_creates_a_key_for_all_accounts(staff, world, balances):
    """V1: the key is shown once, and the list shows what it may do and when it was used."""
    assert "No active keys" in words(staff.get(HERE))
    made = staff.post(HERE, data=SWITCH)
    assert (made.status_code, made.headers["Cache-Control"]) == (201, "no-store")
    key, record = shown(made), keys(world)[-1]
    assert (record.account_id, record.scopes) == (None, ["usage", "balances"])
    page = staff.get(HERE)
    assert key not in page.text
    assert f"Switch {key[:8]}… usage balances Never used" in words(page)
    assert balances(key) == 200
    content = words(staff.get(HERE))
    assert "Last used today, 10:00, from 127.0.0.1" in content
    assert "Allowed IP addresses: 127.0.0.1/32" in content
    assert "Expires Sat 20 Feb 2027, 10:00" in content


def test_the_form_describes_each_scope_of_the_provider(staff, client):
    """V1, V3: and no form offers the scopes of the other kind of key."""
    for form, offered, others in (
        (staff.get(f"{HERE}/new"), OF_PROVIDER, OF_ACCOUNT),
        (client.get(f"{THEIRS}/new"), OF_ACCOUNT, OF_PROVIDER),
    ):
        assert [scope for scope in offered if f'value="{scope}"' not in form.text] == []
        assert [scope for scope in others if f'value="{scope}"' in form.text] == []


def test_no_key_has_scopes_of_the_other_kind(staff, client, world):
    """V3"""
    before = len(keys(world))
    for who, page, scope in ((staff, HERE, "usage:write"), (client, THEIRS, "usage")):
        refused = who.post(page, data={"name": "Switch", "scopes": [scope]})
        assert refused.status_code == 422
        assert "scopes" in errors(refused)
    assert len(keys(world)) == before


def test_a_rotated_key_works_for_its_overlap(staff, world, balances):
    """V1"""
    old = world.provider_key()
    one = f"{HERE}/{old.id}/rotation"
    assert "Rotate Switch?" in words(staff.get(one))
    new = shown(staff.post(one, data={"overlap": "1"}))
    assert [balances(key) for key in (old.key, new)] == [200, 200]
    assert "Replaced, works until Sun 22 Nov, 11:00" in words(staff.get(HERE))
    assert staff.post(one, data={"overlap": "1"}).status_code == 409
    world.clock.advance(hours=1)
    assert [balances(key) for key in (old.key, new)] == [401, 200]


def test_revoking_ends_a_key_and_is_recorded(staff, world, balances):
    """V1"""
    made = world.provider_key()
    one = f"{HERE}/{made.id}/revocation"
    assert "This cannot be undone" in words(staff.get(one))
    assert balances(made.key) == 200
    assert staff.post(one).location == HERE
    assert balances(made.key) == 401
    assert "Revoked today, 10:00" in words(staff.get(HERE))
    world.session.rollback()
    rows = world.session.query(EventRow).filter_by(audit="api_key_revoked")
    (row,) = [row for row in rows if row.account_id is None]
    assert row.actor_name.endswith(", your provider")


def test_changes_require_reauthentication(staff, world):
    """A session left open makes, rotates and revokes no key."""
    made = world.provider_key()
    world.clock.wait(minutes=15)
    for path, form in (("", SWITCH), (f"/{made.id}/rotation", {}), (f"/{made.id}/revocation", {})):
        assert staff.post(f"{HERE}{path}", data=form).status_code == 401
    assert [key.revoked_at for key in keys(world) if key.account_id is None] == [None]


def test_no_customer_sees_or_ends_the_providers_keys(client, world, balances):
    """V1, V3"""
    made = world.provider_key(name="Switch in Cork")
    for page in (THEIRS, "/settings/audit-log", "/billing/activity"):
        assert "Switch in Cork" not in client.get(page).text
    for path in ("rotation", "revocation"):
        for one in (f"{THEIRS}/{made.id}/{path}", f"{HERE}/{made.id}/{path}"):
            assert client.get(one).status_code == 404
            assert client.post(one, data={"overlap": "0"}).status_code == 404
    assert client.get(HERE).status_code == 404
    assert client.post(HERE, data=SWITCH).status_code == 404
    assert balances(made.key) == 200
    assert len([key for key in keys(world) if key.account_id is None]) == 1


def test_an_operator_does_not_manage_a_customers_keys_there(staff, world):
    """V1: a key of an account is none of the provider's."""
    made = world.key(name="Meter in Dublin")
    assert "Meter in Dublin" not in staff.get(HERE).text
    assert staff.post(f"{HERE}/{made.id}/revocation").status_code == 404
