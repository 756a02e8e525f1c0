"""L16: posted usage is reversed by its reference, once per reversal, and never beyond it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tests.factories import DECLINING, VISA, micros
from webapp.actions.usage.reverse_usage import reverse_usage
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.events.rows import EventRow
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.shared.errors import Conflict, Denied, Invalid, NotFound
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups.default_limit import busiest_day
from webapp.domain.usage.reversals import UsageReversal
from webapp.extensions import make_context
from webapp.reads.ledger.balance_history import evenly, read_history
from webapp.reads.ledger.ledger_check import check_ledger
from webapp.reads.top_ups.runway import burn_rate_instants, read_burn_rate


def reverse(world, usage="call-1", reference="credit-1", amount=None, reason="Wrong rate"):
    return reverse_usage(world.ctx, world.account_id, usage, reference, micros(amount), reason)


def test_usage_is_reversed_in_parts_up_to_all_of_it_l16(world):
    """L16: exactly, with six decimals."""
    world.use("12.345678", "call-1")
    assert reverse(world, amount="2.000001").reversal.amount == 2_000_001
    assert world.balance == "89.654323"
    assert reverse(world, reference="credit-2").reversal.amount == 10_345_677
    assert world.balance == "100.00"
    assert check_ledger(world.session, None).agrees


def test_a_reversal_is_made_once_l16(world):
    """L16: the same again changes nothing, also without the amount."""
    world.use("10.00", "call-1")
    first = reverse(world, amount="4.00")
    for amount in ("4.00", None):
        again = reverse(world, amount=amount)
        assert (again.is_new, again.reversal.id) == (False, first.reversal.id)
    assert world.balance == "94.00"
    for usage, amount in (("call-1", "5.00"), ("call-2", "4.00")):
        with pytest.raises(Conflict):
            reverse(world, usage, amount=amount)
    assert world.balance == "94.00"


def test_no_more_is_reversed_than_was_posted_l16(world):
    """L16"""
    world.use("10.00", "call-1")
    with pytest.raises(Conflict) as too_much:
        reverse(world, amount="10.000001")
    assert too_much.value.code == "exceeds_usage"
    reverse(world, amount="9.00")
    with pytest.raises(Conflict, match=r"Only 1\.00 of the usage call-1 is left"):
        reverse(world, reference="credit-2", amount="2.00")
    reverse(world, reference="credit-2")
    with pytest.raises(Conflict) as nothing:
        reverse(world, reference="credit-3")
    assert nothing.value.code == "already_reversed"
    assert world.balance == "100.00"


def test_only_usage_of_the_account_can_be_reversed_l16(world):
    """L16"""
    other = world.account().account_id
    world.use("10.00", "call-1")
    with pytest.raises(NotFound):
        reverse(world, "call-2")
    with pytest.raises(NotFound):
        reverse_usage(world.ctx, other, "call-1", "credit-1", None, "Wrong rate")
    with pytest.raises(Invalid):
        reverse(world, reason=" ")
    assert world.balance == "90.00"


def test_reversed_usage_stays_posted_l12(world):
    """L12, L16: the usage sent again is a duplicate."""
    world.use("10.00", "call-1")
    reverse(world)
    assert world.use("10.00", "call-1").verdicts == ("duplicate",)
    assert world.balance == "100.00"


def test_parallel_reversals_never_exceed_the_usage_l16(world):
    """L16: the account's lock serialises them."""
    world.use("10.00", "call-1")
    world.session.rollback()

    def take(number):
        with world.app.app_context():
            ctx = replace(make_context(), now=world.clock.now(), policy=world.policy)
            try:
                reference = f"credit-{number}"
                reverse_usage(ctx, world.account_id, "call-1", reference, micros("4.00"), "Test")
            except Conflict:
                return 0
            return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 2
    assert world.balance == "98.00"


def test_a_reversal_ends_a_need_to_refill_t4(world):
    """T4, F10: the open refill charges nothing, and the emailed link of an earlier one ends."""
    world.cards(VISA)
    world.refill()
    assert world.use("60.00", "call-1").opened_top_up
    reverse(world)
    world.work()
    assert (world.charges, world.balance) == ([], "100.00")


def test_a_reversal_ends_emailed_links_f10(world):
    """F10: as any credit that makes the refill unnecessary."""
    world.card(DECLINING)
    world.refill()
    world.next_answer("decline", decline_code="authentication_required")
    world.use("60.00", "call-1")
    world.work()
    [attempt] = world.attempts
    assert attempt.link_ended_at is None
    reverse(world, amount="1.00")
    assert world.attempts[0].link_ended_at is None
    reverse(world, reference="credit-2")
    assert world.attempts[0].link_ended_at is not None


def test_a_reversal_is_told_p2_e1_v7(world):
    """P2, E1, V7: in the audit log, on the timeline and to the provider."""
    world.use("0.0215", "call-1")
    reverse(world, amount="0.0043")
    [line] = [it for it in world.lines if it.code == "usage_reversed"]
    assert line.sentence == "0.0043 USD of the usage call-1 was credited (credit-1)."
    assert "usage_reversed" in dict(world.audits)
    [told] = [row for row in world.events(EventRow.webhook) if row.webhook == "usage.reversed"]
    assert told.facts["reason"] == "Wrong rate"


def test_nothing_is_credited_to_a_closed_account_v4(world):
    """V4, L16: what was reversed before is answered as before."""
    world.use("10.00", "call-1")
    reverse(world, amount="1.00")
    world.session.get_one(Account, world.account_id).state = AccountState.CLOSED
    world.session.commit()
    assert not reverse(world, amount="1.00").is_new
    with pytest.raises(Denied):
        reverse(world, reference="credit-2")
    assert world.balance == "91.00"


def test_the_database_takes_no_credit_without_its_cause_l2(world):
    """L2, L16: not even by SQL."""
    world.session.rollback()
    insert = (
        "INSERT INTO ledger_entry (account_id, kind, amount, balance_after, description, "
        f"occurred_at, posted_at) SELECT {world.account_id}, :kind, 1, balance + 1, '', "
        f"created_at, created_at FROM account WHERE id = {world.account_id}"
    )
    for kind in ("usage_reversal", "adjustment", "payment"):
        connection = world.session.connection(execution_options={"writes": True})
        with pytest.raises(DBAPIError):
            connection.execute(text(insert), {"kind": kind})
        world.session.rollback()


def test_the_ledger_check_finds_a_reversal_without_its_credit_l13(world):
    """L13, L16: and one beyond the usage."""
    world.use("1.00", "call-1")
    world.session.add(
        UsageReversal(
            account_id=world.account_id,
            reference="credit-1",
            usage_reference="call-1",
            usage_posted_at=world.clock.now(),
            amount=2_000_000,
            reason="Test",
            reversed_at=world.clock.now(),
        )
    )
    world.session.commit()
    codes = {it.code for it in check_ledger(world.session, None).differences}
    assert codes == {"usage_reversal_and_ledger_differ", "reversed_more_than_used"}


def test_a_mistake_counts_neither_as_use_nor_as_the_busiest_day_t10(world):
    """T10, T13, L16: on the day on which it was posted, whenever it is reversed."""
    for day in range(9):
        world.clock.advance(days=1)
        world.use("2.00", f"day-{day}")
        if day == 4:
            world.use("900.00", "mistake")
    reverse(world, "mistake", amount="899.00")
    account = world.session.get_one(Account, world.account_id)
    assert busiest_day(world.ctx, account) == micros("3.00")
    instants = burn_rate_instants(world.clock.now())
    start = world.clock.now() - timedelta(days=8)
    pace = read_burn_rate(world.ctx, account, read_history(world.ctx, account, start, instants))
    assert sorted(pace.days) == [micros("2.00")] * 6 + [micros("3.00")]


def test_a_long_history_keeps_the_credits_of_reversals_l16(world):
    """L16: between two credits a balance only falls, so none may be left out."""
    world.use("90.00", "call-1")
    reverse(world)
    for number in range(201):
        world.use("0.01", f"more-{number}")
    account, now = world.session.get_one(Account, world.account_id), world.clock.now()
    start = now - timedelta(days=1)
    history = read_history(world.ctx, account, start, evenly(start, now, 5))
    assert micros("90.00") in [movement.credit for movement in history.movements]


PARTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 6), st.sampled_from("pqrs")), max_size=12
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=PARTS)
def test_any_reversals_keep_the_sum_within_the_usage_l16(world, parts):
    """L16: in any order, with any references."""
    run = len(world.session.scalars(select(LedgerEntry.id)).all())
    usages = {name: f"{run}-{name}" for name in "ab"}
    for usage in usages.values():
        world.use("0.000010", usage)
    before = micros(world.balance)
    made: dict[str, tuple[str, int]] = {}
    for name, amount, reference in parts:
        taken = sum(it for its, it in made.values() if its == name)
        try:
            reverse_usage(
                world.ctx, world.account_id, usages[name], f"{run}-{reference}", amount, "Test"
            )
        except Conflict:
            known = made.get(reference)
            assert (known is not None and known != (name, amount)) or taken + amount > 10
        else:
            assert made.setdefault(reference, (name, amount)) == (name, amount)
    credited = sum(amount for _, amount in made.values())
    assert micros(world.balance) == before + credited
    entries = select(LedgerEntry).where(LedgerEntry.kind == EntryKind.USAGE_REVERSAL)
    assert all(entry.amount > 0 for entry in world.session.scalars(entries))
    assert check_ledger(world.session, None).agrees, decimal_text(before)
