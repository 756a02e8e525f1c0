"""API keys: created, shown once, listed, rotated and revoked, within a person's rights."""

import re

import pytest

from tests.web.conftest import errors, words
from webapp.domain.api_keys.api_key import ApiKey, Scope

HTMX = {"HX-Request": "true"}
HERE = "/settings/api-keys"
METER = {"name": "Meter in Dublin", "scopes": ["usage:write", "balance:read"], "lasts": "90"}


@pytest.fixture
def balance(app):
    def ask(key):
        headers = {"Authorization": f"Bearer {key}"}
        return app.test_client().get("/api/v1/balance", headers=headers).status_code

    return ask


def shown(answer):
    """Return the key on the page that shows it."""
    return re.search(r">(bk_[\w-]{43})<", answer.text)[1]


def keys(world):
    world.session.rollback()
    return world.session.query(ApiKey).order_by(ApiKey.id).all()


def test_a_key_is_created_and_shown_once(client, world, balance):
    """P1, P2"""
    assert "Create an API key" in words(client.get(f"{HERE}/new"))
    made = client.post(HERE, data=METER)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    key = shown(made)
    assert balance(key) == 200
    page = client.get(HERE)
    assert key not in page.text
    content = words(page)
    assert f"Meter in Dublin {key[:8]}… usage:write balance:read" in content
    assert "Last used today, 10:00, from 127.0.0.1" in content
    assert "Expires Sat 20 Feb 2027, 10:00" in content
    log = words(client.get("/settings/audit-log"))
    assert f"Meter in Dublin ({key[:8]}…); permissions: usage:write, balance:read." in log


def test_invalid_input_stays_beside_its_errors(client, world):
    refused = client.post(HERE, data={"name": "", "networks": "10.0.0.1/8, example.com"})
    assert refused.status_code == 422
    assert errors(refused) == {
        "name": "Enter a name",
        "scopes": "Choose at least one",
        "networks": "10.0.0.1/8 is invalid; use 203.0.113.7 or 203.0.113.0/24",
    }
    assert 'value="10.0.0.1/8, example.com"' in refused.text
    assert len(keys(world)) == 1


def test_several_allowed_addresses_are_saved(client, world):
    client.post(HERE, data={**METER, "networks": "203.0.113.7, 2001:db8::/32\n10.0.0.0/8"})
    assert keys(world)[-1].networks == ["203.0.113.7/32", "2001:db8::/32", "10.0.0.0/8"]


def test_a_rotated_key_works_for_its_overlap(client, world, balance):
    old = world.key()
    assert "Rotate Meter?" in words(client.get(f"{HERE}/{old.id}/rotation"))
    new = shown(client.post(f"{HERE}/{old.id}/rotation", data={"overlap": "1"}))
    assert [balance(key) for key in (old.key, new)] == [200, 200]
    assert "Replaced, works until Sun 22 Nov, 11:00" in words(client.get(HERE))
    world.clock.advance(hours=1)
    assert [balance(key) for key in (old.key, new)] == [401, 200]
    again = client.post(f"{HERE}/{old.id}/rotation", data={"overlap": "1"})
    assert again.status_code == 409
    assert "no longer works" in words(again)


def test_a_key_is_revoked_after_a_question(client, world, balance):
    made = world.key()
    assert "This cannot be undone" in words(client.get(f"{HERE}/{made.id}/revocation"))
    assert balance(made.key) == 200
    for _ in range(2):
        answer = client.post(f"{HERE}/{made.id}/revocation")
        assert (answer.status_code, answer.location) == (303, HERE)
    assert balance(made.key) == 401
    assert "Revoked today, 10:00" in words(client.get(HERE))


def test_without_a_working_key_the_page_has_a_message(client, world):
    client.post(f"{HERE}/{keys(world)[0].id}/revocation")
    assert "No active keys" in words(client.get(HERE))


def test_dialogs_are_fragments_for_htmx(client, world):
    made = world.key()
    for path in ("new", f"{made.id}/rotation", f"{made.id}/revocation"):
        part, page = client.get(f"{HERE}/{path}", headers=HTMX), client.get(f"{HERE}/{path}")
        assert "<html" not in part.text
        assert "<html" in page.text
    moved = client.post(f"{HERE}/{made.id}/revocation", headers=HTMX)
    assert moved.headers["HX-Redirect"] == HERE


ADDRESSES = ["GET {here}", "GET {here}/new", "POST {here}", "GET {one}/rotation",
             "POST {one}/rotation", "GET {one}/revocation", "POST {one}/revocation"]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_access_to_keys_by_role(app, client, world, teammate, stranger, address):
    """P1: Technical and above; not the billing roles, not signed out, not another account."""
    path = address.format(here=HERE, one=f"{HERE}/{world.key().id}")
    method, path = path.split()
    before = [(key.id, key.revoked_at, key.expires_at) for key in keys(world)]

    def ask(who):
        return who.open(path, method=method, data={"name": "", "overlap": "1"}).status_code

    assert ask(app.test_client()) == 303
    assert ask(teammate("billing")) == 403
    assert ask(teammate("commercial")) == 403
    if "/api-keys/" in path and not path.endswith("new"):
        assert ask(stranger) == 404
    assert [(key.id, key.revoked_at, key.expires_at) for key in keys(world)] == before
    if method == "GET":
        assert ask(teammate("technical")) == 200
        assert ask(client) == 200


def test_a_technician_cannot_give_billing_scopes(world, teammate):
    """P1: the form does not offer them, and a forged form is refused."""
    technician, old = teammate("technical"), world.key(Scope.BILLING_WRITE)
    assert "billing:" not in technician.get(f"{HERE}/new").text
    forged = technician.post(HERE, data={**METER, "scopes": ["billing:read"]})
    assert forged.status_code == 422
    assert errors(forged) == {"scopes": "Only people with access to billing can grant these"}
    assert technician.post(f"{HERE}/{old.id}/rotation", data={"overlap": "0"}).status_code == 403
    assert technician.post(HERE, data=METER).status_code == 201
    assert len(keys(world)) == 3


def test_the_menu_links_keys_only_with_the_right(client, teammate):
    """P1"""
    assert HERE in client.get("/billing/payment-methods").text
    assert HERE in teammate("technical").get(HERE).text
    assert HERE not in teammate("billing").get("/billing/payment-methods").text
