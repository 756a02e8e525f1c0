"""The product rules, implemented a second time for one company and without product code.

The model has its own records, arithmetic and order of events. It knows what each bank will answer
and derives what must happen next; where product and model differ, one of them is wrong.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tests.model.bank import CHALLENGED, GIVEN_UP, GONE, NO_ANSWER, NOT_LOOKED_AT, PAID, Banks
from tests.model.records import (
    CENT,
    HOUR,
    MINUTE,
    NETWORKS_FORBID,
    SECOND,
    Attempt,
    Card,
    Operator,
    Payment,
    Refused,
    Settings,
    TopUp,
)


@dataclass
class Company:
    banks: Banks
    operator: Operator
    zone: str
    balance: int
    now: datetime
    cards: list[Card] = field(default_factory=list)
    removed: dict[str, Card] = field(default_factory=dict)
    """Removed cards, whose history still counts (M12)."""
    settings: Settings = field(default_factory=Settings)
    payments: list[Payment] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    top_up: TopUp | None = None
    paused_at: datetime | None = None
    resumed_at: datetime | None = None
    all_failed_mailed: bool = False
    blocked_mailed: bool = False
    """T17: an email has said that the refill that is due cannot be charged."""
    armed: bool = True
    notified_at: datetime | None = None
    used: list[tuple[datetime, int]] = field(default_factory=list)
    mails: set[tuple[str, object]] = field(default_factory=set)
    lines: list[set[str]] = field(default_factory=list)
    """For each check in this step, the reasons that applied; one must be recorded (E1)."""
    reached: Counter = field(default_factory=Counter)
    """How often the walk reached each situation; a walk that never reaches one proves nothing about
    it.
    """
    routine_lines: list[set[str]] = field(default_factory=list)
    """The same for routine checks, which do not repeat the last recorded reason."""

    # Queries

    @property
    def mail_counts(self) -> Counter:
        return Counter(kind for kind, _ in self.mails)

    def is_below(self) -> bool:
        s = self.settings
        return s.refill_on and s.threshold is not None and self.balance < s.threshold

    def taken_since(self, start: datetime, without: Attempt | None = None) -> int:
        """Automatic refills since `start` that were taken or may still be taken (T10)."""
        return sum(
            attempt.amount
            for attempt in self.attempts
            if attempt.automatic
            and attempt is not without
            and (attempt.state == "open" or (attempt.state == "paid" and attempt.taken_at >= start))
        )

    def in_ten_minutes(self, at: datetime, without: Attempt | None = None) -> int:
        """Automatic top-ups that count towards the burst limit (T10)."""
        since = max(at - 10 * MINUTE, self.resumed_at or at - 10 * MINUTE)
        return sum(
            attempt.automatic
            and attempt is not without
            and attempt.state in ("open", "paid")
            and since < (attempt.taken_at or attempt.begun) < at + 10 * MINUTE
            for attempt in self.attempts
        )

    def day_start(self) -> datetime:
        return midnight(self.now, self.zone)

    def month_start(self) -> datetime:
        return midnight(self.now, self.zone, day=1)

    def tomorrow(self) -> datetime:
        return midnight(self.day_start() + timedelta(hours=36), self.zone)

    def next_month_start(self) -> datetime:
        return midnight(self.month_start() + timedelta(days=40), self.zone, day=1)

    def deadlines(self) -> list[datetime]:
        """Instants at which something ends or becomes due."""
        minutes = [10, 15, 30, 60, 23 * 60]
        deadlines = [self.tomorrow(), self.next_month_start()]
        deadlines += [a.begun + m * MINUTE for a in self.attempts[-4:] for m in minutes]
        deadlines += [a.ask_at for a in self.attempts if a.state == "open"]
        deadlines += [card.out_until for card in self.cards if card.out_until]
        deadlines += [card.expired_from for card in self.cards if card.expired_from.year < 2030]
        deadlines += [self.notified_at + HOUR] if self.notified_at else []
        return deadlines

    # T5–T10, T15: the next method and amount, or every reason for not charging

    def why_not(
        self, tried: frozenset | set = frozenset(), without: Attempt | None = None
    ) -> set[str]:
        waiting = any(a.state == "open" and a is not without for a in self.attempts)
        by_hand = any(w.state == "open" and w.kind != "automatic" for w in self.payments)
        reasons = set()
        if waiting or by_hand:
            reasons.add("waiting_for_outcome")
        if not self.settings.refill_on:
            return reasons | {"refill_off"}
        if not self.is_below():
            reasons.add("above_threshold")
        if self.operator.automatic == "off":
            reasons.add("automatic_payments_off")
        if self.paused_at:
            reasons.add("paused")
        if self.settings.are_wrong(self.operator):
            return reasons | {"settings_out_of_bounds"}
        if not any(card.consent for card in self.cards):
            reasons.add("no_method_with_auto_charge")
        elif not self.cards[0].consent:
            reasons.add("primary_auto_charge_off")
        elif not self.candidates(tried):
            reasons.add("all_methods_failed" if tried else "all_suspended")
        if not reasons and self.amount(without) < self.operator.least:
            return {"cap_reached"}
        if not reasons and self.in_ten_minutes(self.now, without) >= 3:
            return {"paused"}
        if not reasons and self.operator.automatic == "dry-run":
            return {"dry_run"}
        return reasons

    def forecast(self) -> tuple[int, list[Card]]:
        """The amount and methods of the next refill (T13); 0 if the amount is not known yet."""
        was, below = self.balance, self.is_below()
        if self.settings.refill_on and not below and self.settings.threshold is not None:
            self.balance = self.settings.threshold - 1
        try:
            if self.why_not() - {"dry_run"}:
                return 0, []
            open_end = self.settings.mode == "target" and not below
            return 0 if open_end else self.amount(), self.candidates()
        finally:
            self.balance = was

    def candidates(self, tried: frozenset | set = frozenset()) -> list[Card]:
        """Methods with consent that can be charged, in order, each once (T6, T7).

        `why_not` decides whether any may be charged now.
        """
        return [c for c in self.cards if c.consent and c.is_fit(self.now) and c not in tried]

    def amount(self, without: Attempt | None = None) -> int:
        """The refill amount, or the gap up to the largest charge (T9), reduced by the limits."""
        s, amount = self.settings, self.settings.refill
        if s.mode == "target":
            gap = s.target - self.balance
            amount = min(max(gap + -gap % CENT, self.operator.least), s.largest_charge)
            self.reached["the largest charge"] += amount < gap
        for limit, start in ((s.day_limit, self.day_start()), (s.month_limit, self.month_start())):
            if limit is not None:
                amount = min(amount, max(0, limit - self.taken_since(start, without)))
        return amount

    # Customer actions and usage

    def use(self, amount: int) -> None:
        if amount > self.operator.largest_usage:
            self.reached["usage too large"] += 1
            self.lines.append({"usage_too_large"})
            return
        self.balance -= amount
        self.used.append((self.now, amount))
        if self.is_below():
            self.check()
        else:
            self.note_low()

    def add(self, card: Card, consent: bool) -> None:
        listed = next((c for c in self.cards if c.last4 == card.last4), None)
        if listed is None:
            card = self.removed.pop(card.last4, card)
            card.consent = not self.cards
            self.cards.append(card)
            listed = card
        listed.consent |= consent
        listed.reference, listed.is_gone = listed.reference + 1, False
        self.check()

    def remove(self, card: Card) -> None:
        self.cancel_challenge(card)
        self.require_no_open_payment(card)
        self.cards.remove(card)
        self.removed[card.last4] = card
        self.note_withdrawal()
        self.check()

    def reorder(self, order: list[Card]) -> None:
        if order != self.cards:
            self.cards = list(order)
            self.note_withdrawal()
            self.check()

    def switch(self, card: Card, on: bool) -> None:
        if card.consent == on:
            return
        card.consent = on
        if not on:
            self.note_withdrawal()
        self.check()

    def note_withdrawal(self) -> None:
        """T14: a withdrawal during an automatic refill lets that payment finish."""
        if any(a.automatic and a.state == "open" for a in self.attempts):
            self.lines.append({"withdrawn_after_start"})
            self.reached["withdrawn too late"] += 1

    def apply(self, settings: Settings) -> None:
        turned_on = settings.refill_on and not self.settings.refill_on
        if settings.are_wrong(self.operator):
            raise Refused
        if turned_on and not any(card.consent for card in self.cards):
            raise Refused
        if settings.refill_on and settings.day_limit is None and not settings.no_day_limit:
            settings = replace(settings, day_limit=self.default_day_limit(settings))
        if settings == self.settings:
            return
        was = (self.settings.notify_on, self.settings.notify_below)
        if settings.refill_part() != self.settings.refill_part():
            self.note_withdrawal()
        self.settings = settings
        if was != (settings.notify_on, settings.notify_below):
            self.armed = True
        self.check()

    def default_day_limit(self, settings: Settings) -> int:
        """T10: five times the largest charge, or twice the busiest of the last 30 days if more."""
        days = Counter()
        for at, amount in self.used:
            days[midnight(at, self.zone)] += amount
        month_start = midnight(self.day_start() - timedelta(days=29) + 12 * HOUR, self.zone)
        twice = 2 * max((used for day, used in days.items() if day >= month_start), default=0)
        by_use = twice + -twice % CENT
        self.reached["a daily limit by use"] += by_use > 5 * settings.largest
        return max(5 * settings.largest, by_use)

    def pay(self, card: Card, amount: int) -> Payment:
        self.require_bounds(amount)
        self.cancel_challenge(card)
        self.require_no_open_payment(card)
        return self._pay_with(card, amount, "instant")

    def retry(self, failed: Attempt) -> Payment:
        self.cancel_challenge(failed.card)
        root = failed.root or failed
        if failed.state != "declined" or failed.card not in self.cards:
            raise Refused
        if any(a.root is root and a.state == "paid" for a in self.attempts):
            raise Refused
        self.require_no_open_payment(failed.card)
        return self._pay_with(failed.card, failed.amount, "retry", root)

    def _pay_with(self, card: Card, amount: int, kind: str, root: Attempt | None = None) -> Payment:
        payment = self._payment(kind, amount)
        attempt = self.begin(payment, card, root)
        self.settle(attempt, self.banks.charge(attempt, self.now))
        return payment

    def pay_by_chain(self, amount: int) -> Payment:
        for card in list(self.cards):
            self.cancel_challenge(card)
        self.require_bounds(amount)
        if not self._chain(set()):
            raise Refused
        payment = self._payment("auto_charge", amount)
        self.continue_payment(payment)
        return payment

    def restore(self, card: Card) -> None:
        """Restoring a method lifts its suspension and changes nothing else (F4)."""
        if card.forbidden or card.declines >= 5:
            raise Refused
        if card.reference in card.gone_there:
            self._mark_removed(card)
            raise Refused
        if card.habit != "pays" or self.now >= card.expired_from:
            raise Refused  # the bank does not verify the card
        was_out = card.out_until is not None and not card.end_recorded
        card.out_until, card.end_recorded = None, True
        if was_out:
            self.reached["restored without paying"] += 1
            self.lines.append({"restored"})
            self.check()

    def resume(self) -> None:
        if self.paused_at is not None:
            self.paused_at, self.resumed_at = None, self.now
            self.lines.append({"resumed"})
            self.check()

    def back_from_bank(self, attempt: Attempt, give_up: bool) -> None:
        if attempt.state != "open" or attempt.waiting_for != CHALLENGED:
            return
        if give_up:
            self.banks.answer(attempt, "cancel", self.now)
        self.settle(attempt, attempt.booked.outcome)

    # Provider actions

    def wire(self, amount: int) -> None:
        self.balance += amount
        self.mail("wire_completed", object())
        self.check(routine=True)

    def adjust(self, amount: int) -> None:
        self.balance += amount
        self.check()

    def decide_not_charged(self, attempt: Attempt) -> None:
        attempt.is_stuck = False
        self.settle(attempt, GIVEN_UP)

    # Scheduled work

    def end_suspensions(self) -> None:
        """End the suspensions whose time is over (F6)."""
        ended = [c for c in self.cards if not c.end_recorded and c.out_until <= self.now]
        for card in ended:
            card.end_recorded, card.out_until = True, None
            if card.consent and card.is_fit(self.now):
                self.lines.append({"suspension_ended"})
                self.check()

    def reconcile(self) -> None:
        due = [a for a in self.attempts if a.state == "open" and a.ask_at <= self.now]
        for attempt in sorted(due, key=lambda a: (a.ask_at, self.attempts.index(a))):
            if attempt.state == "open" and attempt.ask_at <= self.now:
                self._follow_up(attempt)

    def _follow_up(self, attempt: Attempt) -> None:
        """Query or repeat an attempt whose outcome is unknown (L8, L10)."""
        age = self.now - attempt.begun
        attempt.ask_at = _next_question(attempt.begun, self.now)
        if attempt.waiting_for == CHALLENGED:
            self.banks.answer(attempt, "cancel", self.now)
            self.settle(attempt, attempt.booked.outcome)
        elif attempt.waiting_for == NOT_LOOKED_AT:
            repeated = age < 23 * HOUR and self._still_wanted(attempt)
            outcome = self.banks.charge(attempt, self.now) if repeated else GIVEN_UP
            self.settle(attempt, outcome)
        elif attempt.booked is not None:
            self.settle(attempt, attempt.booked.outcome)
        elif 30 * MINUTE <= age < 23 * HOUR:
            wanted = self._still_wanted(attempt)
            self.reached["asked again under the same key" if wanted else "not asked again"] += 1
            self.settle(attempt, self.banks.charge(attempt, self.now) if wanted else GIVEN_UP)
        elif age >= 23 * HOUR and not attempt.is_stuck:
            attempt.is_stuck = True
            self.reached["left to the operator"] += 1
            self.lines.append({"operator_must_decide"})
        if attempt.state == "open" and age >= HOUR and not attempt.unknown_mailed:
            attempt.unknown_mailed = True
            self.mail("still_unknown", attempt)

    def _still_wanted(self, attempt: Attempt) -> bool:
        if not attempt.automatic:
            return True
        tried = attempt.payment.tried - {attempt.card}
        if self.why_not(tried, attempt):
            return False
        return (self.candidates(tried)[0], self.amount(attempt)) == (attempt.card, attempt.amount)

    def sweep(self) -> None:
        if self.top_up is None and self.is_below():
            self.check(routine=True)

    def run_pending(self) -> None:
        """The work that the worker does within a second."""
        top_up_is_ready = self.top_up and not any(a.state == "open" for a in self.attempts)
        chains = [payment for payment in self.open_chains() if not payment.is_waiting]
        if top_up_is_ready:
            self.continue_top_up()
        for payment in chains:
            self.continue_payment(payment)

    def open_chains(self) -> list[Payment]:
        return [w for w in self.payments if w.kind == "auto_charge" and w.state == "open"]

    def continue_top_up(self, dies: str = "") -> Attempt | None:
        """Charge until the top-up ends or waits.

        With `dies` ("before" or "after" the call) the process dies after writing the first attempt.
        """
        top_up = self.top_up
        while top_up is not None and top_up is self.top_up:
            payment = top_up.payment
            if payment is not None and payment.is_waiting:
                return None
            tried = payment.tried if payment else set()
            why = self.why_not(tried)
            if "waiting_for_outcome" in why:
                return None
            if why:
                self.top_up = None
                self._stop(why, self.lines)
                if payment is not None:
                    self.fail(payment, all_failed=why == {"all_methods_failed"})
                return None
            if payment is None:
                top_up.payment = payment = self._payment("automatic", 0)
            payment.amount = self.amount()
            attempt = self.begin(payment, self.candidates(tried)[0])
            self.lines.append({"charging"})
            if dies:
                if dies == "after":
                    self.banks.charge(attempt, self.now)
                return attempt
            self.settle(attempt, self.banks.charge(attempt, self.now))
        return None

    def continue_payment(self, payment: Payment) -> None:
        while payment.state == "open" and not payment.is_waiting:
            chain = self._chain(payment.tried)
            if not chain or self.now - payment.begun > 15 * MINUTE:
                first_is_on = bool(self.cards) and self.cards[0].consent
                left = self.candidates(payment.tried) if first_is_on else []
                self.fail(payment, all_failed=bool(payment.attempts) and not left)
                self.check()
                return
            attempt = self.begin(payment, chain[0])
            self.settle(attempt, self.banks.charge(attempt, self.now))

    def _chain(self, tried: set[Card]) -> list[Card]:
        if not self.cards or not self.cards[0].consent:
            return []
        busy = {a.card for a in self.attempts if a.state == "open"}
        return [card for card in self.candidates(tried) if card not in busy]

    # Consequences

    def check(self, *, routine: bool = False) -> None:
        """Check the balance and record the result (T4, E1)."""
        if not self.is_below():
            self.blocked_mailed = False
        self.note_low()
        if (routine and not self._is_low()) or not self.settings.refill_on:
            return
        why = self.why_not()
        if not why:
            self.top_up = self.top_up or TopUp()
        elif routine and why & {"waiting_for_outcome", "above_threshold"}:
            pass  # unchanged, so nothing is recorded
        elif why >= {"waiting_for_outcome", "above_threshold"}:
            pass  # it could not have led to a charge
        else:
            self._stop(why, self.routine_lines if routine else self.lines)

    def _stop(self, why: set[str], lines: list[set[str]]) -> None:
        if why == {"paused"} and not self.paused_at:
            self.pause()
            return
        lines.append(why)
        self._mail_why(why)

    def _is_low(self) -> bool:
        s = self.settings
        return self.is_below() or (s.notify_on and self.balance < s.notify_below)

    def note_low(self) -> None:
        """Send the low-balance email once per crossing, at most once an hour (N2, N5)."""
        s = self.settings
        if not s.notify_on:
            return
        if self.balance >= s.notify_below:
            self.armed = True
        elif self.armed and (self.notified_at is None or self.now - self.notified_at >= HOUR):
            self.armed, self.notified_at = False, self.now
            self.reached["low balance notification"] += 1
            self.mail("low_balance", self.now)

    def pause(self) -> None:
        self.paused_at = self.now
        self.note_withdrawal()
        self.reached["paused after a burst"] += 1
        self.lines.append({"paused"})
        self.mail("paused", self.now)
        self.blocked_mailed |= self.is_below()

    def begin(self, payment: Payment, card: Card, root: Attempt | None = None) -> Attempt:
        there = payment.kind in ("instant", "retry")
        attempt = Attempt(
            payment, card, payment.amount, self.now, self.now + 10 * SECOND, there, root=root
        )
        attempt.reference = card.reference
        payment.attempts.append(attempt)
        self.attempts.append(attempt)
        return attempt

    def settle(self, attempt: Attempt, outcome: str) -> None:
        payment = attempt.payment
        if outcome in (NO_ANSWER, NOT_LOOKED_AT) and (attempt.automatic or outcome == NO_ANSWER):
            attempt.waiting_for = outcome
            self.reached[f"{outcome}, {payment.kind}"] += 1
            self._count_refusals(attempt, outcome)
            self.mail_suspensions(payment)
            return
        if outcome == CHALLENGED and attempt.customer_present:
            self.reached["the bank asks"] += attempt.waiting_for != CHALLENGED
            attempt.waiting_for, attempt.ask_at = CHALLENGED, attempt.begun + 15 * MINUTE
            return
        attempt.is_stuck = False
        if outcome == PAID:
            self._credit(attempt)
        elif outcome in (GIVEN_UP, NOT_LOOKED_AT):
            attempt.state, payment.state = "given up", "given up"
            if attempt.automatic:
                self.top_up = None
        elif outcome == GONE:
            self._mark_declined_as_gone(attempt)
        else:
            self._decline(attempt, "authentication_required" if outcome == CHALLENGED else outcome)
        if attempt.state == "declined" and attempt.customer_present:
            payment.state = "failed"
        if payment.state != "open":
            self.check(routine=True)
            self.mail_suspensions(payment)

    def _count_refusals(self, attempt: Attempt, outcome: str) -> None:
        """The third refusal in a row goes before the operator, until a different answer arrives
        (L8).
        """
        if outcome != NOT_LOOKED_AT:
            attempt.is_stuck &= not attempt.refusals
            attempt.refusals = 0
            return
        attempt.refusals += 1
        if attempt.refusals == 3:
            attempt.is_stuck = True
            self.reached["refused three times"] += 1
            self.lines.append({"operator_must_decide"})

    def _mark_declined_as_gone(self, attempt: Attempt) -> None:
        """M13: conclusive, and nothing is suspended."""
        attempt.state, attempt.code = "declined", GONE
        self.reached[f"gone, {attempt.payment.kind}"] += 1
        if attempt.reference == attempt.card.reference:
            self._mark_removed(attempt.card)
        self.lines.append({"declined"})

    def _mark_removed(self, card: Card) -> None:
        if not card.is_gone and card in self.cards:
            card.is_gone = True
            self.lines.append({"method_gone"})

    def _credit(self, attempt: Attempt) -> None:
        attempt.state, attempt.payment.state = "paid", "paid"
        attempt.taken_at = attempt.booked.at
        self.reached[f"paid, {attempt.payment.kind}"] += 1
        self.reached["paid, learned late"] += self.now > attempt.taken_at
        self.reached["a method healed"] += attempt.card.is_out(self.now)
        self.balance += attempt.amount
        self.all_failed_mailed = False
        self.mail("receipt", attempt)
        self.lines.append({"charged"})
        card = attempt.card
        if card.failed_at is None or attempt.begun >= card.failed_at:  # F8
            card.out_until, card.end_recorded = None, True
            card.forbidden, card.declines, card.restored_at = False, 0, attempt.begun
        if attempt.automatic:
            self.top_up = None
            if not self.paused_at and self.in_ten_minutes(attempt.begun) > 3:
                self.pause()

    def _decline(self, attempt: Attempt, code: str) -> None:
        """Record the decline and suspend the method (F1, F3, F8, T16)."""
        attempt.state, attempt.code = "declined", code
        self.reached[f"declined, {attempt.payment.kind}"] += 1
        self.lines.append({"declined"})
        card, at = attempt.card, attempt.booked.at
        if card.restored_at is not None and at < card.restored_at:
            return
        attempt.newly_suspended = not card.is_out(at) and (card.consent or attempt.automatic)
        if card.failed_at is None or at >= card.failed_at:
            card.failed_at, card.out_until, card.end_recorded = at, at + 48 * HOUR, False
        card.forbidden |= code in NETWORKS_FORBID
        card.declines += attempt.automatic
        self.reached["forbidden by the networks"] += code in NETWORKS_FORBID
        self.reached["five declines in a row"] += card.declines == 5
        self.reached["a decline learned late"] += self.now > at

    def fail(self, payment: Payment, *, all_failed: bool) -> None:
        payment.state = "failed"
        self.mail_suspensions(payment)
        if all_failed and not self.all_failed_mailed:
            self.all_failed_mailed = True
            self.reached["all failed"] += 1
            self.mail("all_failed", payment)
            self.blocked_mailed |= self.is_below()

    def mail_suspensions(self, payment: Payment) -> None:
        """F11: one email per suspended method; F7: with a link if authentication could help."""
        for attempt in payment.attempts:
            if not attempt.newly_suspended:
                continue
            link = attempt.automatic and attempt.code == "authentication_required"
            kinds = ("authentication_required", "method_suspended")
            if not any((kind, attempt) in self.mails for kind in kinds):
                self.mail(kinds[0 if link and payment.state != "paid" else 1], attempt)

    def mail(self, kind: str, about: object) -> None:
        self.mails.add((kind, about))

    def _mail_why(self, why: set[str]) -> None:
        """T10, T17: one email per limit window, otherwise one while the refill is due.

        None while a refill is open, because its end has one (T11).
        """
        if why == {"cap_reached"} and self._mail_limit():
            self.blocked_mailed = True
        not_blocked = {"waiting_for_outcome", "above_threshold", "dry_run"}
        if self.blocked_mailed or self.top_up or why & not_blocked:
            return
        if why == {"all_methods_failed"}:
            return
        self.blocked_mailed = True
        for reason in why:
            self.reached[f"blocked, {reason}"] += 1
        self.mail("refill_blocked", object())

    def _mail_limit(self) -> bool:
        month_limit, taken = self.settings.month_limit, self.taken_since(self.month_start())
        by_month = month_limit is not None and month_limit - taken < self.operator.least
        window = ("month", self.next_month_start()) if by_month else ("day", self.tomorrow())
        self.reached[f"limit of a {window[0]} reached"] += 1
        is_new = ("limit_reached", window) not in self.mails
        self.mail("limit_reached", window)
        return is_new

    def cancel_challenge(self, card: Card) -> None:
        """F9: an abandoned challenge blocks nothing. Refused if it was confirmed after all."""
        asked = [
            a for a in self.attempts
            if a.card is card and a.state == "open" and a.waiting_for == CHALLENGED
        ]  # fmt: skip
        for attempt in asked:
            self.back_from_bank(attempt, give_up=True)
            if attempt.state == "paid":
                raise Refused

    def require_bounds(self, amount: int) -> None:
        if not self.operator.least <= amount <= self.operator.most:
            raise Refused

    def require_no_open_payment(self, card: Card) -> None:
        if any(a.card is card and a.state == "open" for a in self.attempts):
            raise Refused

    def _payment(self, kind: str, amount: int) -> Payment:
        payment = Payment(kind, amount, self.now)
        self.payments.append(payment)
        return payment


def midnight(at: datetime, zone: str, day: int | None = None) -> datetime:
    """Start of that day, or of that day of its month, in the company's time zone (T10)."""
    local = at.astimezone(ZoneInfo(zone))
    began = local.replace(hour=0, minute=0, second=0, microsecond=0, day=day or local.day)
    return began.astimezone(UTC)


def _next_question(begun: datetime, now: datetime) -> datetime:
    """L10: after 10 s, 1, 5 and 15 min, then hourly from the start."""
    steps = [begun + step for step in (10 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE)]
    ahead = [step for step in steps if step > now]
    if ahead:
        return max(ahead[0], now + 10 * SECOND)
    in_first_half_hour = now - begun < 30 * MINUTE
    return max(min(now, begun) + HOUR if in_first_half_hour else now + HOUR, now + 10 * SECOND)
