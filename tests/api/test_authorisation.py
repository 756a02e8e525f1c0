"""A hold is an authorisation: granted, granted in part, or refused (V5, V6)."""

import pytest

from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.api_keys.idempotency_keys import IdempotencyKey
from webapp.domain.ledger import LedgerEntry


@pytest.fixture
def authorise(world, provider):
    def authorise(reference="call-1", **asked):
        sent = {"account": world.account_id, "reference": reference, **asked}
        return provider("POST", "/holds", sent)

    return authorise


@pytest.fixture
def report(world, provider):
    def report(reference="call-1", key=None, **sent):
        headers = {"Idempotency_Key": key} if key else {}
        path = f"/holds/{reference}?account={world.account_id}"
        return provider("PATCH", path, sent, **headers)

    return report


def set_up(world, **values):
    account = world.session.get_one(Account, world.account_id, populate_existing=True)
    for name, value in values.items():
        setattr(account, name, value)
    world.session.commit()


def entries(world):
    world.session.rollback()
    usage = world.session.query(LedgerEntry).filter_by(kind="usage").order_by(LedgerEntry.id)
    return [(entry.reference, -entry.amount) for entry in usage]


def granted(answer):
    return answer.status_code, answer.json["granted"]


def test_a_hold_is_granted_to_the_last_cent_and_then_refused_v5(authorise):
    """V5"""
    assert granted(authorise("call-1", amount="60.00")) == (201, "60.00")
    refused = authorise("call-2", amount="40.000001")
    assert granted(refused) == (402, "0.00")
    assert refused.json["code"] == "insufficient_balance"
    assert (refused.json["balance"], refused.json["available"]) == ("100.00", "40.00")
    assert granted(authorise("call-3", amount="40.00")) == (201, "40.00")
    assert granted(authorise("call-4", amount="0.000001")) == (402, "0.00")


def test_the_credit_limit_is_authorised_too_v5(world, authorise):
    """V5"""
    set_up(world, credit_limit=50_000_000)
    answer = authorise(amount="150.00")
    assert granted(answer) == (201, "150.00")
    assert (answer.json["balance"], answer.json["available"]) == ("100.00", "0.00")
    assert authorise("call-2", amount="0.01").status_code == 402


def test_a_hold_is_granted_in_part_down_to_the_minimum_v5(authorise):
    """V5"""
    assert granted(authorise("call-1", amount="130.00", minimum="100.00")) == (201, "100.00")
    assert granted(authorise("call-2", amount="10.00", minimum="0.01")) == (402, "0.00")


@pytest.mark.parametrize("state", [AccountState.SUSPENDED, AccountState.CLOSED])
def test_a_suspended_or_closed_account_gets_no_hold_v5(world, authorise, state):
    """V5"""
    set_up(world, state=state)
    answer = authorise(amount="1.00")
    assert (answer.status_code, answer.json["code"]) == (403, f"account_{state}")


def test_an_account_has_a_maximum_of_open_holds_v4(world, authorise, provider):
    """V4: an expired or ended hold does not count."""
    set_up(world, max_open_holds=2)
    assert authorise("call-1", amount="1.00", expires_in=60).status_code == 201
    assert authorise("call-2", amount="1.00").status_code == 201
    refused = authorise("call-3", amount="1.00")
    assert (refused.status_code, refused.json["code"]) == (409, "too_many_holds")
    assert refused.json["detail"] == "The account can have 2 open holds."
    set_up(world, max_open_holds=1)
    assert authorise("call-3", amount="1.00").json["detail"] == "The account can have 1 open hold."
    set_up(world, max_open_holds=2)
    world.clock.advance(seconds=60)
    assert authorise("call-3", amount="1.00").status_code == 201


@pytest.mark.parametrize(
    ("asked", "seconds", "amount"),
    [
        # 100.00 pays for 4,000 minutes at 0.025; a day has 1,440.
        ({"rate_per_minute": "0.025"}, 86_400, "36.00"),
        ({"rate_per_minute": "1.00"}, 6_000, "100.00"),
        ({"rate_per_minute": "1.00", "expires_in": 90}, 90, "1.50"),
        ({"rate_per_minute": "1.00", "increment": 60, "expires_in": 90}, 60, "1.00"),
        ({"rate_per_minute": "1.00", "increment": 60, "amount": "2.99"}, 120, "2.00"),
        ({"rate_per_minute": "7.00", "increment": 60}, 840, "98.00"),
        ({"rate_per_minute": "0.07", "increment": 1, "amount": "0.01"}, 8, "0.009334"),
    ],
)
def test_a_rate_is_granted_as_whole_increments_v6(authorise, asked, seconds, amount):
    """V6"""
    answer = authorise(**asked)
    assert (answer.status_code, answer.json["seconds"], answer.json["granted"]) == (
        201, seconds, amount,
    )  # fmt: skip


def test_a_rate_that_pays_for_no_increment_is_refused_v6(authorise):
    """V6"""
    answer = authorise(rate_per_minute="100.01", increment=60)
    assert granted(answer) == (402, "0.00")


def test_a_report_debits_what_was_used_and_holds_the_next_part_v6(world, authorise, report):
    """V6: for the whole call, the balance is never below what is held."""
    authorise(rate_per_minute="1.00", increment=60, expires_in=300, amount="5.00")
    world.clock.advance(minutes=4)
    answer = report(used="4.00")
    assert answer.status_code == 200
    told = {name: answer.json[name] for name in ("granted", "seconds", "used", "balance")}
    assert told == {"granted": "5.00", "seconds": 300, "used": "4.00", "balance": "96.00"}
    assert answer.json["available"] == "91.00"
    assert answer.json["expires_at"] == "2026-11-22T10:09:00Z"
    assert report(used="3.50", amount="1.00").json["granted"] == "1.00"
    world.use("0.50", "call-1")
    assert entries(world) == [("call-1#1", 4_000_000), ("call-1#2", 3_500_000), ("call-1", 500_000)]
    assert world.balance == "92.00"


def test_what_was_used_is_debited_even_if_nothing_more_is_granted_v6(world, authorise, report):
    """V6: the call is to end, and its cost is not lost."""
    authorise("other", amount="90.00")
    authorise(amount="10.00")
    world.use("8.00", "sms-1")
    answer = report(used="10.00", amount="10.00")
    assert granted(answer) == (402, "0.00")
    assert world.balance == "82.00"
    again = report(amount="1.00")
    assert granted(again) == (402, "0.00")
    world.use("0.25", "call-1")
    assert world.balance == "81.75"


def test_a_refused_change_without_use_changes_nothing_v6(authorise, provider, report, world):
    """V6"""
    authorise(amount="60.00")
    assert report(amount="100.01").status_code == 402
    kept = provider.get(f"/holds/call-1?account={world.account_id}").json
    assert (kept["granted"], kept["available"]) == ("60.00", "40.00")


def test_a_report_sent_again_is_not_debited_again_v6(world, authorise, report):
    """V6: also if the stored answer of the first was lost."""
    authorise(amount="10.00")
    first = report(key="report-1", used="2.00")
    again = report(key="report-1", used="2.00")
    assert (again.status_code, again.json) == (200, first.json)
    world.session.execute(IdempotencyKey.__table__.delete())
    world.session.commit()
    assert report(key="report-1", used="2.00").json == first.json
    assert report(key="report-2", used="2.00").json["balance"] == "96.00"


def test_a_cumulative_report_debits_what_earlier_ones_have_not_v6(world, authorise, report):
    """V6: repeated, late and out of order, nothing is debited twice."""
    authorise(amount="10.00")
    for total in ("2.00", "5.00", "2.00", "5.00", "0.00"):
        assert report(used_total=total, amount="10.00").status_code == 200
    assert entries(world) == [("call-1#1", 2_000_000), ("call-1#2", 3_000_000)]
    assert report(used="1.00").json["used"] == "6.00"
    assert report(used_total="6.50").json["balance"] == "93.50"
    both = report(used="1.00", used_total="7.50")
    assert (both.status_code, set(both.json["errors"])) == (422, {"used_total"})


def test_a_cumulative_report_is_debited_even_if_nothing_more_is_granted_v6(authorise, report):
    """V6: the refused report sent again debits nothing."""
    authorise(amount="100.00")
    for _ in range(2):
        answer = report(used_total="70.00")
        assert granted(answer) == (402, "0.00")
        assert answer.json["balance"] == "30.00"


def test_a_refused_report_sent_again_is_not_debited_again_v6(world, authorise, report):
    """V6: the answer is 402 both times."""
    authorise(amount="100.00")
    for _ in range(2):
        assert granted(report(key="report-1", used="70.00")) == (402, "0.00")
    assert world.balance == "30.00"


def test_an_expired_hold_can_be_extended_while_its_usage_is_not_posted_v6(world, authorise, report):
    """V6: before and after the job has recorded the expiry."""
    authorise(amount="10.00", expires_in=60)
    world.clock.advance(seconds=61)
    assert report(used="1.00").json["state"] == "open"
    world.clock.advance(seconds=61)
    world.run("expire holds")
    answer = report(used="1.00", expires_in=120)
    assert (answer.json["state"], answer.json["granted"]) == ("open", "10.00")
    world.use("0.50", "call-1")
    world.clock.advance(seconds=121)
    late = report(used="1.00")
    assert (late.status_code, late.json["code"]) == (409, "hold_closed")
    assert world.balance == "97.50"


def test_a_report_counts_for_the_refill_like_usage_v6(world, authorise, report):
    """V6, T4"""
    world.cards("4242424242424242")
    world.refill(threshold="50.00", amount="100.00")
    authorise(amount="60.00")
    assert report(used="60.00", amount="10.00").status_code == 200
    world.work()
    assert world.balance == "140.00"


def test_a_report_above_the_largest_usage_record_is_refused_l14(world, authorise, report):
    """L14: a unit mistake in a report is no charge."""
    set_up(world, credit_limit=5_000_000_000)
    authorise(amount="10.00")
    answer = report(used="1000.01")
    assert (answer.status_code, set(answer.json["errors"])) == (422, {"used"})
    world.session.rollback()
    assert world.timeline[-1] == "usage_too_large"
    assert world.balance == "100.00"


def test_a_suspended_account_is_debited_and_gets_no_next_part_v6(world, authorise, report):
    """V6"""
    authorise(amount="10.00")
    set_up(world, state=AccountState.SUSPENDED)
    answer = report(used="2.00")
    assert (answer.status_code, answer.json["code"]) == (403, "account_suspended")
    assert world.balance == "98.00"


def test_a_hold_names_its_account_by_either_id_v2(world, provider):
    """V2"""
    set_up(world, external_id="cust-0042")
    sent = {"external_id": "cust-0042", "reference": "call-1", "amount": "1.00"}
    assert provider("POST", "/holds", sent).json["account"] == world.account_id
    for query in (f"account={world.account_id}", "external_id=cust-0042",
                  "account=external:cust-0042"):  # fmt: skip
        assert provider.get(f"/holds/call-1?{query}").json["external_id"] == "cust-0042"
    other = world.account(name="Pier").account_id
    both = provider("POST", "/holds", sent | {"account": other, "reference": "call-2"})
    assert (both.status_code, both.json["code"]) == (404, "not_found")
    none = provider("POST", "/holds", {"reference": "call-2", "amount": "1.00"})
    assert set(none.json["errors"]) == {"account"}


def test_an_accounts_own_key_names_no_other_account_p1(world, program):
    """P1: its own name is allowed."""
    sent = {"account": world.account_id, "reference": "call-1", "amount": "1.00"}
    assert program("POST", "/holds", sent).status_code == 201
    other = world.account(name="Pier").account_id
    assert program("POST", "/holds", sent | {"account": other}).status_code == 404
    assert program.get(f"/holds/call-1?account={other}").status_code == 404


def test_an_older_report_sent_again_is_not_debited_again_v6(world, authorise, report):
    """V6: also after another report, and after a refusal; with another amount it is refused."""
    authorise(amount="80.00")
    assert granted(report(key="first", used="80.00")) == (402, "0.00")
    report(key="second", used="1.00", amount="5.00")
    world.session.execute(IdempotencyKey.__table__.delete())
    world.session.commit()
    for _ in range(2):
        report(key="first", used="80.00")
    other = report(key="first", used="70.00")
    assert (other.status_code, other.json["code"]) == (409, "idempotency_key_reused")
    assert world.balance == "19.00"


def test_a_call_does_not_start_on_a_hold_that_holds_nothing_v5(authorise, report):
    """V5: the same request again, after its extension was refused."""
    authorise(amount="60.00")
    authorise("other", amount="40.00")
    assert granted(report(used="60.00")) == (402, "0.00")
    assert granted(authorise(amount="60.00")) == (402, "0.00")


def test_a_part_takes_no_reference_of_another_call_v6(world, authorise, report):
    """V6: neither posted usage nor an open hold."""
    authorise("leg", amount="10.00")
    authorise("leg#1", amount="10.00")
    world.use("3.00", "leg#2")
    assert report("leg", used="2.00").status_code == 200
    assert entries(world) == [("leg#2", 3_000_000), ("leg#3", 2_000_000)]
    world.use("2.00", "leg#1")
    assert world.balance == "93.00"


def test_a_kept_minimum_stops_no_report_v6(world, authorise, report):
    """V6: a shorter or cheaper next part is granted in full."""
    authorise(rate_per_minute="0.60", minimum="2.00", expires_in=300)
    assert report(used="1.00", expires_in=60).json["granted"] == "0.60"
    assert report(used="1.00", rate_per_minute="0.10").json["granted"] == "0.10"
    assert world.balance == "98.00"


def test_a_report_on_a_released_hold_is_debited_and_grants_nothing_v6(
    world, authorise, provider, report
):
    """V6: the call went on although its hold was released; its cost is not lost."""
    authorise(amount="10.00")
    provider("DELETE", f"/holds/call-1?account={world.account_id}")
    for _ in range(2):
        late = report(used_total="4.00")
        assert (late.status_code, late.json["code"]) == (409, "hold_closed")
        assert late.json["used"] == "4.00"
    assert world.balance == "96.00"
    assert report(amount="1.00").status_code == 409


def test_each_refusal_of_a_report_says_what_reports_have_debited_v6(
    world, authorise, provider, report
):
    """V6: a switch posts the rest, whatever the answer was, and nothing twice or never."""
    assert "used" not in report(used_total="1.00").json  # there is no hold
    authorise(amount="10.00")
    assert report(used_total="1.00").json["used"] == "1.00"

    set_up(world, state=AccountState.SUSPENDED)
    suspended = report(used_total="2.00")
    assert (suspended.json["code"], suspended.json["used"]) == ("account_suspended", "2.00")
    set_up(world, state=AccountState.CLOSED)
    closed = report(used_total="3.00")
    assert (closed.json["code"], closed.json["used"]) == ("account_closed", "2.00")
    set_up(world, state=AccountState.ACTIVE)
    too_large = report(used_total="2000.00")
    assert (too_large.status_code, too_large.json["used"]) == (422, "2.00")
    dry = report(used_total="150.00")
    assert (dry.json["code"], dry.json["used"]) == ("insufficient_balance", "150.00")

    world.use("0.50", "call-1")
    ended = report(used_total="151.00")
    assert (ended.json["code"], ended.json["used"]) == ("hold_closed", "150.00")
    assert world.balance == "-50.50"


def test_an_account_of_too_many_digits_is_invalid(provider):
    sent = {"account": "9" * 5_000, "reference": "call-1", "amount": "1.00"}
    assert set(provider("POST", "/holds", sent).json["errors"]) == {"account"}
