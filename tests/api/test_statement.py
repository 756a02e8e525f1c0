"""Statement and activity by API."""

from tests.factories import VISA


def test_l2_the_statement_has_a_running_balance(program, world):
    world.card(VISA)
    world.use("12.345678", "call-1")
    paid = program.pay("/payments", {"amount": "30.00"}).json

    entries = program.get("/statement").json["entries"]

    assert [(e["kind"], e["amount"], e["balance_after"]) for e in entries] == [
        ("payment", "30.00", "117.654322"),
        ("usage", "-12.345678", "87.654322"),
        ("adjustment", "100.00", "100.00"),
    ]
    assert (entries[0]["payment"], entries[1]["reference"]) == (paid["id"], "call-1")


def test_the_statement_has_pages_and_time_filters(program, world):
    for n in range(3):
        world.use("1.00", f"call-{n}")
        world.clock.advance(hours=1)
    first = program.get("/statement?limit=2").json
    rest = program.get(f"/statement?limit=2&cursor={first['next_cursor']}").json
    references = [entry["reference"] for entry in first["entries"] + rest["entries"]]
    assert references == ["call-2", "call-1", "call-0", None]
    assert rest["next_cursor"] is None

    between = program.get("/statement?since=2026-11-22T11:00:00Z&until=2026-11-22T12:00:00Z").json
    assert [entry["reference"] for entry in between["entries"]] == ["call-1"]


def test_e1_the_activity_lists_decisions_and_what_happens_next(program, world):
    world.card(VISA)
    world.refill()
    world.use("60.00")
    world.work()

    activity = program.get("/activity?limit=2").json

    assert [decision["code"] for decision in activity["decisions"]] == ["charged", "charging"]
    assert activity["next"].startswith("When your balance falls below $50.00, we’ll charge $100.00")
    assert program.get(f"/activity?cursor={activity['next_cursor']}").json["next_cursor"] is None


def test_another_account_sees_only_its_own_statement(stranger, world):
    world.use("1.00", "call-1")
    assert [entry["reference"] for entry in stranger.get("/statement").json["entries"]] == [None]


def test_v1_a_provider_reads_the_statement_of_any_account(provider, program, world):
    """V1: the entries are those that the account's own key reads."""
    world.use("1.00", "call-1")
    path = f"/accounts/{world.account_id}/statement"
    assert provider.get(f"{path}?limit=1").json == program.get("/statement?limit=1").json
    assert provider.get("/accounts/external:nobody/statement").status_code == 404
    assert program.get(path).json["code"] == "insufficient_scope"
