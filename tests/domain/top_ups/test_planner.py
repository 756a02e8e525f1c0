"""The planner as a pure function, and the sentence that describes its plan (T13)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from re import findall

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.factories import AMEX, MASTERCARD, START, VISA, micros
from webapp.currencies import Bounds
from webapp.domain.accounts.account import Account
from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Attempt, Payment, PaymentKind
from webapp.domain.shared.i18n import Language, translator
from webapp.domain.shared.money import CENT, MICROS, show
from webapp.domain.shared.policy import Automatic
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.domain.top_ups.settings import Choice, PausedBy, RefillMode
from webapp.domain.top_ups.top_up import BURST, BURST_WINDOW, PlanInput, is_planned, plan

USD = Bounds.default("USD")
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def dollars(amount):
    return show(amount, "USD")


def method(number, **fields):
    """A saved card in good order, except for these fields."""
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
            **fields,
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
        {"blocked_at": NOW - timedelta(days=3), "suspended_until": NOW + timedelta(hours=5)},
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
def plan_inputs(draw, **fixed):
    count = draw(st.integers(0, 5))
    methods = tuple(method(n, **draw(STATES)) for n in range(1, count + 1))
    values = {
        "now": NOW,
        "time_zone": draw(st.sampled_from(["UTC", "Europe/Dublin", "Pacific/Kiritimati"])),
        "balance": draw(
            st.integers(-500 * MICROS, 0) | st.integers(-50_000 * MICROS, 3_000 * MICROS)
        ),
        "choice": draw(choices()),
        "methods": methods,
        "bounds": USD,
        "automatic": draw(st.sampled_from([*[Automatic.ON] * 4, *Automatic])),
        "paused_by": draw(st.sampled_from([None] * 6 + [PausedBy.BURST])),
        "spent_today": draw(st.just(0) | st.integers(0, 20_000 * MICROS)),
        "spent_this_month": draw(st.just(0) | st.integers(0, 20_000 * MICROS)),
        "recent_top_ups": draw(st.integers(0, BURST + 1)),
        "manual_open": draw(st.sampled_from([False] * 6 + [True])),
        "tried": draw(st.just(frozenset()) | st.frozensets(st.integers(1, 5), max_size=2)),
    }
    return PlanInput(**{**values, **fixed})


@given(plan_inputs())
def test_every_input_has_exactly_one_decision_e1(at):
    """E1, T10: it is deterministic, and never a code of an outcome."""
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


@given(plan_inputs())
def test_the_amount_is_within_all_limits_t9(at):
    """T9, T10, L1: whole cents, within the policy's bounds and the remaining limits."""
    answer = plan(at)
    if not answer.charges:
        return
    choice = at.choice
    assert answer.amount % CENT == 0
    assert at.bounds.payment_min <= answer.amount <= at.bounds.payment_max
    assert answer.amount <= choice.most_at_once, "never more than the customer confirmed"
    if choice.day_limit is not None:
        assert at.spent_today + answer.amount <= choice.day_limit
    if choice.month_limit is not None:
        assert at.spent_this_month + answer.amount <= choice.month_limit
    if answer.limit:
        assert answer.amount < top_ups.amount_before_limits(at), (
            "a reduced amount is smaller than the full one"
        )


@given(plan_inputs())
def test_a_fixed_refill_charges_exactly_the_refill_amount_t9(at):
    """T9: however far below the threshold the balance is."""
    answer = plan(at)
    if answer.charges and not answer.limit and at.choice.refill_mode is RefillMode.ADD:
        assert answer.amount == at.choice.refill_amount


@given(plan_inputs())
def test_a_target_without_a_largest_charge_charges_nothing_t9(at):
    """T9: the customer has not confirmed a maximum."""
    choice = replace(at.choice, refill_mode=RefillMode.TARGET, largest_charge=None)
    assert not plan(replace(at, choice=choice)).charges


@given(plan_inputs(), cents(0, 9_000_00))
def test_a_target_refill_charges_the_gap_t9(at, more):
    """T9: rounded up to the cent, at least PAYMENT_MIN."""
    threshold = at.choice.threshold
    target = Choice(
        refill_on=True,
        refill_mode=RefillMode.TARGET,
        threshold=threshold,
        target=threshold + more,
        largest_charge=at.bounds.payment_max,
    )
    at = replace(at, methods=(method(7),), choice=target)
    answer = plan(at)
    if not answer.charges or answer.limit:
        return
    gap = at.choice.target - at.balance
    if answer.amount == at.bounds.payment_min:
        assert gap <= answer.amount
    else:
        assert gap <= answer.amount < gap + CENT


@given(plan_inputs())
def test_refills_start_only_below_the_threshold_t3(at):
    """T3: strictly; at the threshold nothing is charged."""
    if plan(at).charges:
        assert at.balance < at.choice.threshold


@given(plan_inputs(), st.sampled_from([-1, 0, 1]))
def test_a_balance_at_the_threshold_is_not_below_it_t3(at, more):
    """T3."""
    on = replace(at.choice, refill_on=True)
    at = replace(at, choice=on, balance=on.threshold + more, open_attempt=None, manual_open=False)
    assert (plan(at).code is Code.ABOVE_THRESHOLD) == (more >= 0)


@given(plan_inputs())
def test_without_the_primarys_consent_nothing_is_charged_t5(at):
    """T5, M2: no automatic refill is made while the primary's auto-charge is off."""
    backup = (method(8), method(9))
    with_consent = replace(at, methods=(method(7), *at.methods, *backup))
    without = replace(at, methods=(method(7, auto_charge=False), *at.methods, *backup))
    assert not plan(without).methods
    assert plan(without).code not in (Code.CHARGING, Code.DRY_RUN)
    if plan(with_consent).charges:
        assert plan(without).code is Code.PRIMARY_OFF


@given(plan_inputs())
def test_chargeable_methods_are_planned_in_order_t6(at):
    """T6, T7, M9: each needs consent and is charged at most once."""
    answer = plan(at)
    positions = [at.methods.index(m) for m in answer.methods]
    assert positions == sorted(set(positions))
    for chosen in answer.methods:
        assert chosen.is_chargeable(at.now)
        assert chosen.id not in at.tried
    if answer.charges:
        left = [m for m in at.methods if m.is_chargeable(at.now) and m.id not in at.tried]
        assert list(answer.methods) == left, "no chargeable method is left out"


@given(plan_inputs())
def test_nothing_is_charged_while_an_outcome_is_open_t15(at):
    """T15, T8."""
    for waiting in ({"manual_open": True}, {"open_attempt": Attempt(amount=1)}):
        assert not plan(replace(at, **waiting)).charges


def refill_in_progress(**fields):
    """Inputs for a refill of 100.00 that is charging the second of two methods."""
    payment = Payment(kind=PaymentKind.AUTOMATIC)
    attempts = [
        Attempt(payment=payment, method_id=number, amount=micros("100"), automatic=True)
        for number in (1, 2)
    ]
    limits = Choice(
        refill_on=True,
        refill_mode=RefillMode.ADD,
        threshold=micros("50"),
        refill_amount=micros("100"),
        day_limit=micros("150"),
        month_limit=micros("150"),
    )
    inputs = PlanInput(
        **{
            "now": NOW,
            "time_zone": "UTC",
            "balance": micros("40"),
            "choice": limits,
            "methods": (method(1), method(2)),
            "bounds": USD,
            "open_attempt": attempts[1],
            "spent_today": micros("150"),
            "spent_this_month": micros("150"),
            "recent_top_ups": BURST,
            **fields,
        }
    )
    return inputs, attempts[1]


def test_an_open_charge_does_not_count_against_itself_t14():
    """T14, T7: not in the limits and not in the burst; the method tried before it stays tried."""
    inputs, attempt = refill_in_progress()
    assert plan(inputs).code is Code.WAITING
    assert is_planned(inputs, attempt)


@pytest.mark.parametrize(
    "change",
    [
        {"balance": micros("50")},
        {"methods": (method(1), method(2, auto_charge=False))},
        {"methods": (method(1), method(3), method(2))},
        {"spent_today": micros("151")},
        {"spent_this_month": micros("151")},
        {"recent_top_ups": BURST + 1},
        {"paused_by": PausedBy.BURST},
    ],
)
def test_a_charge_that_would_now_differ_is_not_wanted_t14(change):
    """T14: another method, another amount, or none; a payment by a person stays wanted."""
    inputs, attempt = refill_in_progress(**change)
    assert not is_planned(inputs, attempt)
    attempt.automatic = False
    assert is_planned(inputs, attempt)


def test_open_payments_are_left_out_at_rest_t15():
    """T15: the inputs are as if they had failed."""
    rest = refill_in_progress(manual_open=True)[0].at_rest()
    assert (rest.open_attempt, rest.manual_open) == (None, False)


@given(plan_inputs())
def test_off_and_dry_run_charge_nothing_t10(at):
    """T10: a dry run has the same plan as on."""
    answers = {switch: plan(replace(at, automatic=switch)) for switch in Automatic}
    assert not answers[Automatic.OFF].charges
    assert not answers[Automatic.DRY_RUN].charges
    if answers[Automatic.ON].charges:
        dry = answers[Automatic.DRY_RUN]
        assert dry.code is Code.DRY_RUN
        assert (dry.amount, dry.methods) == (
            answers[Automatic.ON].amount,
            answers[Automatic.ON].methods,
        )


@given(plan_inputs())
def test_the_burst_limit_stops_charges_t10(at):
    """T10: the fourth refill in the window, and a pause, charge nothing."""
    assert BURST == 3
    if at.paused_by or at.recent_top_ups >= 3:
        assert not plan(at).charges


@pytest.mark.parametrize(
    ("day", "month", "spent_today", "spent_this_month", "until", "limit"),
    [
        ("100", None, "80", "80", "2026-11-23", "day"),
        (None, "100", "0", "80", "2026-12-01", "month"),
        ("100", "500", "100", "100", "2026-11-23", "day"),
        ("100", "500", "0", "480", "2026-12-01", "month"),
        # Both limits are used up: tomorrow the monthly one still applies.
        ("100", "500", "90", "480", "2026-12-01", "month"),
        ("100", "500", "100", "500", "2026-12-01", "month"),
    ],
)
def test_the_limit_and_its_end_are_reported_t10(
    day, month, spent_today, spent_this_month, until, limit
):
    """T10: at the reported time neither limit is exhausted."""
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
        bounds=USD,
        spent_today=int(spent_today) * MICROS,
        spent_this_month=int(spent_this_month) * MICROS,
    )
    answer = plan(inputs)
    assert (answer.code, answer.limit) == (Code.CAP_REACHED, limit)
    assert answer.until == datetime.fromisoformat(until).replace(tzinfo=UTC)


# The sentence


@settings(max_examples=200)
@given(plan_inputs(tried=frozenset()))
def test_the_sentence_describes_the_plan_t13(at):
    """T13: the planned methods in order, the amount, and skipped methods only as such."""
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
@given(plan_inputs())
def test_every_language_describes_the_same_plan_t13(at):
    """T13: the same methods in order, the same amounts, and no English word."""
    english = plain(what_happens_next(at, dollars))
    for language in (Language.GERMAN, Language.SPANISH, Language.FRENCH):
        translated = plain(what_happens_next(at, dollars, translator(language)))
        for pattern, normalized in (
            (r"Visa •••• \d{4}", list),
            (r"\$[\d,.]+\d|\d+ × |\d\d:\d\d", sorted),
        ):
            assert normalized(findall(pattern, translated)) == normalized(findall(pattern, english))
        assert not findall(
            r"\b(the|is|your|are|charged|nothing|it|will|then)\b", translated.lower()
        )


@given(plan_inputs(), st.integers(0, 2))
def test_three_refills_are_allowed_and_the_fourth_pauses_t10(at, recent):
    """T10: but only if the fourth would be charged."""
    calm = plan(replace(at, recent_top_ups=recent))
    burst = plan(replace(at, recent_top_ups=3))
    if calm.code in (Code.CHARGING, Code.DRY_RUN):
        assert burst.code is Code.PAUSED
    else:
        assert burst == calm


@given(plan_inputs(paused_by=PausedBy.BURST))
def test_the_paused_sentence_names_the_burst_limit_t10(at):
    """T10: with the numbers that the planner uses."""
    assert (3, timedelta(minutes=10)) == (BURST, BURST_WINDOW)
    if plan(at.just_below()).code is Code.PAUSED:
        sentence = plain(what_happens_next(at, dollars))
        assert "paused: a fourth refill within 10 minutes was due" in sentence


@given(plan_inputs(paused_by=None, recent_top_ups=3))
def test_the_sentence_announces_the_pause_before_a_fourth_refill_t13(at):
    """T13, T10: automatic refills are not paused yet."""
    if plan(at.just_below()).code is Code.PAUSED:
        sentence = plain(what_happens_next(at, dollars))
        assert "Instead of a fourth, automatic refills pause" in sentence


OUT = st.builds(
    lambda hours, more: {
        "failed_at": NOW - timedelta(hours=hours),
        "suspended_until": NOW + timedelta(hours=48 - hours),
        **more,
    },
    st.integers(0, 3),
    st.sampled_from([{}, {"blocked_at": NOW}, {"declines_in_a_row": 5}, {"auto_charge": False}]),
)


@given(plan_inputs(manual_open=False, paused_by=None, recent_top_ups=0), st.lists(OUT, max_size=4))
def test_the_sentence_names_the_next_chargeable_method_t13(at, states):
    """T13, F6: the method in "Then we’ll try …" will be chargeable at that time."""
    methods = tuple(method(n, **state) for n, state in enumerate(states, start=1))
    at = replace(at, methods=methods)
    answer = plan(at.just_below())
    if answer.code not in (Code.ALL_SUSPENDED, Code.ALL_FAILED) or answer.until is None:
        return
    sentence = plain(what_happens_next(at, dollars))
    (name,) = findall(r"Then we’ll try (Visa •••• \d{4}) again", sentence)
    (tried,) = [m for m in at.methods if m.label == name]
    assert tried.is_chargeable(answer.until)


def test_the_sentence_does_not_name_a_blocked_method_t13():
    """T13: two methods were declined in the same second, one of them permanently."""
    until = NOW + timedelta(hours=48)
    failed = {"failed_at": NOW, "suspended_until": until}
    inputs = PlanInput(
        now=NOW,
        time_zone="UTC",
        balance=0,
        choice=Choice(refill_on=True, threshold=micros("50"), refill_amount=micros("100")),
        methods=(method(1, **failed, blocked_at=NOW), method(2, **failed)),
        bounds=USD,
    )
    assert "Then we’ll try Visa •••• 1002 again" in plain(what_happens_next(inputs, dollars))


def test_the_sentence_names_an_amount_reduced_by_a_limit_t13():
    """T13, T9: $60.00 of $100.00 a day are used, so the charge is $40.00 whatever the target."""
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
        bounds=USD,
        spent_today=micros("60"),
    )
    assert "we’ll charge $40.00 to Visa •••• 1001" in plain(what_happens_next(inputs, dollars))


# The sentence compared with the real action


def use_daily_limit(world):
    """Use $250.00 of a daily limit of $300.00."""
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
    "reduced by the daily limit": (
        use_daily_limit,
        {"amount": "100.00", "day_limit": "300.00"},
        "250.00",
    ),
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
def test_the_action_charges_what_the_sentence_announced_t13(world, name):
    """T13, T7: every method named in the sentence is declined in turn by the real action."""
    prepare, chosen, usage = TABLE[name]
    world.cards(VISA, AMEX, MASTERCARD)
    prepare(world)
    world.refill(**chosen)
    before = len(world.attempts)
    for _ in world.methods:
        world.next_answer("decline", decline_code="do_not_honor")
    world.use(usage)

    account = world.session.get(Account, world.account_id)
    inputs = top_ups.gather(world.ctx, account)
    sentence = plain(what_happens_next(inputs, account.show))
    world.work()

    charged = world.attempts[before:]
    if "we’ll charge" not in sentence:
        assert charged == []
        return
    promise = sentence.split("we’ll charge")[1]
    for end in (".  ", " Reduced from", " Later refills"):
        promise = promise.split(end)[0]
    promise = findall(r"(\$[\d,.]+\d)|([A-Z][A-Za-z ]+ •••• \d{4}(?! is ))", promise)
    amounts = [amount for amount, _ in promise if amount]
    labels = [label.strip() for _, label in promise if label]
    assert [a.method.label for a in charged] == labels
    assert {account.show(a.amount) for a in charged} == {amounts[0]}
    assert charged[0].started_at >= START
