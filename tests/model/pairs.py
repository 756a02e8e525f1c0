"""One company in two implementations: the product and the model.

Each method does the same to both; `agree` compares their state.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from secrets import token_hex

from sqlalchemy import text

from tests import wires
from tests.factories import AMEX, CHALLENGED_ALWAYS, DECLINING, DISCOVER, MASTERCARD, VISA, World
from tests.model.records import Attempt, Card, Refused, Settings
from tests.model.rules import Company
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.payment_methods.restore_method import restore_method
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.actions.top_ups.check_balance import what_next
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.actions.top_ups.top_up import start_attempt
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal
from webapp.domain.top_ups.top_up import open_top_up

WALLETS = (
    ((VISA, "Visa", "pays"), (MASTERCARD, "Mastercard", "pays"), (AMEX, "American Express", "pays"),
     (DECLINING, "Visa", "declines"), (CHALLENGED_ALWAYS, "Visa", "asks")),
    (("4111111111111111", "Visa", "pays"), (DISCOVER, "Discover", "pays")),
)  # fmt: skip
"""Cards of the first and the second company. No card is in both, so a scripted answer applies to
one company, whichever is processed first.
"""

EXPIRING = {AMEX, DISCOVER}
NEW_YEAR_EVERYWHERE = datetime(2027, 1, 1, 12, tzinfo=UTC)
LATER = datetime(2035, 1, 1, 12, tzinfo=UTC)

ROUNDS = 3
"""Passes of the worker after a step: the end of a payment chain may start a top-up."""

COUNTED_MAILS = (
    "low_balance", "receipt", "method_suspended", "authentication_required", "all_failed",
    "paused", "limit_reached", "still_unknown", "wire_completed", "refill_blocked",
)  # fmt: skip
COUNTED_LINES = (
    "charging", "declined", "charged", "resumed", "operator_must_decide", "usage_too_large",
)  # fmt: skip


class Pair:
    def __init__(self, world: World, company: Company, wallet) -> None:
        self.world, self.company = world, company
        self.wallet = [self._card(*card) for card in wallet]
        self.numbers = {number[-4:]: number for number, _, _ in wallet}
        self.last_press: Callable[[], object] = lambda: None
        self._last_line, self._last_times = 0, 0
        self._last_code = ""

    def _card(self, number: str, brand: str, habit: str) -> Card:
        last4 = number[-4:]
        expired_from = NEW_YEAR_EVERYWHERE if number in EXPIRING else LATER
        return Card(last4, f"{brand} •••• {last4}", habit, expired_from)

    # Lookup

    def method_id(self, card: Card) -> int:
        return self.world.method(card.last4).id

    def row(self, attempt: Attempt):
        return self.world.attempts[self.company.attempts.index(attempt)]

    def both(self, product: Callable[[], object], model: Callable[[], object]) -> bool:
        """Run both; return False if both refuse. Fails if only one refuses."""
        refused = []
        for action, refusal in ((product, Refusal), (model, Refused)):
            try:
                action()
            except refusal as reason:
                refused.append(repr(reason))
        self.world.session.rollback()
        assert len(refused) != 1, refused
        return not refused

    # Customer actions

    def add(self, which: Card, consent: bool) -> None:
        number = self.numbers[which.last4]
        expiry = "12/26" if number in EXPIRING else "12/34"
        if self.company.now >= which.expired_from:
            return
        self.both(
            lambda: self.world.card(number, expiry=expiry, consent=consent or None),
            lambda: self.company.add(which, consent),
        )

    def remove(self, card: Card) -> None:
        id_ = self.method_id(card)
        self.both(lambda: self.world.remove_by_id(id_), lambda: self.company.remove(card))

    def move(self, card: Card, place: int) -> None:
        world, company = self.world, self.company
        order = [other for other in company.cards if other is not card]
        order.insert(place, card)
        ids = {method.last4: method.id for method in world.methods}
        self.both(
            lambda: reorder_methods(
                world.ctx,
                world.account_id,
                [ids[c.last4] for c in order],
                [ids[c.last4] for c in company.cards],
            ),
            lambda: company.reorder(order),
        )

    def switch(self, card: Card, on: bool) -> None:
        method = self.world.method(card.last4)
        self.both(lambda: self.world.consent(method, on), lambda: self.company.switch(card, on))

    def apply(self, settings: Settings) -> None:
        names = {
            "mode": "refill_mode",
            "refill": "refill_amount",
            "notify_on": "notification_on",
            "notify_below": "notification_threshold",
        }
        chosen = {names.get(name, name): value for name, value in asdict(settings).items()}
        self.both(lambda: self.world.apply(**chosen), lambda: self.company.apply(settings))

    def pay(self, card: Card, amount: int) -> None:
        method, key = self.world.method(card.last4), token_hex(16)
        press = lambda: self.world.pay(method, _decimal(amount), key)  # noqa: E731
        if self.both(press, lambda: self.company.pay(card, amount)):
            self.last_press = press

    def pay_by_chain(self, amount: int) -> None:
        key = token_hex(16)
        press = lambda: self.world.pay_by_chain(_decimal(amount), key)  # noqa: E731
        if self.both(press, lambda: self.company.pay_by_chain(amount)):
            self.last_press = press

    def retry(self, failed: Attempt) -> None:
        row, key = self.row(failed), token_hex(16)
        press = lambda: self.world.retry(row, key)  # noqa: E731
        if self.both(press, lambda: self.company.retry(failed)):
            self.last_press = press

    def press_again(self) -> None:
        """Submit the same form again; a repeated submission changes nothing (F4)."""
        self.last_press()

    def restore(self, card: Card) -> None:
        world, id_ = self.world, self.method_id(card)
        self.both(
            lambda: restore_method(world.ctx, world.account_id, id_),
            lambda: self.company.restore(card),
        )

    def resume(self) -> None:
        world = self.world
        resume_automatic(world.ctx, world.account_id)
        self.company.resume()

    def remove_at_processor(self, card: Card) -> None:
        """Remove the card at the processor without an event; only a charge finds out (M13)."""
        reference = self.world.method(card.last4).processor_reference
        self.world.books.vault.revoke(reference, self.world.clock.now())
        card.gone_there.add(card.reference)

    def answer_the_bank(self, attempt: Attempt, how: str) -> None:
        address = self.world.address_of(self.row(attempt).payment)
        if address:
            self.world.bank(address, how)
        self.company.banks.answer(attempt, how, self.company.now)

    def back_from_bank(self, attempt: Attempt, give_up: bool) -> None:
        self.world.conclude(self.row(attempt).payment, give_up)
        self.company.back_from_bank(attempt, give_up)

    # Usage and operator actions

    def use(self, amount: int) -> None:
        self.world.use(_decimal(amount))
        self.company.use(amount)

    def wire(self, amount: int, arrives: bool) -> None:
        wire = wires.ask(self.world, _decimal(amount))
        if not arrives:
            wires.reject(self.world, wire, "It never came")
            return
        for _ in range(2):  # A second submission must change nothing.
            wires.complete(self.world, wire, _decimal(amount))
        self.company.wire(amount)

    def adjust(self, amount: int) -> None:
        world = self.world
        adjust_balance(world.ctx.by(wires.OPERATOR), world.account_id, amount, "Goodwill")
        self.company.adjust(amount)

    def decide_not_charged(self, attempt: Attempt) -> None:
        world = self.world
        decide_attempt(
            world.ctx.by(wires.OPERATOR),
            self.row(attempt).id,
            False,
            "The processor's books have nothing",
        )
        self.company.decide_not_charged(attempt)

    def script_answer(self, card: Card, kind: str, code: str) -> None:
        self.world.next_answer(kind, decline_code=code, last4=card.last4)
        self.company.banks.scripted[card.last4].append((kind, code))

    # Process failures

    def die_while_charging(self, dies: str) -> None:
        """The process dies after committing the attempt: before the call, or before recording its
        answer.
        """
        world, company = self.world, self.company
        if company.top_up is None or any(a.state == "open" for a in company.attempts):
            return
        top_up = open_top_up(world.session, world.account_id)
        id_ = start_attempt(world.ctx, top_up.id)
        if id_ is not None and dies == "after":
            row = world.attempts[-1]
            world.services.processors[row.processor].charge(row.request())
        world.session.rollback()
        company.continue_top_up(dies)

    # Comparison

    def agree(self) -> None:
        world = self.world
        world.session.rollback()
        self._balances_agree()
        self._methods_agree()
        self._payments_agree()
        self._books_agree()
        self._mails_agree()
        self._lines_agree()
        self._next_agrees()
        world.session.rollback()

    def _rows(self, sql: str):
        return self.world.session.execute(text(sql), {"id": self.world.account_id}).all()

    def _balances_agree(self) -> None:
        """L2, T10: the balance is the ledger's sum, each credit has one paid attempt, and both are
        paused or neither.
        """
        ((balance, paused),) = self._rows(
            "SELECT balance, paused_at IS NOT NULL FROM account "
            "JOIN low_balance_settings ON account_id = id WHERE id = :id"
        )
        ((total,),) = self._rows(
            "SELECT coalesce(sum(amount), 0) FROM ledger_entry WHERE account_id = :id"
        )
        assert balance == total == self.company.balance
        assert bool(paused) == (self.company.paused_at is not None)
        unpaid = self._rows(
            "SELECT ledger_entry.id FROM ledger_entry LEFT JOIN attempt "
            "ON attempt.id = ledger_entry.attempt_id WHERE ledger_entry.account_id = :id "
            "AND ledger_entry.kind <> 'usage' "
            "AND (attempt.state IS NULL OR attempt.state <> 'paid' "
            "OR attempt.amount <> ledger_entry.amount)"
        )
        assert not unpaid
        twice = self._rows(
            "SELECT attempt_id FROM ledger_entry WHERE account_id = :id "
            "AND attempt_id IS NOT NULL GROUP BY attempt_id HAVING count(*) > 1"
        )
        assert not twice

    def _methods_agree(self) -> None:
        """M2, M3, F1, F3, F8, T16: list order, consent, chargeability and suspension."""
        now, company = self.company.now, self.company
        methods = self.world.methods
        assert [m.position for m in methods] == list(range(1, len(methods) + 1))
        for method, card in zip(methods, company.cards, strict=True):
            assert (method.last4, method.auto_charge) == (card.last4, card.consent)
            assert method.is_gone == card.is_gone, card
            assert method.is_chargeable(now) == (card.consent and card.is_fit(now)), card
            if card.out_until is not None and now < card.out_until:
                assert method.suspended_until == card.out_until

    def _payments_agree(self) -> None:
        """L3, T6–T9: the same attempts in the same order, one live attempt per payment, one open
        top-up.
        """
        closed = {"paid": "paid", "declined": "declined", "abandoned": "given up"}
        attempts = self.world.attempts
        assert [
            (a.method.last4, a.amount, closed.get(a.state, "open"), a.automatic) for a in attempts
        ] == [
            (a.card.last4, a.amount, a.state, a.automatic) for a in self.company.attempts
        ]  # fmt: skip
        live = Counter(a.payment_id for a in attempts if a.state not in ("declined", "abandoned"))
        assert all(count == 1 for count in live.values())
        ((open_,),) = self._rows(
            "SELECT count(*) FROM top_up WHERE account_id = :id AND state = 'open'"
        )
        assert open_ == (self.company.top_up is not None)

    def _books_agree(self) -> None:
        """L2, L3: every charge at the banks is credited or still open, and nothing else is
        credited.
        """
        ours = {a.key: a for a in self.world.attempts}
        taken = {key: amount for key, amount, _ in self.world.books.paid_charges() if key in ours}
        for key, attempt in ours.items():
            if attempt.state == "paid":
                assert taken.get(key) == attempt.amount
            else:
                assert key not in taken or attempt.is_open
        booked = [
            a.amount for a in self.company.attempts if a.booked and a.booked.outcome == "paid"
        ]
        assert sorted(taken.values()) == sorted(booked)

    def _mails_agree(self) -> None:
        """N2, N5, F11, T10, L6, L10: the same number of emails of each kind."""
        rows = self._rows(
            "SELECT kind, count(*) FROM (SELECT DISTINCT kind, about FROM notice "
            "WHERE account_id = :id) AS told GROUP BY kind"
        )
        owed = {kind: count for kind, count in rows if kind in COUNTED_MAILS}
        assert owed == dict(self.company.mail_counts)

    def _lines_agree(self) -> None:
        """E1: each check recorded one of the reasons that applied."""
        rows = self._rows(
            "SELECT id, timeline, coalesce(times, 1) FROM event LEFT JOIN event_repeat "
            "ON event_id = id WHERE account_id = :id AND timeline IS NOT NULL "
            f"AND id >= {self._last_line} ORDER BY id"
        )
        new = [
            code for id_, code, times in rows
            if id_ > self._last_line or (id_ == self._last_line and times > self._last_times)
        ]  # fmt: skip
        for reasons in self.company.lines:
            assert reasons & set(new), (reasons, new)
        for reasons in self.company.routine_lines:
            assert reasons & {*new, self._last_code}, (reasons, new, self._last_code)
        expected = Counter(
            code for lines in self.company.lines if len(lines) == 1 for code in lines
        )
        for code in COUNTED_LINES:
            assert new.count(code) == expected[code], (code, new)
        if rows:
            self._last_line, self._last_code, self._last_times = rows[-1]
        self.company.lines.clear()
        self.company.routine_lines.clear()

    def _next_agrees(self) -> None:
        """T13: the forecast sentence names the model's amount and methods, in its order."""
        world = self.world
        account = world.session.get_one(Account, world.account_id)
        sentence = what_next(world.ctx, account)
        amount, cards = self.company.forecast()
        if not cards:
            assert "we’ll charge" not in sentence, sentence
            return
        first, *others = [card.label for card in cards]
        if amount:
            assert f"${amount / 1_000_000:,.2f}" in sentence, (sentence, amount)
        due = " now" if self.company.is_below() else ""
        fallback = "; if it is declined, " + ", then ".join(others) if others else ""
        chain = f" to {first}{due}{fallback}"
        assert f"{chain}." in sentence, (sentence, chain)


def _decimal(micros: int) -> str:
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
