"""Holds of running calls (T12): open, change, release, and usage that ends them."""

from urllib.parse import quote

import pytest
from sqlalchemy import event

from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.usage.holds import Hold, HoldState
from webapp.extensions import db

HOLDS = "/api/v1/holds"


@pytest.fixture
def ask(app, world):
    """An API client with a meter's key."""
    key = world.key(Scope.USAGE_WRITE, Scope.BALANCE_READ).key

    def ask(method, path="", key=key, **sent):
        headers = {"Authorization": f"Bearer {key}"}
        body = {"json": sent} if sent else {}
        return app.test_client().open(f"{HOLDS}{path}", method=method, headers=headers, **body)

    return ask


@pytest.fixture
def open_(ask):
    def open_(amount, reference="call-1", **more):
        return ask("POST", reference=reference, amount=amount, **more)

    return open_


@pytest.fixture
def balance(app, world):
    def ask():
        headers = {"Authorization": f"Bearer {world.created.api_key}"}
        response = app.test_client().get("/api/v1/balance", headers=headers).json
        return response["balance"], response["held"], response["available"]

    return ask


def state_of(world, reference):
    world.session.rollback()
    return str(world.session.query(Hold).filter_by(reference=reference).one().state)


def counted(world):
    """Return the account's counter of open holds, and their actual number."""
    account = world.session.get_one(Account, world.account_id, populate_existing=True)
    return account.open_holds, world.session.query(Hold).filter_by(state=HoldState.OPEN).count()


def test_a_hold_changes_no_balance_and_triggers_nothing(world, open_, balance):
    """T12: not even a hold of the whole balance does."""
    world.cards("4242424242424242")
    world.refill()
    lines = len(world.timeline)
    opened = open_("100.00")
    assert opened.status_code == 201
    assert opened.json["available"] == "0.00"
    world.pass_time(minutes=10)
    assert balance() == ("100.00", "100.00", "0.00")
    assert world.charges == []
    assert len(world.timeline) == lines


def test_an_opened_hold_is_returned_in_full(world, open_):
    assert open_("3.200001", expires_in=3600).json == {
        "account": world.account_id,
        "external_id": None,
        "reference": "call-1",
        "amount": "3.200001",
        "granted": "3.200001",
        "seconds": None,
        "used": "0.00",
        "state": "open",
        "opened_at": "2026-11-22T10:00:00Z",
        "expires_at": "2026-11-22T11:00:00Z",
        "ended_at": None,
        "balance": "100.00",
        "available": "96.799999",
        "currency": "USD",
    }
    assert open_("1.00", "call-2").json["expires_at"] == "2026-11-23T10:00:00Z"


def test_opening_can_be_repeated(world, open_, balance):
    """T12: the same request returns the open hold; another amount is a conflict."""
    assert open_("3.20").status_code == 201
    world.clock.advance(minutes=5)
    again = open_("3.20")
    assert (again.status_code, again.json["opened_at"]) == (200, "2026-11-22T10:00:00Z")
    other = open_("4.00")
    assert (other.status_code, other.json["code"]) == (409, "conflict")
    assert balance()[1] == "3.20"


def test_usage_with_the_same_reference_ends_the_hold(world, open_, balance):
    """T12: in the transaction that posts the cost; other holds are unchanged."""
    open_("3.20"), open_("1.00", "call-2")
    world.use("2.75", "call-1")
    assert balance() == ("97.25", "1.00", "96.25")
    assert state_of(world, "call-1") == "ended"
    world.use("2.75", "call-1")
    assert balance() == ("97.25", "1.00", "96.25")
    late = open_("3.20")
    assert (late.status_code, late.json["code"]) == (409, "hold_closed")
    assert counted(world) == (1, 1)


def test_a_hold_after_its_usage_is_refused(world, open_, balance):
    """T12: a meter's requests may arrive out of order."""
    world.use("2.75", "call-1")
    late = open_("3.20")
    assert (late.status_code, late.json["code"]) == (409, "hold_closed")
    assert balance()[1] == "0.00"


def test_usage_in_a_batch_ends_several_holds(app, world, open_, balance):
    for number in range(1, 4):
        open_("1.00", f"call-{number}")
    records = [{"amount": "0.50", "reference": f"call-{number}"} for number in (1, 3, 9)]
    records.append({"amount": "none", "reference": "call-2"})
    headers = {"Authorization": f"Bearer {world.created.api_key}"}
    app.test_client().post("/api/v1/usage", json={"records": records}, headers=headers)
    assert balance() == ("98.50", "1.00", "97.50")
    assert counted(world) == (1, 1)


def test_a_holds_amount_and_expiry_can_be_changed(world, ask, open_, balance):
    open_("3.20", expires_in=60)
    changed = ask("PATCH", "/call-1", amount="4.80", expires_in=7200)
    assert (changed.json["amount"], changed.json["expires_at"]) == ("4.80", "2026-11-22T12:00:00Z")
    for _ in range(2):
        assert ask("PATCH", "/call-1", amount="5.00").status_code == 200
    assert balance()[1] == "5.00"
    world.use("1.00", "call-1")
    over = ask("PATCH", "/call-1", amount="6.00")
    assert (over.status_code, over.json["code"]) == (409, "hold_closed")
    assert balance()[1] == "0.00"


def test_a_release_can_be_repeated(world, ask, open_, balance):
    """T12"""
    open_("3.20")
    for _ in range(2):
        released = ask("DELETE", "/call-1")
        assert (released.status_code, released.json["state"]) == (200, "released")
    assert balance() == ("100.00", "0.00", "100.00")
    assert open_("3.20").status_code == 409
    assert counted(world) == (0, 0)


def test_an_ended_hold_keeps_its_state(world, ask, open_):
    open_("3.20")
    world.use("1.00", "call-1")
    released = ask("DELETE", "/call-1")
    assert (released.status_code, released.json["state"]) == (200, "ended")
    assert counted(world) == (0, 0)


@pytest.mark.parametrize(("hours", "sent"), [(24, {}), (1, {"expires_in": 3600})])
def test_a_hold_expires_on_time(world, ask, open_, balance, hours, sent):
    """T12: expiry is computed from the clock, to the second; the job only records it."""
    open_("3.20", **sent)
    world.clock.advance(seconds=hours * 3600 - 1)
    assert balance()[1] == "3.20"
    world.clock.advance(seconds=1)
    assert balance() == ("100.00", "0.00", "100.00")
    assert ask("GET", "/call-1").json["state"] == "expired"
    assert state_of(world, "call-1") == "open"
    world.run("expire holds")
    assert state_of(world, "call-1") == "expired"
    assert counted(world) == (0, 0)
    world.run("expire holds")
    assert counted(world) == (0, 0)
    world.use("2.00", "call-1")  # late usage is still posted
    assert balance()[0] == "98.00"


def test_open_holds_are_listed(ask, world, open_):
    open_("3.20"), open_("1.00", "call-2", expires_in=60), open_("2.00", "call-3")
    ask("DELETE", "/call-3")
    world.clock.advance(seconds=60)
    assert [row["reference"] for row in ask("GET").json["holds"]] == ["call-1"]


@pytest.mark.parametrize("reference", ["a/b", "Zürich 7", "100%", "x?y#z"])
def test_any_reference_can_be_used_in_a_url(ask, open_, reference):
    assert open_("1.00", reference).status_code == 201
    assert ask("GET", f"/{quote(reference, safe='')}").json["reference"] == reference


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"reference": "c", "amount": "0"}, "amount"),
        ({"reference": "c", "amount": 3}, "amount"),
        ({"reference": "c"}, "amount"),
        ({"reference": "c", "amount": "1", "minimum": "2"}, "minimum"),
        (
            {"reference": "c", "rate_per_minute": "1", "increment": 60, "expires_in": 30},
            "expires_in",
        ),
        ({"reference": "c", "rate_per_minute": "1", "amount": "0.001"}, "amount"),
        ({"reference": "c", "amount": "1", "increment": 6}, "increment"),
        ({"reference": " ", "amount": "1"}, "reference"),
        ({"reference": "x" * 121, "amount": "1"}, "reference"),
        ({"amount": "1"}, "reference"),
        ({"reference": "c", "amount": "1", "expires_in": 0}, "expires_in"),
        ({"reference": "c", "amount": "1", "expires_in": 86_401}, "expires_in"),
        ({"reference": "c", "amount": "1", "expires_in": "60"}, "expires_in"),
        ({"reference": "c", "amount": "1", "currency": "USD"}, "currency"),
    ],
)
def test_invalid_fields_are_reported_by_name(ask, world, sent, field):
    answer = ask("POST", **sent)
    assert (answer.status_code, set(answer.json["errors"])) == (422, {field})
    assert world.session.query(Hold).count() == 0


def test_a_change_must_name_a_valid_field(ask, open_):
    open_("1.00")
    assert ask("PATCH", "/call-1", reference="call-2").status_code == 422
    assert ask("PATCH", "/call-1", amount=None).status_code == 422
    assert set(ask("PATCH", "/call-1", used="1.00", increment=6).json["errors"]) == {"increment"}


def test_holds_need_their_scope_and_account(world, ask, open_):
    """P1: another account's hold is not found, and may have the same reference."""
    open_("1.00")
    other = world.account(name="Other Ltd").api_key
    reader = world.key(Scope.BALANCE_READ).key
    for method, sent in (("GET", {}), ("PATCH", {"amount": "2.00"}), ("DELETE", {})):
        assert ask(method, "/call-1", key=other, **sent).status_code == 404
    assert ask("POST", key=other, reference="call-1", amount="9.00").status_code == 201
    assert ask("DELETE", "/call-1", key=reader).status_code == 403
    assert ask("POST", key=reader, reference="r", amount="1.00").status_code == 403
    assert ask("GET", "/call-1", key=reader).json["amount"] == "1.00"


def hold_statements(world, do):
    world.session.rollback()
    executed = []

    def note(connection, cursor, statement, *rest):
        executed.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    do()
    event.remove(db.engine, "before_cursor_execute", note)
    return [statement for statement in executed if " hold" in statement.lower()]


def test_usage_reads_holds_only_for_accounts_with_open_holds(world, open_):
    """Usage is posted all day; its cost must not grow because of a feature few accounts use."""
    assert hold_statements(world, lambda: world.use("1.00")) == []
    assert open_("1.00", "held-1").status_code == 201
    assert len(hold_statements(world, lambda: world.use("1.00"))) == 1
    world.use("1.00", "held-1")
    assert hold_statements(world, lambda: world.use("1.00")) == []


def test_expiring_twice_counts_once(world):
    """Two schedulers may find the same hold."""
    world.hold("1.00", "call-1", seconds=1), world.hold("2.00", "call-2")
    world.clock.advance(seconds=2)
    for _ in range(2):
        world.run("expire holds")
    assert counted(world) == (1, 1)


REACHABLE = [
    "a/b",
    "a b",
    "a#1",
    "a?b=c",
    "100%",
    "%2e",
    "é/日本",
    "..a",
    "a..",
    "...",
    "a/..b/c",
    "~",
]


def test_every_reference_that_is_accepted_can_be_reached(program):
    """V6: what clients and servers would change in a path is refused when it is sent."""
    for reference in REACHABLE:
        assert (
            program("POST", "/holds", {"reference": reference, "amount": "0.01"}).status_code == 201
        )
        for safe in ("", "/"):
            path = f"/holds/{quote(reference, safe)}"
            assert program.get(path).json["reference"] == reference
        assert program("DELETE", path).status_code == 200
    for reference in (".", "..", "/a", "a/", "a//b", "a/./b", "../a", " a", "a\u2003"):
        answer = program("POST", "/holds", {"reference": reference, "amount": "0.01"})
        assert (answer.status_code, list(answer.json["errors"])) == (422, ["reference"]), reference
