"""Random walks over customers, usage, banks, operators, the clock and crashes, in any order."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.factories import World, with_bounds
from tests.model.bank import CHALLENGED, Banks
from tests.model.pairs import ROUNDS, WALLETS, Pair
from tests.model.records import UNIT, Operator, Settings
from tests.model.rules import Company
from webapp.domain.accounts.account import Account
from webapp.domain.shared.policy import Automatic, Policy
from webapp.reads.ledger.ledger_check import check_ledger

nth = st.integers(0, 5)
"""An index, taken modulo the number of items."""
index = st.sampled_from((0, 0, 0, 1))


def amounts(*units: float):
    return st.sampled_from([round(unit * UNIT) for unit in units])


payments = amounts(30, 50, 100, 250.55)
debits = amounts(0.000001, 0.01, 5, 20, 49.99, 60, 60, 100, 150, 150, 430.123456, 25_000)
wrong_settings = st.sampled_from(
    [
        Settings(refill_on=True, threshold=50 * UNIT, refill=29_990_000),
        Settings(refill_on=True, threshold=50 * UNIT, refill=10_001 * UNIT),
        Settings(refill_on=True, mode="target", threshold=50 * UNIT, target=49 * UNIT),
        Settings(refill_on=True, mode="target", threshold=50 * UNIT, target=90 * UNIT),
        Settings(
            refill_on=True, mode="target", threshold=50 * UNIT, target=90 * UNIT,
            largest_charge=39_990_000,
        ),
        Settings(
            refill_on=True, threshold=50 * UNIT, refill=50 * UNIT, day_limit=90 * UNIT,
            no_day_limit=True,
        ),
        Settings(refill_on=True, threshold=50 * UNIT, refill=50 * UNIT, day_limit=29 * UNIT),
        Settings(refill_on=True, refill=50 * UNIT),
        Settings(notify_on=True),
    ]
)  # fmt: skip
limits = st.none() | st.none() | amounts(30, 100, 150, 250, 1000)
day_limits = st.sampled_from(
    [(None, True), (None, True), (None, False)]
    + [(units * UNIT, False) for units in (30, 100, 150, 250, 1000)]
)


def with_day_limit(chosen: tuple[int | None, bool], **others) -> Settings:
    return Settings(day_limit=chosen[0], no_day_limit=chosen[1], **others)


settings = st.builds(
    with_day_limit,
    day_limits,
    refill_on=st.sampled_from((True, True, True, False)),
    mode=st.sampled_from(("add", "add", "target")),
    threshold=amounts(10, 50, 50, 100, 100.01),
    refill=amounts(30, 50, 100, 100, 100, 2000),
    target=amounts(120, 300, 333.33),
    largest_charge=amounts(150, 350, 700),
    month_limit=limits,
    notify_on=st.booleans(),
    notify_below=amounts(20, 50, 75, 150),
)
list_changes = st.sampled_from(("add", "remove", "move", "switch", "switch"))
adjustments = amounts(-60, -0.5, 10, 75)
declines = st.sampled_from([("decline", "insufficient_funds"), ("authentication_required", "")])
ways_back = st.sampled_from(("time", "restore"))
answers = st.sampled_from(
    [
        ("decline", "insufficient_funds"),
        ("decline", "do_not_honor"),
        ("decline", "stolen_card"),
        ("decline", "fraudulent"),
        ("decline", "expired_card"),
        ("timeout_after_charge", ""),
        ("timeout_after_charge", ""),
        ("timeout_before_charge", ""),
        ("server_error", ""),
        ("refuse_to_look", ""),
        ("authentication_required", ""),
    ]
)
answer = st.none() | answers | answers
spans = st.sampled_from(
    [timedelta(**span) for span in (
        {"seconds": 1}, {"seconds": 10}, {"minutes": 1}, {"minutes": 5}, {"minutes": 9},
        {"minutes": 15}, {"minutes": 30}, {"hours": 1}, {"hours": 7}, {"hours": 24}, {"hours": 48},
        {"days": 9},
    )]
)  # fmt: skip


def _is_asked(company: Company) -> bool:
    return any(a.state == "open" and a.waiting_for == CHALLENGED for a in company.attempts)


class Walk(RuleBasedStateMachine):
    fresh: Callable[[], tuple]
    """Resets the application and returns it with a session."""
    reached: ClassVar[Counter] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.app, self.session = type(self).fresh()
        self.banks, self.operator, self.worker_runs = Banks(), Operator(), True
        self.pairs: list[Pair] = []

    @initialize(
        zones=st.sampled_from((("UTC", "UTC"), ("America/New_York", "Asia/Kolkata"))),
        balance=amounts(100, 60, 20),
        cards=st.sampled_from((0, 1, 2, 3, 3, 4)),
        consents=st.lists(st.sampled_from((True, True, True, False)), min_size=4, max_size=4),
        settings=settings,
    )
    def begin(self, zones, balance, cards, consents, settings) -> None:
        for zone, wallet in zip(zones, WALLETS, strict=True):
            world = World(self.app, self.session)
            created = world.account(balance=f"{balance // UNIT}.00")
            world.account_id = created.account_id
            self.session.get_one(Account, world.account_id).time_zone = zone
            self.session.commit()
            company = Company(self.banks, self.operator, zone, balance, world.clock.now())
            pair = Pair(world, company, wallet)
            self.pairs.append(pair)
            for card, consent in zip(pair.wallet[:cards], consents, strict=False):
                pair.add(card, consent)
            if settings:
                pair.apply(settings)

    def _card(self, pair: Pair, number: int):
        cards = pair.company.cards
        return cards[number % len(cards)] if cards else None

    # Customer actions

    @rule(index=index, what=list_changes, number=nth, place=nth, on=st.booleans())
    def change_the_list(self, index, what, number, place, on):
        pair = self.pairs[index]
        if what == "add":
            pair.add(pair.wallet[number % len(pair.wallet)], consent=on)
        elif card := self._card(pair, number):
            if what == "remove":
                pair.remove(card)
            elif what == "move":
                pair.move(card, place % len(pair.company.cards))
            else:
                pair.switch(card, on)

    @rule(index=index, settings=settings | settings | wrong_settings)
    def apply(self, index, settings):
        self.pairs[index].apply(settings)

    @precondition(lambda self: self._any(lambda company: company.cards))
    @rule(index=index, number=nth, amount=payments, scripted=answer, then_low=st.booleans())
    def pay(self, index, number, amount, scripted, then_low):
        if card := self._card(self.pairs[index], number):
            self._script_answers(index, [card], [scripted])
            self.pairs[index].pay(card, amount)
        if then_low:  # while the payment may still succeed (T15)
            self.compare()
            self.use_below_threshold(index, [], UNIT)

    @precondition(lambda self: self._any(lambda company: company.cards))
    @rule(index=index, amount=payments, scripted=st.lists(answer, max_size=3))
    def pay_by_chain(self, index, amount, scripted):
        self._script_answers(index, self.pairs[index].company.candidates(), scripted)
        self.pairs[index].pay_by_chain(amount)

    @precondition(lambda self: self._any(lambda company: any(a.code for a in company.attempts)))
    @rule(index=index, number=nth, scripted=answer)
    def retry(self, index, number, scripted):
        pair = self.pairs[index]
        failed = [a for a in pair.company.attempts if a.state == "declined"]
        if failed:
            attempt = failed[-1 - number % len(failed)]
            self._script_answers(index, [attempt.card], [scripted])
            pair.retry(attempt)

    @precondition(
        lambda self: self._any(lambda company: any(w.kind != "automatic" for w in company.payments))
    )
    @rule(index=index)
    def press_again(self, index):
        self.pairs[index].press_again()

    @precondition(
        lambda self: self._any(lambda company: any(card.out_until for card in company.cards))
    )
    @rule(index=index, number=nth)
    def restore(self, index, number):
        if card := self._card(self.pairs[index], number):
            self.pairs[index].restore(card)

    @precondition(lambda self: self._any(lambda company: company.paused_at))
    @rule(index=index)
    def resume(self, index):
        self.pairs[index].resume()

    @precondition(lambda self: self._any(_is_asked))
    @rule(
        index=index,
        how=st.sampled_from(("complete", "complete", "fail", "cancel")),
        back=st.booleans(),
    )
    def answer_the_bank(self, index, how, back):
        for attempt in self._asked(index)[:1]:
            self.pairs[index].answer_the_bank(attempt, how)
            if back:
                self.pairs[index].back_from_bank(attempt, give_up=False)

    @precondition(lambda self: self._any(_is_asked))
    @rule(index=index, give_up=st.booleans())
    def back_from_bank(self, index, give_up):
        for attempt in self._asked(index)[:1]:
            self.pairs[index].back_from_bank(attempt, give_up)

    def _asked(self, index):
        attempts = self.pairs[index].company.attempts
        return [a for a in attempts if a.state == "open" and a.waiting_for == CHALLENGED]

    # Usage, banks and operators

    @rule(index=index, scripted=st.lists(answer, max_size=3), by=debits)
    def use(self, index, scripted, by):
        self._script_answers(index, self.pairs[index].company.candidates(), scripted)
        self.pairs[index].use(by)

    @rule(index=index, scripted=st.lists(answer, max_size=3), by=debits)
    def use_below_threshold(self, index, scripted, by):
        company = self.pairs[index].company
        self._script_answers(index, company.candidates(), scripted)
        if company.settings.threshold is not None:
            above = max(0, company.balance - company.settings.threshold)
            most = self.operator.largest_usage
            while above + by > most >= by:
                self.pairs[index].use(min(above, most))
                above -= min(above, most)
            self.pairs[index].use(above + by)

    @rule(index=index, times=st.integers(2, 5), by=debits, wait=st.sampled_from((0, 2, 40, 61)))
    def cross_the_threshold_repeatedly(self, index, times, by, wait):
        """T10, N2, N5: a burst, or several crossings apart in time."""
        for _ in range(times):
            self.use_below_threshold(index, [], by)
            self.compare()
            if wait:
                self._move_to(self.pairs[0].company.now + timedelta(minutes=wait))

    @precondition(lambda self: self._any(lambda company: company.cards))
    @rule(index=index, number=nth, then_low=st.sampled_from((True, True, False)))
    def remove_at_processor(self, index, number, then_low):
        """M13: a card is removed at the processor and the event is lost; not during a charge."""
        pair = self.pairs[index]
        card = self._card(pair, number)
        if card and not any(a.card is card and a.state == "open" for a in pair.company.attempts):
            pair.remove_at_processor(card)
            if then_low:
                self.use_below_threshold(index, [], UNIT)

    def _script_answers(self, index, cards, scripted):
        for card, answer in zip(cards, scripted, strict=False):
            if answer and not self.banks.scripted[card.last4]:
                self.pairs[index].script_answer(card, *answer)

    @rule(index=index, days=st.sampled_from((2, 5, 5, 5)), answer=declines, way_back=ways_back)
    def decline_for_days(self, index, days, answer, way_back):
        """T16: a decline each time the suspension has ended or the customer has restored the
        method.
        """
        pair = self.pairs[index]
        for _ in range(days):
            for card in pair.company.candidates()[:1]:
                pair.script_answer(card, *answer)
                self.use_below_threshold(index, [], UNIT)
                self.compare()
                if way_back == "restore" and card in pair.company.cards:
                    pair.restore(card)
                    self._move_to(pair.company.now + timedelta(minutes=15))
                elif way_back == "time" and card.out_until:
                    self._move_to(card.out_until)

    @rule(index=index, offset=st.sampled_from((-1, 0, 1)), notice=st.booleans())
    def use_up_to_the_threshold(self, index, offset, notice):
        """Exactly to the threshold, or one micro beside it (T3, N2)."""
        company = self.pairs[index].company
        s = company.settings
        threshold = s.notify_below if notice else s.threshold
        if threshold is not None and company.balance - threshold + offset > 0:
            self.pairs[index].use(company.balance - threshold + offset)

    @rule(
        index=index, what=st.sampled_from(("wire", "lost wire", "adjustment")), amount=adjustments
    )
    def book_by_hand(self, index, what, amount):
        if what == "adjustment":
            self.pairs[index].adjust(amount)
        else:
            self.pairs[index].wire(100 * UNIT, arrives=what == "wire")

    @precondition(lambda self: self._any(lambda company: any(a.is_stuck for a in company.attempts)))
    @rule(index=index)
    def decide(self, index):
        for attempt in self.pairs[index].company.attempts:
            if attempt.is_stuck and attempt.state == "open":
                self.pairs[index].decide_not_charged(attempt)

    @rule(
        automatic=st.sampled_from(("on", "on", "on", "on", "off", "dry-run")),
        least=amounts(30, 30, 50),
        most=amounts(10_000, 10_000, 150),
        largest_usage=amounts(1_000, 100_000),
    )
    def restart_with_other_settings(self, automatic, least, most, largest_usage):
        self.operator.automatic, self.operator.least, self.operator.most = automatic, least, most
        self.operator.largest_usage = largest_usage
        policy = with_bounds(
            Policy(automatic=Automatic(automatic)),
            payment_min=least,
            payment_max=most,
            usage_max=largest_usage,
        )
        services = replace(self.app.extensions["ballast"], policy=policy)
        self.app.extensions["ballast"] = services
        for pair in self.pairs:
            pair.world.services, pair.world.policy = services, policy

    # The clock and the worker

    @rule(span=spans)
    def wait(self, span):
        self._move_to(self.pairs[0].company.now + span)

    @rule(number=st.integers(0, 30), offset=st.sampled_from((-1, 0, 0, 1)))
    def wait_for_a_deadline(self, number, offset):
        """Move to a deadline, or to a second before or after it (F1, T10, L10, N5)."""
        now = self.pairs[0].company.now
        deadlines = sorted({
            end + timedelta(seconds=offset)
            for pair in self.pairs
            for end in pair.company.deadlines()
        })  # fmt: skip
        ahead = [end for end in deadlines if end > now]
        if ahead:
            self._move_to(ahead[number % len(ahead)])

    def _move_to(self, instant):
        self.pairs[0].world.clock.at = instant
        for pair in self.pairs:
            pair.company.now = instant
        if self.worker_runs:
            self._run_worker()

    @rule(what=st.sampled_from(("start", "stop", "run once")))
    def control_scheduler(self, what):
        if what == "run once":
            self._run_worker()
        else:
            self.worker_runs = what == "start"

    @precondition(lambda self: self._any(lambda company: company.top_up))
    @rule(index=index, dies=st.sampled_from(("before", "after")))
    def die_while_charging(self, index, dies):
        self.pairs[index].die_while_charging(dies)

    def _run_worker(self):
        self.pairs[0].world.run()
        for pair in self.pairs:
            company = pair.company
            company.end_suspensions()
            company.reconcile()
            company.sweep()
            company.note_low()
            company.run_pending()

    # After each step

    @invariant()
    def compare(self):
        self.reached["steps"] += 1
        for _ in range(ROUNDS if self.worker_runs else 0):
            self.pairs[0].world.run("top up")
            for pair in self.pairs:
                pair.company.run_pending()
            if not self._any(lambda company: company.top_up or company.open_chains()):
                break
        for pair in self.pairs:
            pair.agree()

    def _any(self, what) -> bool:
        return any(what(pair.company) for pair in self.pairs)

    def teardown(self):
        """L13: the ledger check finds no differences either."""
        found = check_ledger(self.session, self.app.extensions["ballast"].sandbox.paid_charges)
        assert found.agrees, found.differences
        for pair in self.pairs:
            self.reached.update(pair.company.reached)
