"""Statement and activity by machine."""

from tests.factories import VISA


def test_l2_the_statement_carries_the_balance_along(program, world):
    world.card(VISA)
    world.use("12.345678", "call-1")
    paid = program("POST", "/payments", {"amount": "30.00"}).json

    entries = program.get("/statement").json["entries"]

    assert [(it["kind"], it["amount"], it["balance_after"]) for it in entries] == [
        ("payment", "30.00", "117.654322"),
        ("usage", "-12.345678", "87.654322"),
        ("adjustment", "100.00", "100.00"),
    ]
    assert (entries[0]["payment"], entries[1]["reference"]) == (paid["id"], "call-1")


def test_the_statement_comes_a_page_at_a_time_and_between_instants(program, world):
    for n in range(3):
        world.use("1.00", f"call-{n}")
        world.clock.advance(hours=1)
    first = program.get("/statement?limit=2").json
    rest = program.get(f"/statement?limit=2&cursor={first['next_cursor']}").json
    references = [it["reference"] for it in first["entries"] + rest["entries"]]
    assert references == ["call-2", "call-1", "call-0", None]
    assert rest["next_cursor"] is None

    between = program.get("/statement?since=2026-11-22T11:00:00Z&until=2026-11-22T12:00:00Z").json
    assert [it["reference"] for it in between["entries"]] == ["call-1"]


def test_e1_the_activity_says_what_was_done_and_what_happens_next(program, world):
    world.card(VISA)
    world.refill()
    world.use("60.00")
    world.work()

    told = program.get("/activity?limit=2").json

    assert [it["code"] for it in told["decisions"]] == ["charged", "charging"]
    assert told["next"].startswith("When your balance falls below $50.00, we’ll charge $100.00")
    assert program.get(f"/activity?cursor={told['next_cursor']}").json["next_cursor"] is None


def test_another_account_sees_its_own_books_only(stranger, world):
    world.use("1.00", "call-1")
    assert [it["reference"] for it in stranger.get("/statement").json["entries"]] == [None]
