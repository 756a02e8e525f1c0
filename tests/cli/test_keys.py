"""`flask keys`."""

import json

import pytest

from webapp.domain.api_keys.api_key import ApiKey


def parsed(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def account_id(world):
    """The id of the account that the commands name."""
    return world.account_id


@pytest.fixture
def balance(app):
    def ask(key):
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().get("/api/v1/balance", headers=headers).status_code

    return ask


def test_a_key_is_created_with_its_scopes(flask, account_id, balance):
    made = parsed(
        flask(f"keys create {account_id} --name Meter --scope usage:write --days 30 --json")
    )
    assert set(made) == {"account", "id", "name", "api_key", "scopes"}
    assert balance(made["api_key"]) == 403  # the key is valid but lacks the scope
    row = parsed(flask(f"keys list {account_id} --json"))[0]
    assert (row["id"], row["name"], row["scopes"]) == (made["id"], "Meter", ["usage:write"])
    assert row["expires_at"] == "2026-12-22T10:00:00Z"
    assert made["api_key"].startswith(row["prefix"])
    assert made["api_key"] not in json.dumps(row)


def test_a_key_without_scopes_only_reads(flask, account_id, balance):
    output = flask(f"keys create {account_id} --name Books --from 127.0.0.0/8").output
    key = output.split()[-1]
    assert balance(key) == 200
    scopes = parsed(flask(f"keys list {account_id} --json"))[0]["scopes"]
    assert scopes == ["balance:read", "billing:read"]
    assert key not in flask(f"keys list {account_id}").output
    assert key[:8] in flask(f"keys list {account_id}").output


def test_the_first_key_is_listed(flask, account_id):
    assert [row["name"] for row in parsed(flask(f"keys list {account_id} --json"))] == ["First key"]


def test_a_key_is_rotated_and_revoked(flask, world, account_id, balance):
    old = world.key(name="Meter")
    new = parsed(flask(f"keys rotate {account_id} {old.id} --overlap 1 --json"))
    assert [balance(key) for key in (old.key, new["api_key"])] == [200, 200]
    world.clock.advance(hours=1)
    assert [balance(key) for key in (old.key, new["api_key"])] == [401, 200]
    assert parsed(flask(f"keys revoke {account_id} {new['id']} --json"))["revoked_at"]
    assert balance(new["api_key"]) == 401
    assert flask(f"keys revoke {account_id} {new['id']}").exit_code == 0  # revoking again succeeds
    states = {row["id"]: row["state"] for row in parsed(flask(f"keys list {account_id} --json"))}
    assert (states[old.id], states[new["id"]]) == ("expired", "revoked")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("keys create {account_id} --name M --scope all", 2, "usage:write"),
        (
            "keys create {account_id} --name M --from 10.0.0.1/8",
            1,
            "networks: 10.0.0.1/8 is invalid",
        ),
        ("keys create 999 --name M", 1, "The account was not found."),
        ("keys rotate {account_id} 999", 1, "The API key was not found."),
        ("keys rotate {account_id} {key} --overlap 169", 2, "168"),
        ("keys revoke 999 {key}", 1, "The account was not found."),
    ],
)
def test_an_error_is_reported_in_one_line(flask, world, account_id, line, code, message):
    failed = flask(line.format(account_id=account_id, key=world.key().id))
    assert failed.exit_code == code
    assert message in failed.stderr
    world.session.rollback()
    assert world.session.query(ApiKey).count() == 2


def test_a_provider_key_is_created_listed_rotated_and_revoked_v1(flask, app, account_id):
    """V1"""

    def status(key):
        headers = {"Authorization": f"Bearer {key}"}
        path = f"/api/v1/accounts/{account_id}/balance"
        return app.test_client().get(path, headers=headers).status_code

    made = parsed(flask("provider-keys create --name Switch --scope balances --json"))
    assert (set(made), made["scopes"]) == ({"id", "name", "key", "scopes"}, ["balances"])
    assert status(made["key"]) == 200
    new = parsed(flask(f"provider-keys rotate {made['id']} --overlap 0 --json"))
    assert [status(key) for key in (made["key"], new["key"])] == [401, 200]
    assert "revoked" in flask(f"provider-keys revoke {new['id']}").output
    assert status(new["key"]) == 401
    listed = parsed(flask("provider-keys list --json"))
    assert [(row["id"], row["account"], row["state"]) for row in listed] == [
        (new["id"], None, "revoked"),
        (made["id"], None, "expired"),
    ]
    assert flask(f"keys revoke {account_id} {new['id']}").exit_code == 1
    assert parsed(flask(f"keys list {account_id} --json"))[0]["name"] == "First key"
