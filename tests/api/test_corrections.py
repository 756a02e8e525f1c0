"""Reversals of usage and adjustments with a provider key (L16, V9)."""

import pytest

from tests.api.conftest import Program
from tests.factories import VISA
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope


@pytest.fixture(autouse=True)
def external(world):
    world.session.get_one(Account, world.account_id).external_id = "cust-0042"
    world.session.commit()


@pytest.fixture
def reverse(provider):
    def send(usage="call-1", **fields):
        body = {"external_id": "cust-0042", "reference": "credit-1", "reason": "Wrong rate"}
        return provider("POST", f"/usage/{usage}/reversals", body | fields)

    return send


@pytest.fixture
def adjust(provider):
    def send(**fields):
        body = {"reference": "fee-1", "amount": "-2.500001", "reason": "Monthly fee"}
        return provider("POST", "/accounts/external:cust-0042/adjustments", body | fields)

    return send


def test_usage_is_reversed_by_its_reference_l16(world, reverse):
    """L16: 201, and 200 for the same again."""
    world.use("12.34", "call-1")
    answer = reverse(amount="0.340001")
    assert answer.status_code == 201
    assert answer.json == {
        "reference": "credit-1",
        "usage": "call-1",
        "account": world.account_id,
        "amount": "0.340001",
        "left": "11.999999",
        "reason": "Wrong rate",
        "reversed_at": "2026-11-22T10:00:00Z",
        "balance": "88.000001",
        "currency": "USD",
    }
    again = reverse(amount="0.340001")
    assert (again.status_code, again.json) == (200, answer.json)
    rest = reverse(reference="credit-2")
    assert (rest.json["amount"], rest.json["left"]) == ("11.999999", "0.00")
    assert world.balance == "100.00"


@pytest.mark.parametrize(
    ("usage", "fields", "status", "code"),
    [
        ("call-2", {}, 404, "not_found"),
        ("call-1", {"external_id": "cust-0043"}, 404, "not_found"),
        ("call-1", {"external_id": None}, 422, "invalid"),
        ("call-1", {"reference": "old", "amount": "2.00"}, 409, "conflict"),
        ("call-1", {"amount": "9.01"}, 409, "exceeds_usage"),
        ("gone", {}, 409, "already_reversed"),
        ("call-1", {"amount": "0"}, 422, "invalid"),
        ("call-1", {"amount": "0.0000001"}, 422, "invalid"),
        ("call-1", {"reason": ""}, 422, "invalid"),
        ("call-1", {"reference": ""}, 422, "invalid"),
        ("call%00", {}, 404, "not_found"),
    ],
)
def test_a_reversal_is_refused_with_its_reason_l16(world, reverse, usage, fields, status, code):
    """L16"""
    world.use("10.00", "call-1")
    world.use("1.00", "gone")
    assert reverse(reference="old", amount="1.00").status_code == 201
    assert reverse("gone", reference="old-2").status_code == 201
    before = world.balance
    answer = reverse(usage, **fields)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert world.balance == before


def test_usage_with_a_slash_in_its_reference_is_reversed_l16(world, reverse):
    """L16"""
    world.use("10.00", "a/b/reversals")
    assert reverse("a/b/reversals").status_code == 201


def test_no_account_reverses_its_own_usage_l16(app, world):
    """L16, V3: nor does it adjust its balance."""
    world.use("10.00", "call-1")
    own = Program(app, world.key().key)
    body = {"account": world.account_id, "reference": "credit-1", "reason": "Mine"}
    paths = ("/usage/call-1/reversals", f"/accounts/{world.account_id}/adjustments")
    for path in paths:
        assert own("POST", path, body).json["code"] == "insufficient_scope"
    meter = Program(app, world.provider_key(Scope.USAGE).key)
    assert meter("POST", paths[1], body).json["code"] == "insufficient_scope"


def test_a_balance_is_adjusted_once_per_reference_v9(world, adjust):
    """V9: signed, with six decimals."""
    answer = adjust()
    assert answer.status_code == 201
    assert answer.json["balance"] == "97.499999"
    assert (answer.json["amount"], answer.json["reason"]) == ("-2.500001", "Monthly fee")
    again = adjust()
    assert (again.status_code, again.json) == (200, answer.json)
    other = adjust(amount="2.500001")
    assert (other.status_code, other.json["code"]) == (409, "conflict")
    assert adjust(reference="goodwill-1", amount="0.000001").json["balance"] == "97.50"
    assert world.balance == "97.50"


def test_references_of_adjustments_are_the_accounts_own_v9(world, provider, adjust):
    """V9"""
    adjust()
    other = world.account(name="Pier").account_id
    body = {"reference": "fee-1", "amount": "1.00", "reason": "Goodwill"}
    assert provider("POST", f"/accounts/{other}/adjustments", body).status_code == 201


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-0.00"}, "amount"),
        ({"amount": "--1.00"}, "amount"),
        ({"amount": "+1.00"}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "0.0000001"}, "amount"),
        ({"amount": None}, "amount"),
        ({"reason": "  "}, "reason"),
        ({"reason": "a\x00b"}, "reason"),
        ({"reference": " "}, "reference"),
    ],
)
def test_an_invalid_adjustment_is_refused_by_field_v9(world, adjust, fields, field):
    """V9"""
    answer = adjust(**fields)
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert world.balance == "100.00"


def test_a_debit_starts_the_refill_that_the_customer_agreed_to_v9(world, adjust):
    """V9, T4: like usage."""
    world.cards(VISA)
    world.refill()
    adjust(amount="-60.00")
    world.work()
    assert world.charges == [("4242", "100.00")]
    assert world.balance == "140.00"


def test_the_statement_names_what_a_credit_reverses_l16(world, program, reverse, adjust):
    """L16, V9, E2"""
    world.use("12.34", "call-1")
    reverse(amount="0.34")
    adjust()
    entries = program.get("/statement").json["entries"]
    shown = [(it["kind"], it["amount"], it["description"]) for it in entries[:2]]
    assert shown == [
        ("adjustment", "-2.500001", "Monthly fee"),
        ("usage_reversal", "0.34", "Reversal of call-1: Wrong rate"),
    ]
