"""A random walk: people, meter, banks, staff, clock and crashes, in any order."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.factories import World
from tests.model.bank import ASKS, Banks
from tests.model.pairs import ROUNDS, WALLETS, Pair
from tests.model.records import UNIT, Operator, Settings
from tests.model.rules import Company
from webapp.domain.accounts.account import Account
from webapp.domain.shared.policy import Automatic, Policy
from webapp.reads.ledger.ledger_check import check_ledger

nth = st.integers(0, 5)
"""Of whatever there is then."""
who = st.sampled_from((0, 0, 0, 1))


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
    return any(a.state == "open" and a.waits_for == ASKS for a in company.attempts)


class Walk(RuleBasedStateMachine):
    fresh: Callable[[], tuple]
    """The application with an empty database, as a test has it."""
    reached: ClassVar[Counter] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.app, self.session = type(self).fresh()
        self.banks, self.operator, self.works = Banks(), Operator(), True
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

    # The customer's people

    @rule(who=who, what=list_changes, number=nth, place=nth, on=st.booleans())
    def change_the_list(self, who, what, number, place, on):
        pair = self.pairs[who]
        if what == "add":
            pair.add(pair.wallet[number % len(pair.wallet)], consent=on)
        elif card := self._card(pair, number):
            if what == "remove":
                pair.remove(card)
            elif what == "move":
                pair.move(card, place % len(pair.company.cards))
            else:
                pair.switch(card, on)

    @rule(who=who, settings=settings | settings | wrong_settings)
    def apply(self, who, settings):
        self.pairs[who].apply(settings)

    @precondition(lambda self: self._any(lambda it: it.cards))
    @rule(who=who, number=nth, amount=payments, said=answer, then_low=st.booleans())
    def pay(self, who, number, amount, said, then_low):
        if card := self._card(self.pairs[who], number):
            self._tell_banks(who, [card], [said])
            self.pairs[who].pay(card, amount)
        if then_low:  # while that may still succeed (T15)
            self.all_agrees()
            self.use_until_it_is_low(who, [], UNIT)

    @precondition(lambda self: self._any(lambda it: it.cards))
    @rule(who=who, amount=payments, said=st.lists(answer, max_size=3))
    def pay_by_chain(self, who, amount, said):
        self._tell_banks(who, self.pairs[who].company.in_line(), said)
        self.pairs[who].pay_by_chain(amount)

    @precondition(lambda self: self._any(lambda it: any(a.code for a in it.attempts)))
    @rule(who=who, number=nth, said=answer)
    def retry(self, who, number, said):
        pair = self.pairs[who]
        failed = [a for a in pair.company.attempts if a.state == "declined"]
        if failed:
            attempt = failed[-1 - number % len(failed)]
            self._tell_banks(who, [attempt.card], [said])
            pair.retry(attempt)

    @precondition(lambda self: self._any(lambda it: any(w.kind != "automatic" for w in it.wishes)))
    @rule(who=who)
    def press_again(self, who):
        self.pairs[who].press_again()

    @precondition(lambda self: self._any(lambda it: any(card.out_until for card in it.cards)))
    @rule(who=who, number=nth)
    def restore(self, who, number):
        if card := self._card(self.pairs[who], number):
            self.pairs[who].restore(card)

    @precondition(lambda self: self._any(lambda it: it.paused_at))
    @rule(who=who)
    def resume(self, who):
        self.pairs[who].resume()

    @precondition(lambda self: self._any(_is_asked))
    @rule(
        who=who, how=st.sampled_from(("complete", "complete", "fail", "cancel")), back=st.booleans()
    )
    def answer_the_bank(self, who, how, back):
        for attempt in self._asked(who)[:1]:
            self.pairs[who].answer_the_bank(attempt, how)
            if back:
                self.pairs[who].back_from_bank(attempt, give_up=False)

    @precondition(lambda self: self._any(_is_asked))
    @rule(who=who, give_up=st.booleans())
    def back_from_bank(self, who, give_up):
        for attempt in self._asked(who)[:1]:
            self.pairs[who].back_from_bank(attempt, give_up)

    def _asked(self, who):
        attempts = self.pairs[who].company.attempts
        return [a for a in attempts if a.state == "open" and a.waits_for == ASKS]

    # The meter, the banks and the provider's staff

    @rule(who=who, said=st.lists(answer, max_size=3), by=debits)
    def use(self, who, said, by):
        self._tell_banks(who, self.pairs[who].company.in_line(), said)
        self.pairs[who].use(by)

    @rule(who=who, said=st.lists(answer, max_size=3), by=debits)
    def use_until_it_is_low(self, who, said, by):
        company = self.pairs[who].company
        self._tell_banks(who, company.in_line(), said)
        if company.settings.threshold is not None:
            above = max(0, company.balance - company.settings.threshold)
            most = self.operator.largest_usage
            while above + by > most >= by:
                self.pairs[who].use(min(above, most))
                above -= min(above, most)
            self.pairs[who].use(above + by)

    @rule(who=who, times=st.integers(2, 5), by=debits, wait=st.sampled_from((0, 2, 40, 61)))
    def use_until_it_is_low_again_and_again(self, who, times, by, wait):
        """T10, N2, N5: a burst, or so many crossings one after the other."""
        for _ in range(times):
            self.use_until_it_is_low(who, [], by)
            self.all_agrees()
            if wait:
                self._move_to(self.pairs[0].company.now + timedelta(minutes=wait))

    @precondition(lambda self: self._any(lambda it: it.cards))
    @rule(who=who, number=nth, then_low=st.sampled_from((True, True, False)))
    def remove_there(self, who, number, then_low):
        """M13: a card is removed at the processor, whose event is lost. Not while it is charged."""
        pair = self.pairs[who]
        card = self._card(pair, number)
        if card and not any(a.card is card and a.state == "open" for a in pair.company.attempts):
            pair.remove_there(card)
            if then_low:
                self.use_until_it_is_low(who, [], UNIT)

    def _tell_banks(self, who, cards, said):
        for card, answer in zip(cards, said, strict=False):
            if answer and not self.banks.told[card.last4]:
                self.pairs[who].tell_the_bank(card, *answer)

    @rule(who=who, days=st.sampled_from((2, 5, 5, 5)), answer=declines, way_back=ways_back)
    def a_card_is_declined_for_days(self, who, days, answer, way_back):
        """T16: each time its suspension has ended, or sooner if somebody sees to that."""
        pair = self.pairs[who]
        for _ in range(days):
            for card in pair.company.in_line()[:1]:
                pair.tell_the_bank(card, *answer)
                self.use_until_it_is_low(who, [], UNIT)
                self.all_agrees()
                if way_back == "restore" and card in pair.company.cards:
                    pair.restore(card)
                    self._move_to(pair.company.now + timedelta(minutes=15))
                elif way_back == "time" and card.out_until:
                    self._move_to(card.out_until)

    @rule(who=who, beside=st.sampled_from((-1, 0, 1)), notice=st.booleans())
    def use_up_to_the_threshold(self, who, beside, notice):
        """To the very micro, or one beside it (T3, N2)."""
        company = self.pairs[who].company
        s = company.settings
        threshold = s.notify_below if notice else s.threshold
        if threshold is not None and company.balance - threshold + beside > 0:
            self.pairs[who].use(company.balance - threshold + beside)

    @rule(who=who, what=st.sampled_from(("wire", "lost wire", "adjustment")), amount=adjustments)
    def book_by_hand(self, who, what, amount):
        if what == "adjustment":
            self.pairs[who].adjust(amount)
        else:
            self.pairs[who].wire(100 * UNIT, comes=what == "wire")

    @precondition(lambda self: self._any(lambda it: any(a.is_stuck for a in it.attempts)))
    @rule(who=who)
    def decide(self, who):
        for attempt in self.pairs[who].company.attempts:
            if attempt.is_stuck and attempt.state == "open":
                self.pairs[who].decide_not_charged(attempt)

    @rule(
        automatic=st.sampled_from(("on", "on", "on", "on", "off", "dry-run")),
        least=amounts(30, 30, 50),
        most=amounts(10_000, 10_000, 150),
        largest_usage=amounts(1_000, 100_000),
    )
    def start_with_other_settings(self, automatic, least, most, largest_usage):
        self.operator.automatic, self.operator.least, self.operator.most = automatic, least, most
        self.operator.largest_usage = largest_usage
        policy = Policy(least, most, Automatic(automatic), usage_max=largest_usage)
        services = replace(self.app.extensions["ballast"], policy=policy)
        self.app.extensions["ballast"] = services
        for pair in self.pairs:
            pair.world.services, pair.world.policy = services, policy

    # The clock, and the processes

    @rule(span=spans)
    def wait(self, span):
        self._move_to(self.pairs[0].company.now + span)

    @rule(number=st.integers(0, 30), beside=st.sampled_from((-1, 0, 0, 1)))
    def wait_until_something_ends(self, number, beside):
        """Or until a second before it (F1, T10, L10, N5)."""
        now = self.pairs[0].company.now
        ends = sorted({
            end + timedelta(seconds=beside) for pair in self.pairs for end in pair.company.ends()
        })  # fmt: skip
        ahead = [end for end in ends if end > now]
        if ahead:
            self._move_to(ahead[number % len(ahead)])

    def _move_to(self, instant):
        self.pairs[0].world.clock.at = instant
        for pair in self.pairs:
            pair.company.now = instant
        if self.works:
            self._come_round()

    @rule(what=st.sampled_from(("start", "stop", "run once")))
    def see_to_the_scheduler(self, what):
        if what == "run once":
            self._come_round()
        else:
            self.works = what == "start"

    @precondition(lambda self: self._any(lambda it: it.need))
    @rule(who=who, dies=st.sampled_from(("before", "after")))
    def die_while_charging(self, who, dies):
        self.pairs[who].die_while_charging(dies)

    def _come_round(self):
        self.pairs[0].world.run()
        for pair in self.pairs:
            company = pair.company
            company.lift()
            company.reconcile()
            company.sweep()
            company.note_low()
            company.go_on()

    # After each step

    @invariant()
    def all_agrees(self):
        self.reached["steps"] += 1
        for _ in range(ROUNDS if self.works else 0):
            self.pairs[0].world.run("top up")
            for pair in self.pairs:
                pair.company.go_on()
            if not self._any(lambda company: company.need or company.open_chains()):
                break
        for pair in self.pairs:
            pair.agree()

    def _any(self, what) -> bool:
        return any(what(pair.company) for pair in self.pairs)

    def teardown(self):
        """L13: the books, by the product's own proof as well."""
        found = check_ledger(self.session, self.app.extensions["ballast"].sandbox.paid_charges)
        assert found.agrees, found.differences
        for pair in self.pairs:
            self.reached.update(pair.company.reached)
