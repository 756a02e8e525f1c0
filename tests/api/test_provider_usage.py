"""`POST /api/v1/usage` with a provider key: records of any accounts in one request (V2)."""

from dataclasses import replace

import pytest
from sqlalchemy import event, func, select

from tests.api.conftest import Program
from tests.factories import VISA, micros, with_bounds
from webapp.actions.usage.post_usage import post_usage
from webapp.api.usage_batch import LARGEST_BATCH
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.ledger import FARTHEST, LedgerEntry
from webapp.domain.usage.record import Usage
from webapp.extensions import db
from webapp.reads.ledger.ledger_check import check_ledger


@pytest.fixture
def accounts(world):
    """Two accounts: the world's, called `cust-1` by the provider, and another one, `cust-2`."""
    ids = world.account_id, world.account(name="Pier", balance="50.00").account_id
    for number, account_id in enumerate(ids, 1):
        world.session.get_one(Account, account_id).external_id = f"cust-{number}"
    world.session.commit()
    return ids


@pytest.fixture
def post(app, world, accounts):
    meter = Program(app, world.provider_key(Scope.USAGE).key)

    def send(*records, **options):
        return meter("POST", "/usage", {"records": records}, **options)

    send.meter = meter
    return send


def record(amount="1.00", reference="call-1", **named):
    return {"amount": amount, "reference": reference, **named}


def set_account(world, account_id, **columns):
    account = world.session.get_one(Account, account_id)
    for name, value in columns.items():
        setattr(account, name, value)
    world.session.commit()


def balance_of(world, account_id):
    world.session.rollback()
    return world.session.get_one(Account, account_id).balance


def test_one_request_carries_records_of_any_accounts_v2(world, accounts, post):
    """V2, L12: each by our id or by the provider's, with counts and balances."""
    first, second = accounts
    world.hold("2.00", "call-9")
    set_account(world, first, credit_limit=micros("10.00"))
    answer = post(
        record("1.00", account=str(second)),
        record("0.25", account="external:cust-1"),
        record("0.50", "call-2", external_id="cust-2", account=second),
        record("1.00", external_id="cust-2"),
        record("9.00", external_id="cust-2"),
        record("2000.00", "call-3", account=first),
    )
    assert answer.status_code == 201
    assert answer.json == {
        "posted": 3,
        "ended": 0,
        "duplicate": 1,
        "conflict": 1,
        "invalid": 0,
        "too_large": 1,
        "balances": {
            str(first): {
                "external_id": "cust-1",
                "balance": "99.75",
                "available": "107.75",
                "currency": "USD",
            },
            str(second): {
                "external_id": "cust-2",
                "balance": "48.50",
                "available": "48.50",
                "currency": "USD",
            },
        },
        "records": [
            {"index": 0, "account": second, "reference": "call-1", "status": "posted"},
            {"index": 1, "account": first, "reference": "call-1", "status": "posted"},
            {"index": 2, "account": second, "reference": "call-2", "status": "posted"},
            {"index": 3, "account": second, "reference": "call-1", "status": "duplicate"},
            {"index": 4, "account": second, "reference": "call-1", "status": "conflict"},
            {
                "index": 5,
                "account": first,
                "reference": "call-3",
                "status": "too_large",
                "errors": {"amount": "At most 1000.00 in one usage record"},
            },
        ],
    }
    assert check_ledger(world.session, None).agrees


def test_a_single_record_is_answered_like_a_batch_v2(accounts, post):
    """V2"""
    answer = post.meter("POST", "/usage", record(external_id="cust-1"))
    assert answer.status_code == 201
    assert (answer.json["posted"], "status" in answer.json) == (1, False)
    assert answer.json["records"][0]["account"] == accounts[0]
    wrong = post.meter("POST", "/usage", record())
    assert (wrong.status_code, list(wrong.json["errors"])) == (422, ["account"])
    assert (wrong.json["invalid"], wrong.json["balances"]) == (1, {})


UNNAMED = [
    ({}, "account"),
    ({"account": 999}, "account"),
    ({"account": 10**30}, "account"),
    ({"account": -1}, "account"),
    ({"account": True}, "account"),
    ({"account": "external:cust-3"}, "account"),
    ({"account": "external:"}, "account"),
    ({"account": "cust-1"}, "account"),
    ({"account": "9" * 30}, "account"),
    ({"account": "١"}, "account"),
    ({"account": 1.5}, "account"),
    ({"account": [1]}, "account"),
    ({"external_id": "cust-3"}, "external_id"),
    ({"external_id": "CUST-1"}, "external_id"),
    ({"external_id": ""}, "external_id"),
    ({"external_id": " cust-1"}, "external_id"),
    ({"external_id": 7}, "external_id"),
    ({"external_id": "a\0b"}, "external_id"),
    ({"external_id": "\ud800"}, "external_id"),
]


def test_a_record_without_its_account_is_invalid_v2(world, post, subtests):
    """V2: on the field that names it, and no other record is refused with it."""
    for number, (named, field) in enumerate(UNNAMED):
        with subtests.test(named=named):
            answer = post(record(**named), record("0.01", f"n-{number}", external_id="cust-2"))
            refused, posted = answer.json["records"]
            assert (refused["status"], refused["account"]) == ("invalid", None)
            assert list(refused["errors"]) == [field]
            assert posted["status"] == "posted"
    assert world.balance == "100.00"


def test_two_names_that_disagree_are_invalid_v2(world, accounts, post):
    """V2"""
    answer = post(record(account=accounts[0], external_id="cust-2"))
    [judged] = answer.json["records"]
    assert (answer.status_code, judged["status"]) == (422, "invalid")
    assert judged["errors"] == {"external_id": f"Account {accounts[0]} has another external id"}
    assert world.balance == "100.00"


def test_every_bad_field_is_reported_beside_an_unknown_account_v2(post):
    """V2, L12"""
    sent = {"amount": 1, "external_id": "cust-9", "currency": "EUR", "colour": "red"}
    [judged] = post(sent).json["records"]
    assert set(judged["errors"]) == {"amount", "reference", "external_id", "colour"}


def test_usage_of_a_closed_account_is_invalid_v4(world, accounts, post):
    """V4, L12: what was posted before stays a duplicate, and others are posted."""
    first, second = accounts
    post(record("1.00", "before", account=first))
    set_account(world, first, state=AccountState.CLOSED)
    answer = post(
        record("1.00", "before", account=first),
        record("3.00", "after", account=first),
        record("3.00", "after", account=second),
    )
    assert [it["status"] for it in answer.json["records"]] == ["duplicate", "invalid", "posted"]
    assert answer.json["records"][1]["errors"] == {"account": "The account is closed"}
    assert world.balance == "99.00"
    [line] = [it.sentence for it in world.lines if it.code == "usage_after_closing"]
    assert line == "Usage of $3.00 (after) was refused: the account is closed."


def test_usage_of_a_suspended_account_is_posted_v4(world, accounts, post):
    """V4"""
    set_account(world, accounts[0], state=AccountState.SUSPENDED)
    assert post(record(account=accounts[0])).json["posted"] == 1


def test_an_accounts_key_names_no_account_v3(world, accounts, program):
    """V3"""
    for name in ({"account": accounts[1]}, {"external_id": "cust-2"}, {"account": accounts[0]}):
        answer = program("POST", "/usage", record(**name))
        assert (answer.status_code, answer.json["errors"]) == (
            422, {next(iter(name)): "Unknown field"},
        )  # fmt: skip
    assert world.balance == "100.00"


def test_csv_names_accounts_by_either_id_v2(app, world, accounts, post):
    """V2, L15: a bad line is judged by itself."""
    rows = [
        f"{accounts[0]},,1.00,a",
        ",cust-2,1.00,b",
        f"{accounts[1]},cust-2,1.00,c",
        f"{accounts[1]},cust-1,1.00,d",
        ",,1.00,e",
        "0x1,,1.00,f",
        "external:cust-2,,1.00,g",
        ",cust-2,1.00",
    ]
    answer = app.test_client().post(
        "/api/v1/usage",
        data="account,external_id,amount,reference\n" + "\n".join(rows),
        content_type="text/csv",
        headers={"Authorization": f"Bearer {world.provider_key().key}"},
    )
    assert answer.status_code == 201
    judged = [(it["status"], *it.get("errors", ())) for it in answer.json["records"]]
    assert judged == [
        ("posted",),
        ("posted",),
        ("posted",),
        ("invalid", "external_id"),
        ("invalid", "account"),
        ("invalid", "account"),
        ("posted",),
        ("invalid", "line"),
    ]
    assert (answer.json["posted"], answer.json["invalid"]) == (4, 4)


def test_csv_without_a_column_of_accounts_is_a_bad_request_v2(app, world):
    """V2"""
    answer = app.test_client().post(
        "/api/v1/usage",
        data="amount,reference\n1.00,a\n",
        content_type="text/csv",
        headers={"Authorization": f"Bearer {world.provider_key().key}"},
    )
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
    assert "no account or external_id" in answer.json["detail"]


def test_a_batch_of_many_accounts_is_one_commit_with_few_statements_v2(app, world):
    """V2: for any number of accounts."""
    ids = [world.account(name=f"Customer {n}").account_id for n in range(20)]
    key = world.provider_key(Scope.USAGE).key
    meter = Program(app, key)
    meter("POST", "/usage", record(account=ids[0]))
    world.session.rollback()
    commits, statements = [], []

    def seen(connection, cursor, statement, *more):
        statements.append(statement)

    event.listen(db.engine, "commit", commits.append)
    event.listen(db.engine, "before_cursor_execute", seen)
    sent = [record("0.01", f"n-{n}", account=ids[n % 20]) for n in range(LARGEST_BATCH)]
    answer = meter("POST", "/usage", {"records": sent})
    assert answer.json["posted"] == LARGEST_BATCH
    assert len(commits) == 1
    assert len(statements) < 15
    assert {it["balance"] for it in answer.json["balances"].values()} == {"99.50", "98.50"}


def test_usage_below_the_threshold_starts_refills_t4(world, accounts, post):
    """T4: of each account that falls below."""
    world.cards(VISA)
    world.refill()
    post(record("60.00", account=accounts[0]), record("1.00", account=accounts[1]))
    world.work()
    assert world.charges == [("4242", "100.00")]


def test_an_account_that_cannot_take_its_usage_stops_no_other_l12(world, accounts, post):
    """L12"""
    full, other = accounts[1], accounts[0]
    now = world.clock.now()
    large = with_bounds(world.policy, usage_max=FARTHEST)
    much = [Usage(FARTHEST, "much", now)]
    post_usage(replace(world.ctx, policy=large), full, much)
    answer = post(record("60.00", account=full), record(account=other))
    refused, posted = answer.json["records"]
    assert (refused["status"], posted["status"]) == ("invalid", "posted")
    assert refused["errors"] == {"account": "That is more than a balance can hold."}
    alone = post(record("60.00", account=full))
    assert (alone.status_code, alone.json["code"]) == (409, "balance_out_of_range")


def test_the_same_batch_again_posts_nothing_l12(world, accounts, post, session):
    """L12"""
    sent = [record(reference=f"n-{n}", account=accounts[n % 2]) for n in range(10)]
    first, again = post(*sent), post(*sent)
    assert (first.json["posted"], again.json["duplicate"], again.status_code) == (10, 10, 201)
    assert again.json["balances"] == first.json["balances"]
    posted = select(func.count()).select_from(LedgerEntry).where(LedgerEntry.reference.is_not(None))
    assert session.scalar(posted) == 10
