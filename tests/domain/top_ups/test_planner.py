"""The pure planner over every situation, and the sentence that says what it will do (T13)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from re import findall

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import AMEX, MASTERCARD, START, VISA, micros
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.decisions import Code
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared.i18n import Language, translator
from webapp.domain.shared.money import CENT, MICROS, show
from webapp.domain.shared.policy import Automatic, Policy
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.domain.top_ups.settings import Choice, RefillMode
from webapp.domain.top_ups.top_up import BURST, BURST_WINDOW, PlanInput, plan

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def dollars(amount):
    return show(amount, "USD")


def method(number, **more):
    """A saved card in perfect order, unless told otherwise."""
    return PaymentMethod(
        **{
            "id": number,
            "kind": "card",
            "brand": "visa",
            "last4": f"{1000 + number}",
            "exp_month": 12,
            "exp_year": 2034,
            "auto_charge": True,
            "declines_in_a_row": 0,
            "position": number,
            **more,
        }
    )


def cents(low, high):
    return st.integers(low, high).map(lambda n: n * CENT)


STATES = st.sampled_from(
    [
        {},
        {},
        {},
        {"auto_charge": False},
        {"suspended_until": NOW + timedelta(seconds=1), "failed_at": NOW - timedelta(days=1)},
        {"suspended_until": NOW, "failed_at": NOW - timedelta(hours=48)},
        {"barred_at": NOW - timedelta(days=3), "suspended_until": NOW + timedelta(hours=5)},
        {"declines_in_a_row": 5},
        {"exp_month": 10, "exp_year": 2026},
        {"exp_month": 11, "exp_year": 2026},
    ]
)


@st.composite
def choices(draw):
    threshold = draw(cents(1, 2_000_00))
    target = threshold + draw(cents(0, 20_000_00))
    least = min(max(target - threshold, 30_00 * CENT), 10_000_00 * CENT)
    return Choice(
        refill_on=draw(st.sampled_from([True, True, True, True, False])),
        refill_mode=draw(st.sampled_from(RefillMode)),
        threshold=threshold,
        refill_amount=draw(cents(30_00, 10_000_00)),
        target=target,
        largest_charge=draw(cents(least // CENT, 10_000_00)),
        day_limit=draw(st.none() | cents(30_00, 20_000_00)),
        month_limit=draw(st.none() | cents(30_00, 20_000_00)),
    )


@st.composite
def situations(draw, **fixed):
    count = draw(st.integers(0, 5))
    methods = tuple(method(n, **draw(STATES)) for n in range(1, count + 1))
    told = {
        "now": NOW,
        "time_zone": draw(st.sampled_from(["UTC", "Europe/Dublin", "Pacific/Kiritimati"])),
        "balance": draw(
            st.integers(-500 * MICROS, 0) | st.integers(-50_000 * MICROS, 3_000 * MICROS)
        ),
        "choice": draw(choices()),
        "methods": methods,
        "policy": Policy(automatic=draw(st.sampled_from([*[Automatic.ON] * 4, *Automatic]))),
        "paused": draw(st.sampled_from([False] * 6 + [True])),
        "spent_today": draw(st.just(0) | st.integers(0, 20_000 * MICROS)),
        "spent_this_month": draw(st.just(0) | st.integers(0, 20_000 * MICROS)),
        "recent_top_ups": draw(st.integers(0, BURST + 1)),
        "manual_open": draw(st.sampled_from([False] * 6 + [True])),
        "tried": draw(st.just(frozenset()) | st.frozensets(st.integers(1, 5), max_size=2)),
    }
    return PlanInput(**{**told, **fixed})


@given(situations())
def test_every_situation_has_exactly_one_answer_e1(at):
    """E1, T10: one code for each, none of those that tell of outcomes; the same each time."""
    answer = plan(at)
    assert isinstance(answer.code, Code)
    assert answer == plan(at)
    assert answer.code in {
        Code.ABOVE_THRESHOLD, Code.REFILL_OFF, Code.WAITING, Code.NO_METHOD, Code.PRIMARY_OFF,
        Code.ALL_SUSPENDED, Code.ALL_FAILED, Code.CAP_REACHED, Code.PAUSED,
        Code.SETTINGS_OUT_OF_BOUNDS, Code.SWITCHED_OFF, Code.DRY_RUN, Code.CHARGING,
    }  # fmt: skip
    if answer.code not in (Code.CHARGING, Code.DRY_RUN):
        assert (answer.amount, answer.methods) == (0, ())


@given(situations())
def test_the_amount_t9(at):
    """T9, T10, L1: whole cents, within the policy's bounds and the limits' room."""
    answer = plan(at)
    if not answer.charges:
        return
    choice = at.choice
    assert answer.amount % CENT == 0
    assert at.policy.payment_min <= answer.amount <= at.policy.payment_max
    assert answer.amount <= choice.most_at_once, "never more than was typed or confirmed"
    if choice.day_limit is not None:
        assert at.spent_today + answer.amount <= choice.day_limit
    if choice.month_limit is not None:
        assert at.spent_this_month + answer.amount <= choice.month_limit
    if answer.limit:
        assert answer.amount < top_ups.uncut_amount(at), "cut means less than asked for"


@given(situations())
def test_exactly_the_refill_amount_t9(at):
    """T9: however far below the threshold the balance is."""
    answer = plan(at)
    if answer.charges and not answer.limit and at.choice.refill_mode is RefillMode.ADD:
        assert answer.amount == at.choice.refill_amount


@given(situations())
def test_a_target_without_a_largest_charge_charges_nothing_t9(at):
    """T9: nobody has confirmed how much one charge may be."""
    choice = replace(at.choice, refill_mode=RefillMode.TARGET, largest_charge=None)
    assert not plan(replace(at, choice=choice)).charges


@given(situations(), cents(0, 9_000_00))
def test_up_to_the_target_t9(at, more):
    """T9: the gap rounded up to the cent, at least PAYMENT_MIN."""
    threshold = at.choice.threshold
    target = Choice(
        refill_on=True,
        refill_mode=RefillMode.TARGET,
        threshold=threshold,
        target=threshold + more,
        largest_charge=at.policy.payment_max,
    )
    at = replace(at, methods=(method(7),), choice=target)
    answer = plan(at)
    if not answer.charges or answer.limit:
        return
    gap = at.choice.target - at.balance
    if answer.amount == at.policy.payment_min:
        assert gap <= answer.amount
    else:
        assert gap <= answer.amount < gap + CENT


@given(situations())
def test_only_strictly_below_the_threshold_t3(at):
    """T3: at the threshold nothing happens, one millionth below it something may."""
    if plan(at).charges:
        assert at.balance < at.choice.threshold


@given(situations(), st.sampled_from([-1, 0, 1]))
def test_the_threshold_itself_is_not_below_it_t3(at, more):
    """T3."""
    on = replace(at.choice, refill_on=True)
    at = replace(at, choice=on, balance=on.threshold + more, open_attempt=None, manual_open=False)
    assert (plan(at).code is Code.ABOVE_THRESHOLD) == (more >= 0)


@given(situations())
def test_the_primarys_consent_is_everyones_t5(at):
    """T5, M2: no automatic payment is made while the primary's auto-charge is off."""
    backup = (method(8), method(9))
    with_consent = replace(at, methods=(method(7), *at.methods, *backup))
    without = replace(at, methods=(method(7, auto_charge=False), *at.methods, *backup))
    assert not plan(without).methods
    assert plan(without).code not in (Code.CHARGING, Code.DRY_RUN)
    if plan(with_consent).charges:
        assert plan(without).code is Code.PRIMARY_OFF


@given(situations())
def test_who_is_charged_t6(at):
    """T6, T7, M9: in the list's order, each with consent and chargeable, none a second time."""
    answer = plan(at)
    positions = [at.methods.index(m) for m in answer.methods]
    assert positions == sorted(set(positions))
    for chosen in answer.methods:
        assert chosen.is_chargeable(at.now)
        assert chosen.id not in at.tried
    if answer.charges:
        left = [m for m in at.methods if m.is_chargeable(at.now) and m.id not in at.tried]
        assert list(answer.methods) == left, "and nobody who could be charged is left out"


@given(situations())
def test_nothing_is_charged_while_an_outcome_is_open_t15(at):
    """T15, T8."""
    for waiting in ({"manual_open": True}, {"open_attempt": Attempt(amount=1)}):
        assert not plan(replace(at, **waiting)).charges


@given(situations())
def test_off_and_dry_run_charge_nothing_t10(at):
    """T10: the operator's switch; a dry run says the same and does nothing."""
    answers = {switch: plan(replace(at, policy=Policy(automatic=switch))) for switch in Automatic}
    assert not answers[Automatic.OFF].charges
    assert not answers[Automatic.DRY_RUN].charges
    if answers[Automatic.ON].charges:
        dry = answers[Automatic.DRY_RUN]
        assert dry.code is Code.DRY_RUN
        assert (dry.amount, dry.methods) == (
            answers[Automatic.ON].amount,
            answers[Automatic.ON].methods,
        )


@given(situations())
def test_the_burst_breaker_t10(at):
    """T10: the fourth in the window, or a pause, and nothing is charged."""
    assert BURST == 3
    if at.paused or at.recent_top_ups >= 3:
        assert not plan(at).charges


@pytest.mark.parametrize(
    ("day", "month", "spent_today", "spent_this_month", "until", "limit"),
    [
        ("100", None, "80", "80", "2026-11-23", "day"),
        (None, "100", "0", "80", "2026-12-01", "month"),
        ("100", "500", "100", "100", "2026-11-23", "day"),
        ("100", "500", "0", "480", "2026-12-01", "month"),
        # Both are used up: tomorrow the month's still stands in the way.
        ("100", "500", "90", "480", "2026-12-01", "month"),
        ("100", "500", "100", "500", "2026-12-01", "month"),
    ],
)
def test_which_limit_stops_it_and_until_when_t10(
    day, month, spent_today, spent_this_month, until, limit
):
    """T10: the promise of when it goes on holds for both limits."""
    inputs = PlanInput(
        now=NOW,
        time_zone="UTC",
        balance=0,
        choice=Choice(
            refill_on=True,
            threshold=micros("50"),
            refill_amount=micros("100"),
            day_limit=micros(day),
            month_limit=micros(month),
        ),
        methods=(method(1),),
        policy=Policy(),
        spent_today=int(spent_today) * MICROS,
        spent_this_month=int(spent_this_month) * MICROS,
    )
    answer = plan(inputs)
    assert (answer.code, answer.limit) == (Code.CAP_REACHED, limit)
    assert answer.until == datetime.fromisoformat(until).replace(tzinfo=UTC)


# The sentence


@settings(max_examples=200)
@given(situations(tried=frozenset()))
def test_the_sentence_tells_the_plan_t13(at):
    """T13: every method of the plan in order, the amount, and nobody else unless as skipped."""
    answer = plan(at.just_below())
    sentence = plain(what_happens_next(at, dollars))
    assert sentence.endswith(".")
    labels = {m.label: m for m in at.methods}
    named = findall(r"Visa •••• \d{4}", sentence)
    if answer.code not in (Code.CHARGING, Code.DRY_RUN):
        assert "we’ll charge" not in sentence
        return
    assert [n for n in named if labels[n] in answer.methods] == [m.label for m in answer.methods]
    for name in named:
        if labels[name] not in answer.methods:
            assert f"{name} is skipped" in sentence or f"{name} is out of use" in sentence
    target = at.choice.refill_mode is RefillMode.TARGET and not at.is_below
    open_end = target and answer.limit in ("", "largest_charge")
    assert dollars(at.choice.target if open_end else answer.amount) in sentence
    if at.choice.refill_mode is RefillMode.TARGET and not (answer.limit and at.is_below):
        assert answer.limit in ("day", "month") or dollars(at.choice.largest_charge) in sentence
    if answer.limit and not open_end:
        assert "Reduced from" in sentence
    assert dollars(at.choice.threshold) in sentence


@settings(max_examples=30)
@given(situations())
def test_every_language_tells_the_same_plan_t13(at):
    """T13: the same methods in the same order, the same amounts, and not one English word."""
    english = plain(what_happens_next(at, dollars))
    for language in (Language.GERMAN, Language.SPANISH, Language.FRENCH):
        said = plain(what_happens_next(at, dollars, translator(language)))
        for told, alike in ((r"Visa •••• \d{4}", list), (r"\$[\d,.]+\d|\d+ × |\d\d:\d\d", sorted)):
            assert alike(findall(told, said)) == alike(findall(told, english))
        assert not findall(r"\b(the|is|your|are|charged|nothing|it|will|then)\b", said.lower())


@given(situations(), st.integers(0, 2))
def test_three_charges_are_no_burst_t10(at, recent):
    """T10: only the fourth pauses, and only where it would be made."""
    calm = plan(replace(at, recent_top_ups=recent))
    burst = plan(replace(at, recent_top_ups=3))
    if calm.code in (Code.CHARGING, Code.DRY_RUN):
        assert burst.code is Code.PAUSED
    else:
        assert burst == calm


@given(situations(paused=True))
def test_a_pause_tells_what_a_burst_is_t10(at):
    """T10: the numbers in the sentence are those that the breaker counts by."""
    assert (3, timedelta(minutes=10)) == (BURST, BURST_WINDOW)
    if plan(at.just_below()).code is Code.PAUSED:
        sentence = plain(what_happens_next(at, dollars))
        assert "paused: a fourth refill within 10 minutes was due" in sentence


@given(situations(paused=False, recent_top_ups=3))
def test_a_burst_is_told_before_the_fourth_t13(at):
    """T13, T10: nothing is paused yet, and the sentence says what would be."""
    if plan(at.just_below()).code is Code.PAUSED:
        sentence = plain(what_happens_next(at, dollars))
        assert "Instead of a fourth, automatic payments pause" in sentence


OUT = st.builds(
    lambda hours, more: {
        "failed_at": NOW - timedelta(hours=hours),
        "suspended_until": NOW + timedelta(hours=48 - hours),
        **more,
    },
    st.integers(0, 3),
    st.sampled_from([{}, {"barred_at": NOW}, {"declines_in_a_row": 5}, {"auto_charge": False}]),
)


@given(situations(manual_open=False, paused=False, recent_top_ups=0), st.lists(OUT, max_size=4))
def test_when_nothing_can_be_charged_it_names_who_is_next_t13(at, states):
    """T13, F6: "Then we’ll try …" names one that will be chargeable then."""
    methods = tuple(method(n, **state) for n, state in enumerate(states, start=1))
    at = replace(at, methods=methods)
    answer = plan(at.just_below())
    if answer.code not in (Code.ALL_SUSPENDED, Code.ALL_FAILED) or answer.until is None:
        return
    sentence = plain(what_happens_next(at, dollars))
    (name,) = findall(r"Then we’ll try (Visa •••• \d{4}) again", sentence)
    (tried,) = [m for m in at.methods if m.label == name]
    assert tried.is_chargeable(answer.until)


def test_the_one_who_is_next_is_not_one_that_stays_out_t13():
    """T13: two declines of the same second, and one of them bars its method."""
    until = NOW + timedelta(hours=48)
    failed = {"failed_at": NOW, "suspended_until": until}
    inputs = PlanInput(
        now=NOW,
        time_zone="UTC",
        balance=0,
        choice=Choice(refill_on=True, threshold=micros("50"), refill_amount=micros("100")),
        methods=(method(1, **failed, barred_at=NOW), method(2, **failed)),
        policy=Policy(),
    )
    assert "Then we’ll try Visa •••• 1002 again" in plain(what_happens_next(inputs, dollars))


def test_an_amount_cut_by_a_limit_is_named_t13():
    """T13, T9: of $100.00 a day $60.00 are used, so it is $40.00, however high the target."""
    inputs = PlanInput(
        now=NOW,
        time_zone="UTC",
        balance=micros("80"),
        choice=Choice(
            refill_on=True,
            refill_mode=RefillMode.TARGET,
            threshold=micros("50"),
            target=micros("500"),
            largest_charge=micros("1000"),
            day_limit=micros("100"),
        ),
        methods=(method(1),),
        policy=Policy(),
        spent_today=micros("60"),
    )
    assert "we’ll charge $40.00 to Visa •••• 1001" in plain(what_happens_next(inputs, dollars))


# The sentence beforehand, and what the real action then does


def spent(world):
    """$250 of a daily limit of $300 are used."""
    world.refill(amount="250.00", day_limit="300.00")
    world.use("60.00")
    world.work()
    world.clock.advance(minutes=30)


TABLE = {
    "plain": (lambda w: None, {}, "60.00"),
    "a deep deficit": (lambda w: None, {}, "512.34"),
    "at the edge": (lambda w: None, {}, "50.000001"),
    "up to a target": (
        lambda w: None,
        {"refill_mode": "target", "target": "170.00", "largest_charge": "340.00"},
        "60.004567",
    ),
    "reduced by the daily limit": (spent, {"amount": "100.00", "day_limit": "300.00"}, "250.00"),
    "reduced by the largest charge": (
        lambda w: None,
        {"refill_mode": "target", "target": "170.00", "largest_charge": "340.00"},
        "900.00",
    ),
    "the primary suspended": (
        lambda w: (
            w.next_answer("decline", decline_code="insufficient_funds")
            or w.pay(w.method("4242"), "30.00")
        ),
        {},
        "60.00",
    ),
    "the primary barred, a switch off": (
        lambda w: (
            w.next_answer("decline", decline_code="stolen_card")
            or w.pay(w.method("4242"), "30.00")
            or w.consent(w.method("0005"), False)
        ),
        {},
        "60.00",
    ),
    "the primary's switch off": (lambda w: w.consent(w.method("4242"), False), {}, "60.00"),
    "all of them barred": (
        lambda w: [
            w.next_answer("decline", decline_code="stolen_card") or w.pay(m, "30.00")
            for m in w.methods
        ],
        {},
        "60.00",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_is_charged_is_what_the_sentence_had_said_t13(world, name):
    """T13, T7: the sentence, then every one it names declined in turn, by the real action."""
    prepare, chosen, usage = TABLE[name]
    world.cards(VISA, AMEX, MASTERCARD)
    prepare(world)
    world.refill(**chosen)
    before = len(world.attempts)
    for _ in world.methods:
        world.next_answer("decline", decline_code="do_not_honor")
    world.use(usage)

    account = world.session.get(Account, world.account_id)
    inputs = top_ups.gather(world.session, account, world.clock.now(), world.policy)
    sentence = plain(what_happens_next(inputs, account.show))
    world.work()

    charged = world.attempts[before:]
    if "we’ll charge" not in sentence:
        assert charged == []
        return
    promise = sentence.split("we’ll charge")[1]
    for more in (".  ", " Reduced from", " Later refills"):
        promise = promise.split(more)[0]
    promise = findall(r"(\$[\d,.]+\d)|([A-Z][A-Za-z ]+ •••• \d{4}(?! is ))", promise)
    amounts = [amount for amount, _ in promise if amount]
    labels = [label.strip() for _, label in promise if label]
    assert [a.method.label for a in charged] == labels
    assert {account.show(a.amount) for a in charged} == {amounts[0]}
    assert charged[0].started_at >= START
