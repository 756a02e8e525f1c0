"""`flask keys`, as an operator types it."""

import json

import pytest

from webapp.domain.api_keys.api_key import ApiKey


def said(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def of(world):
    """The account that the commands name."""
    return world.account_id


@pytest.fixture
def balance(app):
    def ask(key):
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().get("/api/v1/balance", headers=headers).status_code

    return ask


def test_a_key_is_made_with_what_it_may_do(flask, of, balance):
    made = said(flask(f"keys create {of} --name Meter --scope usage:write --days 30 --json"))
    assert set(made) == {"account", "id", "name", "api_key"}
    assert balance(made["api_key"]) == 403  # it works, and has no such scope
    row = said(flask(f"keys list {of} --json"))[0]
    assert (row["id"], row["name"], row["scopes"]) == (made["id"], "Meter", ["usage:write"])
    assert row["expires_at"] == "2026-12-22T10:00:00Z"
    assert made["api_key"].startswith(row["prefix"])
    assert made["api_key"] not in json.dumps(row)


def test_without_scopes_it_may_do_all(flask, of, balance):
    told = flask(f"keys create {of} --name Books --from 127.0.0.0/8").output
    key = told.split()[-1]
    assert balance(key) == 200
    assert key not in flask(f"keys list {of}").output
    assert key[:8] in flask(f"keys list {of}").output


def test_the_first_key_is_listed(flask, of):
    assert [row["name"] for row in said(flask(f"keys list {of} --json"))] == ["First key"]


def test_a_key_is_rotated_and_revoked(flask, world, of, balance):
    old = world.key(name="Meter")
    new = said(flask(f"keys rotate {of} {old.id} --overlap 1 --json"))
    assert [balance(key) for key in (old.key, new["api_key"])] == [200, 200]
    world.clock.advance(hours=1)
    assert [balance(key) for key in (old.key, new["api_key"])] == [401, 200]
    assert said(flask(f"keys revoke {of} {new['id']} --json"))["revoked_at"]
    assert balance(new["api_key"]) == 401
    assert flask(f"keys revoke {of} {new['id']}").exit_code == 0  # and again
    states = {row["id"]: row["state"] for row in said(flask(f"keys list {of} --json"))}
    assert (states[old.id], states[new["id"]]) == ("expired", "revoked")


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("keys create {of} --name M --scope all", 2, "usage:write"),
        ("keys create {of} --name M --from 10.0.0.1/8", 1, "networks: 10.0.0.1/8 is invalid"),
        ("keys create 999 --name M", 1, "The account was not found."),
        ("keys rotate {of} 999", 1, "The API key was not found."),
        ("keys rotate {of} {key} --overlap 169", 2, "168"),
        ("keys revoke 999 {key}", 1, "The account was not found."),
    ],
)
def test_a_fault_is_one_line(flask, world, of, line, code, told):
    failed = flask(line.format(of=of, key=world.key().id))
    assert failed.exit_code == code
    assert told in failed.stderr
    world.session.rollback()
    assert world.session.query(ApiKey).count() == 2
