"""Keys of the provider: they act for every account, and no customer sees or ends them (V1, V3)."""

import pytest

from tests.api.conftest import Program
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import OF_ACCOUNT, Scope
from webapp.domain.shared.errors import Invalid, NotFound


@pytest.fixture
def external(world):
    """The account, which has an id of the provider's."""
    account = world.session.get_one(Account, world.account_id)
    account.external_id = "cust-0042"
    world.session.commit()
    return account


def test_a_provider_key_reads_every_account_by_either_id_v1(world, provider, external):
    """V1, V2"""
    other = world.account(name="Pier", balance="7.00")
    for name, balance in (
        (world.account_id, "100.00"), ("external:cust-0042", "100.00"), (other.account_id, "7.00"),
    ):  # fmt: skip
        assert provider.get(f"/accounts/{name}/balance").json["balance"] == balance


@pytest.mark.parametrize("name", ["999", "external:cust-0043", "cust-0042", "external:", "-1",
                                  "99999999999999999999", "١"])  # fmt: skip
def test_an_unknown_account_is_not_found(provider, external, name):
    answer = provider.get(f"/accounts/{name}/balance")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_a_provider_key_is_limited_to_its_scopes_v1(app, world):
    """V1"""
    meter = Program(app, world.provider_key(Scope.USAGE).key)
    answer = meter.get(f"/accounts/{world.account_id}/balance")
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")


def test_each_kind_of_key_is_refused_at_the_other_kinds_operations_v1(world, program, provider):
    """V1: a customer's key reads no other account, and a provider's key has none of its own."""
    for client, path in (
        (program, f"/accounts/{world.account_id}/balance"), (provider, "/balance"),
    ):  # fmt: skip
        answer = client.get(path)
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope"), path


def test_no_account_can_have_a_scope_of_the_provider_v3(world):
    """V3"""
    for scope in set(Scope) - set(OF_ACCOUNT):
        with pytest.raises(Invalid):
            world.key(scope)


def test_an_account_meters_itself_only_if_the_operator_allows_it_v3(app, world):
    """V3"""
    meter = Program(app, world.key(Scope.USAGE_WRITE).key)
    usage = {"amount": "1.00", "reference": "call-1"}
    assert meter("POST", "/usage", usage).status_code == 201
    world.session.get_one(Account, world.account_id).own_metering = False
    world.session.commit()
    answer = meter("POST", "/usage", usage | {"reference": "call-2"})
    assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")
    with pytest.raises(Invalid):
        world.key(Scope.USAGE_WRITE)


def test_an_account_that_the_provider_meters_sees_no_holds_v3(app, world, provider):
    """V3: they are the provider's. The balance still states their sum."""
    named = {"account": world.account_id}
    assert provider("POST", "/holds", {**named, "reference": "call-1", "amount": "3.00"}).json
    customer = Program(app, world.key(Scope.BALANCE_READ).key)
    assert customer.get("/holds/call-1").json["granted"] == "3.00"
    world.session.get_one(Account, world.account_id).own_metering = False
    world.session.commit()
    for path in ("/holds", "/holds/call-1"):
        answer = customer.get(path)
        assert (answer.status_code, answer.json["code"]) == (403, "insufficient_scope")
    assert customer.get("/balance").json["held"] == "3.00"
    assert provider.get(f"/holds/call-1?account={world.account_id}").status_code == 200


def test_no_customer_sees_or_revokes_a_provider_key_v3(world, client, provider):
    """V3: neither the list, the dialogs nor the audit log of an account show it."""
    key = world.provider_key(name="Switch 7")
    page = client.get("/settings/api-keys").text
    assert "First key" in page
    assert "Switch 7" not in page
    assert "Switch 7" not in client.get("/settings/audit-log").text
    assert client.get(f"/settings/api-keys/{key.id}/revocation").status_code == 404
    with pytest.raises(NotFound):
        revoke_key(world.ctx, world.account_id, key.id)
    assert provider.get(f"/accounts/{world.account_id}/balance").status_code == 200


def test_the_form_of_a_customers_key_offers_metering_only_where_it_is_allowed_v3(world, client):
    """V3"""
    assert "usage:write" in client.get("/settings/api-keys/new").text
    world.session.get_one(Account, world.account_id).own_metering = False
    world.session.commit()
    assert "usage:write" not in client.get("/settings/api-keys/new").text
