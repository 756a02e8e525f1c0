"""Payment methods: suspension, chargeability, expiry and order."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.factories import START
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.payment_methods.payment_method import (
    SUSPENSION,
    MethodKind,
    MethodStatus,
    PaymentMethod,
)
from webapp.domain.shared.errors import NotFound, Stale
from webapp.ports import DeclineClass, SavedCard

SOFT, HARD = DeclineClass.SOFT, DeclineClass.HARD
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def card(**fields):
    return PaymentMethod(
        **{
            "brand": "visa",
            "last4": "4242",
            "exp_month": 12,
            "exp_year": 2034,
            "auto_charge": True,
            "declines_in_a_row": 0,
            **fields,
        }
    )


# Suspension


def test_a_suspension_lasts_48_hours_to_the_second_f1():
    """F1, F8: counted from the processor's time of the decline."""
    visa = card()
    visa.suspend("insufficient_funds", SOFT, START, automatic=True)
    assert timedelta(hours=48) == SUSPENSION
    assert (
        visa.standing(START + timedelta(hours=47, minutes=59, seconds=59)) is MethodStatus.SUSPENDED
    )
    assert visa.standing(START + timedelta(hours=48)) is MethodStatus.READY
    assert visa.is_chargeable(START + timedelta(hours=48))


def test_failures_never_change_consent_m3():
    """M3: nor does restoring the method."""
    for consent in (True, False):
        visa = card(auto_charge=consent)
        visa.suspend("stolen_card", HARD, START, automatic=True)
        visa.record_suspension_ended(START + 49 * HOUR)
        visa.restore(START + HOUR)
        assert visa.auto_charge is consent


def test_a_new_failure_restarts_the_suspension_f4():
    """F4, F8: an older failure that is learned of late shortens nothing."""
    visa = card()
    assert visa.suspend("insufficient_funds", SOFT, START, automatic=True)
    assert not visa.suspend("do_not_honor", SOFT, START + 10 * HOUR, automatic=False)
    assert visa.suspended_until == START + 58 * HOUR
    visa.suspend("expired_card", SOFT, START + 5 * HOUR, automatic=False)
    assert visa.suspended_until == START + 58 * HOUR
    assert visa.failure_code == "do_not_honor"


def test_a_new_suspension_after_the_end_is_reported_again_f11():
    """F11: the method was back in use, so it becomes suspended again."""
    visa = card()
    assert visa.suspend("insufficient_funds", SOFT, START, automatic=True)
    assert visa.suspend("insufficient_funds", SOFT, START + 48 * HOUR, automatic=True)


def test_a_hard_decline_outlasts_the_48_hours_f3():
    """F3: until the customer's own payment succeeds."""
    visa = card()
    visa.suspend("stolen_card", HARD, START, automatic=True)
    assert visa.standing(START + 480 * HOUR) is MethodStatus.BARRED
    assert visa.restore(START + 481 * HOUR)
    assert visa.standing(START + 481 * HOUR) is MethodStatus.READY


def test_a_soft_decline_does_not_lift_a_hard_one_f3():
    visa = card()
    visa.suspend("stolen_card", HARD, START, automatic=True)
    visa.suspend("insufficient_funds", SOFT, START + HOUR, automatic=False)
    assert visa.standing(START + 480 * HOUR) is MethodStatus.BARRED


def test_only_a_payment_started_after_the_failure_restores_f8():
    """F8: or at the same moment."""
    visa = card()
    visa.suspend("stolen_card", HARD, START, automatic=True)
    assert not visa.restore(START - SECOND)
    assert visa.standing(START) is MethodStatus.BARRED
    assert visa.restore(START)
    assert visa.standing(START) is MethodStatus.READY


def test_five_automatic_declines_in_a_row_end_automatic_use_t16():
    """T16: the customer's own failures do not count; a success resets the count."""
    visa = card()
    for day in range(4):
        visa.suspend("insufficient_funds", SOFT, START + timedelta(days=3 * day), automatic=True)
    for day in range(13, 20):
        visa.suspend("insufficient_funds", SOFT, START + timedelta(days=day), automatic=False)
    assert visa.standing(START + timedelta(days=30)) is MethodStatus.READY
    visa.suspend("insufficient_funds", SOFT, START + timedelta(days=30), automatic=True)
    assert visa.standing(START + timedelta(days=60)) is MethodStatus.RESTED
    assert visa.restore(START + timedelta(days=60))
    assert visa.standing(START + timedelta(days=60)) is MethodStatus.READY


def test_repeated_operations_change_nothing_f1():
    """F1, F6, M3, M10: the second call changes nothing and returns that."""
    visa = card(auto_charge=False)
    visa.consent(True, START)
    visa.consent(True, START + HOUR)
    assert visa.auto_charge_changed_at == START

    visa.suspend("insufficient_funds", SOFT, START, automatic=False)
    assert not visa.record_suspension_ended(START + 47 * HOUR), "it has not ended"
    assert visa.record_suspension_ended(START + 48 * HOUR)
    assert not visa.record_suspension_ended(START + 48 * HOUR)

    assert not visa.restore(START + 49 * HOUR), "there is nothing to restore"
    visa.remove(START)
    visa.remove(START + HOUR)
    assert visa.removed_at == START


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["suspend", "bar", "restore", "record"]),
        st.integers(0, 200).map(lambda hours: START + hours * HOUR),
    ),
    max_size=12,
)


@given(EVENTS)
def test_each_operation_is_idempotent_f1(events):
    """F1, F8: after any history, except for the count of declines (T16)."""
    once, twice = card(), card()
    for name, at in events:
        for visa, times in ((once, 1), (twice, 2)):
            for _ in range(times):
                if name == "suspend":
                    visa.suspend("do_not_honor", SOFT, at, automatic=False)
                elif name == "bar":
                    visa.suspend("stolen_card", HARD, at, automatic=False)
                elif name == "restore":
                    visa.restore(at)
                else:
                    visa.record_suspension_ended(at)
    names = ["suspended_until", "blocked_at", "failed_at", "failure_code", "declines_in_a_row"]
    assert [getattr(once, name) for name in names] == [getattr(twice, name) for name in names]


@given(EVENTS, st.integers(0, 300).map(lambda hours: START + hours * HOUR))
def test_a_late_job_does_not_change_the_status_f1(events, now):
    """F1: recording the end of a suspension never changes whether the method is chargeable."""
    visa = card()
    for name, at in events:
        if name in ("suspend", "bar"):
            visa.suspend("x", HARD if name == "bar" else SOFT, at, automatic=False)
    before = visa.standing(now)
    visa.record_suspension_ended(now)
    assert visa.standing(now) is before


# Expiry


@pytest.mark.parametrize(
    ("now", "expired"),
    [
        ("2026-11-30T23:59:59", False),
        ("2026-12-01T00:00:00", False),  # over in UTC, but not yet in Hawaii
        ("2026-12-01T11:59:59", False),
        ("2026-12-01T12:00:00", True),  # over everywhere on earth
    ],
)
def test_a_card_is_tried_until_its_month_has_ended_everywhere_p4(now, expired):
    """P4, M9."""
    visa = card(exp_month=11, exp_year=2026)
    now = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert (visa.obstacle(now) is MethodStatus.EXPIRED) is expired


def test_a_card_of_december_expires_in_january_p4():
    visa = card(exp_month=12, exp_year=2026)
    assert visa.expires_at == datetime(2027, 1, 1, 12, tzinfo=UTC)
    assert visa.expiry == "12/26"


@pytest.mark.parametrize(
    ("zone", "left"),
    [("UTC", 0), ("Pacific/Pago_Pago", 0), ("Pacific/Kiritimati", -1), ("Europe/Dublin", 0)],
)
def test_days_left_use_the_accounts_time_zone_p4(zone, left):
    """P4: on the last day there are none left."""
    visa = card(exp_month=11, exp_year=2026)
    assert visa.days_left(datetime(2026, 11, 30, 12, tzinfo=UTC), zone) == left


@given(st.integers(0, 800), st.integers(1, 12), st.sampled_from(["UTC", "Pacific/Kiritimati"]))
def test_a_card_is_not_expired_while_days_are_left_m9(days, month, zone):
    """M9, P4: the row's days and the expiry agree."""
    visa = card(exp_month=month, exp_year=2027)
    now = START + timedelta(days=days)
    if visa.obstacle(now) is MethodStatus.EXPIRED:
        assert visa.days_left(now, zone) < 0
    else:
        # Noon UTC on the 1st, the moment of expiry, is the 2nd in the easternmost zone.
        assert visa.days_left(now, zone) >= -2


def test_expired_takes_precedence_over_suspended_m9():
    visa = card(exp_month=10, exp_year=2026)
    visa.suspend("insufficient_funds", SOFT, START, automatic=True)
    assert visa.standing(START) is MethodStatus.EXPIRED


def test_a_paypal_agreement_does_not_expire_m1():
    """M1."""
    paypal = card(kind=MethodKind.PAYPAL, payer_email="ana@example.com", exp_month=None)
    assert paypal.obstacle(START + timedelta(days=36500)) is None
    assert paypal.days_left(START, "UTC") is None
    assert (paypal.label, paypal.expiry) == ("PayPal ana@example.com", "")


def test_the_table_has_no_column_for_card_numbers_m7():
    """M7: neither for numbers nor for security codes."""
    kept = {column.name for column in PaymentMethod.__table__.columns}
    assert not {"number", "pan", "security_code", "cvc", "cvv", "card_number"} & kept
    assert PaymentMethod.__table__.c.last4.type.length == 4


# Adding the same card again


def saved(reference="card_2", **fields):
    values = {
        "fingerprint": "fp",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 11,
        "exp_year": 2036,
        "cardholder": "Ana Ruiz",
        "address_country": "IE",
        "address_line": "",
        "address_city": "",
        "address_postcode": "",
    }
    return SavedCard(reference=reference, **{**values, **fields})


def test_a_refresh_updates_the_card_and_lifts_no_block_m12():
    """M8, M12."""
    visa = card(processor_reference="card_1")
    visa.suspend("stolen_card", HARD, START, automatic=True)
    visa.refresh(saved())
    assert (visa.processor_reference, visa.expiry) == ("card_2", "11/36")
    assert visa.standing(START) is MethodStatus.BARRED


# The list


NUMBERS = [
    "4242424242424242", "5555555555554444", "378282246310005", "6011111111111117",
    "4000056655665556", "5200828282828210",
]  # fmt: skip


def test_only_the_first_method_starts_with_auto_charge_m4(world):
    """M4, M2: later ones start off, at the end of the list."""
    for number in NUMBERS[:3]:
        world.card(number)
    assert [(m.position, m.auto_charge) for m in world.methods] == [
        (1, True),
        (2, False),
        (3, False),
    ]


def test_the_first_method_after_removing_all_starts_with_auto_charge_m4(world):
    """M4: an account whose last method was removed has none."""
    visa = world.card(NUMBERS[0])
    world.remove(visa)
    assert world.card(NUMBERS[1]).auto_charge


@pytest.fixture
def three(world):
    return world.cards(*NUMBERS[:3])


@pytest.mark.parametrize("case", ["same", "other", "twice", "one less", "one more", "nobody"])
def test_an_order_that_does_not_match_the_list_is_refused_m5(three, world, case):
    """M5: nothing is moved."""
    ids = [m.id for m in three]
    a, b, c = ids
    order, seen = {
        "same": ([a, b, c], [a, c, b]),
        "other": ([c, b, a], [b, a, c]),
        "twice": ([a, a, b], ids),
        "one less": ([b, a], ids),
        "one more": ([c, b, a, 999], ids),
        "nobody": ([], []),
    }[case]
    with pytest.raises(Stale, match="The list has changed meanwhile"):
        payment_methods.reorder(world.session, world.methods, order, seen)
    assert [m.id for m in world.methods] == ids


def test_find_checks_the_account_p1(three, world):
    """P1: a foreign method, a removed one and a nonexistent one are all not found."""
    other = world.account()
    with pytest.raises(NotFound):
        payment_methods.find(world.session, other.account_id, three[0].id)
    three[0].remove(START)
    world.session.flush()
    for method_id in (three[0].id, 999, 0, -1):
        with pytest.raises(NotFound):
            payment_methods.find(world.session, world.account_id, method_id)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "reorder", "stale"]), st.integers(0, 719)),
    min_size=3,
    max_size=8,
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_any_sequence_keeps_positions_from_one_to_n_m5(world, steps):
    """M2, M5, M8, M10: adding, removing and reordering; only the first row is primary."""
    for step, choice in steps:
        ids = [m.id for m in world.methods]
        shuffled = Random(choice).sample(ids, len(ids))
        if step == "add":
            added = world.card(NUMBERS[choice % len(NUMBERS)]).id
            ids += [] if added in ids else [added]
        elif step == "remove" and ids:
            gone = ids.pop(choice % len(ids))
            world.remove(world.session.get(PaymentMethod, gone))
        elif step == "reorder" and ids:
            reorder_methods(world.ctx, world.account_id, shuffled, ids)
            ids = shuffled
        elif step == "stale" and len(ids) > 1:
            with pytest.raises(Stale):
                reorder_methods(world.ctx, world.account_id, shuffled, ids[1:])
        assert [m.id for m in world.methods] == ids
        assert [m.position for m in world.methods] == list(range(1, len(ids) + 1))
