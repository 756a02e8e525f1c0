"""L12: each record of a batch gets its own verdict, and a refused record claims nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import START, VISA, micros, with_bounds
from webapp.actions.usage.post_usage import post_usage, post_usage_of_many
from webapp.actions.usage.release_hold import release_hold
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import FARTHEST, LedgerEntry
from webapp.domain.shared.errors import Invalid, NotFound, Refusal
from webapp.domain.usage import holds
from webapp.domain.usage import record as usage
from webapp.domain.usage.record import Usage, Verdict
from webapp.reads.ledger.ledger_check import check_ledger

POSTED, DUPLICATE, CONFLICT = Verdict.POSTED, Verdict.DUPLICATE, Verdict.CONFLICT


def post(world, *records, account_id=None):
    usages = [Usage(micros(amount), reference, START) for reference, amount in records]
    return post_usage(world.ctx, account_id or world.account_id, usages)


def references(world):
    world.session.rollback()
    rows = world.session.query(LedgerEntry).filter_by(account_id=world.account_id)
    return [entry.reference for entry in rows.order_by(LedgerEntry.id) if entry.reference]


def test_a_batch_with_every_verdict_l12(world):
    """L12: of posted, duplicate and conflicting records only the posted ones are debited."""
    post(world, ("call-1", "1.00"), ("call-2", "2.00"))
    receipt = post(
        world, ("call-1", "1.00"), ("call-2", "9.00"), ("call-3", "3.00"), ("call-4", "0.000001")
    )
    assert receipt.verdicts == (DUPLICATE, CONFLICT, POSTED, POSTED)
    assert world.balance == "93.999999"
    assert receipt.balance == micros("93.999999")
    assert references(world) == ["call-1", "call-2", "call-3", "call-4"]


def test_duplicates_inside_one_batch_l12(world):
    """L12: the first record counts; another amount under its reference is a conflict."""
    receipt = post(world, ("call-1", "1.00"), ("call-1", "1.00"), ("call-1", "2.00"))
    assert receipt.verdicts == (POSTED, DUPLICATE, CONFLICT)
    assert world.balance == "99.00"


def test_a_repeated_batch_debits_nothing_l12(world):
    records = [(f"call-{n}", "0.50") for n in range(20)]
    first, second = post(world, *records), post(world, *records)
    assert set(first.verdicts) == {POSTED}
    assert set(second.verdicts) == {DUPLICATE}
    assert world.balance == "90.00"
    assert second.balance == first.balance


def test_the_same_reference_in_two_accounts_of_one_transaction_l12(world):
    """L12: each account's records are judged independently."""
    other = world.account().account_id
    world.hold("5.00", "call-1")

    def post_both(mine, theirs):
        now = world.clock.now()
        usages = {
            account_id: [Usage(micros(amount), "call-1", now) for amount in amounts]
            for account_id, amounts in ((world.account_id, mine), (other, theirs))
        }
        receipts = post_usage_of_many(world.ctx.at(now), usages)
        return receipts[world.account_id].verdicts, receipts[other].verdicts

    first = post_both(["1.00", "1.00", "2.00"], ["2.00", "1.00"])
    again = post_both(["1.00"], ["2.00", "1.00"])

    assert first == ((POSTED, DUPLICATE, CONFLICT), (POSTED, CONFLICT))
    assert again == ((DUPLICATE,), (DUPLICATE, CONFLICT))
    assert world.balance == "99.00"
    assert world.session.get_one(Account, other).balance == micros("98.00")
    assert world.session.get_one(Account, world.account_id).open_holds == 0
    assert check_ledger(world.session, None).agrees


@pytest.mark.parametrize("failure", ["missing", "refused"])
def test_usage_of_many_accounts_is_posted_together_or_not_at_all_l12(world, failure):
    """L12: a missing account, or one at its balance limit, between two valid ones."""
    now = world.clock.now()
    middle, last = world.account().account_id, world.account().account_id
    amount = FARTHEST * 2 if failure == "refused" else micros("1.00")
    policy = with_bounds(world.policy, usage_max=FARTHEST * 4)
    bad = 10**6 if failure == "missing" else middle
    usages = {
        world.account_id: [Usage(micros("1.00"), "call-1", now)],
        bad: [Usage(amount, "call-1", now)],
        last: [Usage(micros("1.00"), "call-1", now)],
    }

    with pytest.raises(Refusal):
        post_usage_of_many(replace(world.ctx.at(now), policy=policy), usages)

    world.session.rollback()
    balances = [world.session.get_one(Account, account_id).balance for account_id in (middle, last)]
    assert (world.balance, balances) == ("100.00", [micros("100.00")] * 2)
    assert references(world) == []
    assert check_ledger(world.session, None).agrees


def test_a_refused_record_claims_nothing_l12(world):
    """L12: after a conflict the reference still belongs to the first amount."""
    post(world, ("call-1", "1.00"))
    assert post(world, ("call-1", "2.00")).verdicts == (CONFLICT,)
    assert post(world, ("call-1", "1.00")).verdicts == (DUPLICATE,)
    assert world.balance == "99.00"


def test_references_are_unique_per_account_l12(world):
    """L12: another account may use the same references."""
    other = world.account(balance="50.00")
    post(world, ("call-1", "1.00"))
    assert post(world, ("call-1", "2.00"), account_id=other.account_id).verdicts == (POSTED,)
    assert world.balance == "99.00"


def test_references_are_compared_exactly_l12(world):
    """L12: case, inner spaces and look-alike characters make other references."""
    receipt = post(world, *[(name, "1.00") for name in ("call-1", "CALL-1", "call-١", "call 1")])
    assert set(receipt.verdicts) == {POSTED}


def test_usage_is_never_refused_for_lack_of_balance_l1(world):
    """L1: the balance goes below zero."""
    assert post(world, ("call-1", "1000.00")).verdicts == (POSTED,)
    assert world.balance == "-900.00"


def test_an_empty_batch_changes_nothing_l12(world):
    assert post(world).verdicts == ()
    assert world.balance == "100.00"


def test_an_unknown_account_is_not_found_p1(world):
    with pytest.raises(NotFound):
        post(world, ("call-1", "1.00"), account_id=999)


def test_the_check_runs_in_the_same_transaction_t4(world):
    """T4: the debit and the top-up are committed together; a duplicate opens none."""
    world.cards(VISA)
    world.refill()
    assert not post(world, ("call-1", "50.00")).opened_top_up
    assert post(world, ("call-2", "0.01")).opened_top_up
    assert not post(world, ("call-2", "0.01")).opened_top_up


# Final usage of zero


def end(world, *references):
    usages = [Usage(0, reference, world.clock.now()) for reference in references]
    return post_usage(world.ctx, world.account_id, usages).verdicts


def state_of(world, reference):
    world.session.rollback()
    return holds.find(world.session, world.account_id, reference).state


def test_final_usage_of_zero_ends_the_hold_and_posts_nothing_v6(world):
    """V6: once; what the hold kept back is available again."""
    world.hold("10.00", "call-1")
    world.hold("5.00", "call-2")
    assert end(world, "call-1", "call-1") == (Verdict.ENDED, DUPLICATE)
    assert end(world, "call-1") == (DUPLICATE,)
    assert (state_of(world, "call-1"), state_of(world, "call-2")) == ("ended", "open")
    account = world.session.get_one(Account, world.account_id)
    assert (account.open_holds, holds.held(world.ctx, account).amount) == (1, micros("5.00"))
    assert (world.balance, references(world)) == ("100.00", [])


def test_final_usage_of_zero_ends_an_expired_hold_v6(world):
    """V6: whether a job has recorded the expiry or not; it cannot be extended any more."""
    for recorded in (False, True):
        reference = f"call-{recorded}"
        world.hold("10.00", reference, minutes=1)
        world.clock.advance(minutes=2)
        if recorded:
            world.run("expire holds")
            assert state_of(world, reference) == "expired"
        assert end(world, reference) == (Verdict.ENDED,)
        assert state_of(world, reference) == "ended"
    assert world.session.get_one(Account, world.account_id).open_holds == 0


def test_usage_of_zero_without_a_hold_is_invalid_v6(world):
    """V6: nor does it end a hold that was released; after usage it is a conflict."""
    world.hold("10.00", "call-1")
    release_hold(world.ctx, world.account_id, "call-1")
    post(world, ("call-2", "1.00"))
    verdicts = end(world, "call-0", "call-1", "call-2")
    assert verdicts == (Verdict.INVALID, Verdict.INVALID, CONFLICT)
    error = {"amount": "Must be above zero, because there is no hold to end"}
    assert usage.refusal(Verdict.INVALID, Usage(0, "call-0", START), 1) == error
    assert world.timeline == []


def test_usage_after_a_final_zero_is_posted_v6(world):
    """V6, L12: a zero claims no reference."""
    world.hold("10.00", "call-1")
    assert end(world, "call-1") == (Verdict.ENDED,)
    assert post(world, ("call-1", "2.00")).verdicts == (POSTED,)


RECORDS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["1.00", "2.00", "0.000003"])), max_size=8
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(RECORDS, max_size=4))
def test_any_batches_debit_each_reference_once_l12(world, batches):
    """L12: the first amount of each reference counts, in any order and repetition."""
    before, known = micros(world.balance), references(world)
    batches = [[(f"{len(known)}-{r}", amount) for r, amount in batch] for batch in batches]
    claimed = {}
    for batch in batches:
        expected = []
        for reference, amount in batch:
            if reference not in claimed:
                expected.append(POSTED)
            else:
                expected.append(DUPLICATE if claimed[reference] == amount else CONFLICT)
            claimed.setdefault(reference, amount)
        assert post(world, *batch).verdicts == tuple(expected)
    used = sum(micros(amount) for amount in claimed.values())
    assert micros(world.balance) == before - used
    assert sorted(references(world)) == sorted([*known, *claimed])


# Parsing one record


GOOD = {"amount": "12.34", "reference": "call-1"}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"amount": "-1"}, {"amount"}),
        ({"amount": "1.2345678"}, {"amount"}),
        ({"amount": 12.34}, {"amount"}),
        ({"amount": None}, {"amount"}),
        ({"amount": "1e3"}, {"amount"}),
        ({"amount": "9" * 41}, {"amount"}),
        ({"reference": ""}, {"reference"}),
        ({"reference": "   "}, {"reference"}),
        ({"reference": " call-1"}, {"reference"}),
        ({"reference": "a/.."}, {"reference"}),
        ({"reference": None}, {"reference"}),
        ({"reference": 7}, {"reference"}),
        ({"reference": "x" * 121}, {"reference"}),
        ({"reference": "a\x00b"}, {"reference"}),
        ({"reference": "a\nb"}, {"reference"}),
        ({"reference": "\ud800"}, {"reference"}),
        ({"description": 7}, {"description"}),
        ({"description": "x" * 501}, {"description"}),
        ({"description": "a\x1bb"}, {"description"}),
        ({"occurred_at": "yesterday"}, {"occurred_at"}),
        ({"occurred_at": "2026-11-22T10:00:00"}, {"occurred_at"}),  # no time zone
        ({"occurred_at": 1764000000}, {"occurred_at"}),
        ({"occurred_at": "2026-11-23T10:00:01Z"}, {"occurred_at"}),
        ({"occurred_at": "1999-12-31T23:59:59Z"}, {"occurred_at"}),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, {"occurred_at"}),
        ({"currency": "EUR"}, {"currency"}),
        ({"amout": "1.00"}, {"amout"}),
        ({"amount": "x", "reference": "", "currency": 1}, {"amount", "reference", "currency"}),
    ],
)
def test_all_bad_fields_are_reported_at_once_l12(changes, fields):
    with pytest.raises(Invalid) as refused:
        usage.parse({**GOOD, **changes}, "USD", START)
    assert set(refused.value.fields) == fields


@pytest.mark.parametrize("raw", [None, [], "x", 7, [GOOD]])
def test_a_record_that_is_no_object_is_invalid_l12(raw):
    with pytest.raises(Invalid):
        usage.parse(raw, "USD", START)


def test_a_valid_record_is_parsed_l1():
    """L1, P4: six decimals, and a time in any zone, converted to UTC."""
    raw = {
        "amount": "0.000001",
        "reference": "call-1",
        "description": "To •••",
        "occurred_at": "2026-11-22T12:00:00+02:00",
        "currency": "USD",
    }
    read = usage.parse(raw, "USD", START)
    assert read == Usage(1, "call-1", START, "To •••")
    assert usage.parse(GOOD, "USD", START).occurred_at == START
    late = usage.parse({**GOOD, "occurred_at": "2026-11-23T10:00:00Z"}, "USD", START)
    assert late.occurred_at == START + timedelta(days=1)
