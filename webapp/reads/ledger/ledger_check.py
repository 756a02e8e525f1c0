"""Ledger check (L13): compares balances with the ledger, credits with payments, and both with the
sandbox's own records.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from sqlalchemy import and_, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from webapp.currencies import minor_unit
from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.payments.payment import Attempt, AttemptState, Payment, PaymentKind, PaymentState
from webapp.domain.payments.reversals import EXCESS, SAME_MONEY, Reversal
from webapp.domain.payments.reversals import KINDS as REVERSAL_KINDS
from webapp.domain.payments.unmatched_events import UnmatchedEvent
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.reversals import UsageReversal
from webapp.domain.wires.wire import WireRequest, WireState
from webapp.ports import ReversalState

PaidCharges = Callable[[], Sequence[tuple[str, int, str]]]
"""Returns idempotency key, micros and currency of each paid charge in the sandbox."""


class SandboxReversal(Protocol):
    """A refund or dispute in the sandbox's records."""

    @property
    def reference(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def state(self) -> str: ...


TakenBackCharges = Callable[[], Sequence[SandboxReversal]]

SANDBOXES = ("sandbox", "sandbox_paypal")


@dataclass(frozen=True)
class Difference:
    code: str
    """Stable, machine-readable."""
    account_id: int | None
    sentence: str


@dataclass(frozen=True)
class LedgerCheck:
    accounts: int
    entries: int
    payments: int
    charges: int
    """Paid sandbox charges that belong to a known attempt."""
    differences: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        return not self.differences


def check_ledger(
    session: Session,
    paid_charges: PaidCharges | None,
    taken_back: TakenBackCharges | None = None,
) -> LedgerCheck:
    """Return every difference. `paid_charges` is None without a sandbox.

    The check may run while payments are made. It reads the sandbox before and after the database:
    charges of the first reading must be in the database, and each paid attempt in the second.
    """
    before = paid_charges() if paid_charges else ()
    _begin_reading(session)
    differences = [
        *_balances(session),
        *_chains(session),
        *_entries(session),
        *_paid_attempts(session),
        *_payments(session),
        *_wires(session),
        *_reversals(session),
        *_taken_back_beyond(session),
        *_usage_reversals(session),
        *_reversed_beyond(session),
    ]
    charges = 0
    if paid_charges is not None:
        ours = session.scalars(select(Attempt).where(Attempt.processor.in_(SANDBOXES)))
        attempts = {attempt.key: attempt for attempt in ours}
        charges = sum(key in attempts for key, _, _ in before)
        differences += _uncredited(attempts, before)
        differences += _unbooked(attempts, paid_charges())
    if taken_back is not None:
        differences += _other_reversals(session, taken_back())
    found = LedgerCheck(
        accounts=_count(session, Account),
        entries=_count(session, LedgerEntry),
        payments=_count(session, Payment),
        charges=charges,
        differences=tuple(differences),
    )
    session.rollback()
    return found


def _begin_reading(session: Session) -> None:
    """Start a transaction with one snapshot; SQLite transactions always have one."""
    session.rollback()
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def _count(session: Session, table: type[Base]) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def _balances(session: Session) -> Iterator[Difference]:
    """Yield accounts whose balance differs from the ledger's sum or last running balance."""
    last = (
        select(LedgerEntry.balance_after)
        .where(LedgerEntry.account_id == Account.id)
        .order_by(LedgerEntry.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    total = (
        select(func.sum(LedgerEntry.amount))
        .where(LedgerEntry.account_id == Account.id)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            Account.id,
            Account.balance,
            func.coalesce(total, 0).label("summed"),
            func.coalesce(last, 0).label("end"),
        )
    )
    for row in rows:
        has = f"Account {row.id} has {decimal_text(row.balance)}"
        if row.balance != row.summed:
            sentence = f"{has}, but its ledger sums to {decimal_text(int(row.summed))}."
            yield Difference("balance_is_not_the_sum", row.id, sentence)
        if row.balance != row.end:
            sentence = f"{has}, but its last entry ends at {decimal_text(row.end)}."
            yield Difference("balance_is_not_the_chains_end", row.id, sentence)


def _chains(session: Session) -> Iterator[Difference]:
    """Yield entries whose running balance does not follow from the previous entry."""
    before = func.lag(LedgerEntry.balance_after, 1, 0).over(
        partition_by=LedgerEntry.account_id, order_by=LedgerEntry.id
    )
    chain = select(
        LedgerEntry.id,
        LedgerEntry.account_id,
        LedgerEntry.balance_after,
        (before + LedgerEntry.amount).label("due"),
    ).subquery()
    broken = select(chain).where(chain.c.balance_after != chain.c.due)
    for entry in session.execute(broken):
        yield Difference(
            "chain_is_broken",
            entry.account_id,
            f"Entry {entry.id} of account {entry.account_id} ends at "
            f"{decimal_text(entry.balance_after)}, but should end at {decimal_text(entry.due)}.",
        )


def _entries(session: Session) -> Iterator[Difference]:
    """Yield credits and non-usage entries that do not match a paid attempt."""
    rows = session.execute(
        select(LedgerEntry, Attempt)
        .outerjoin(Attempt, Attempt.id == LedgerEntry.attempt_id)
        .where(
            or_(LedgerEntry.amount > 0, LedgerEntry.kind != EntryKind.USAGE),
            LedgerEntry.usage_reversal_id.is_(None),
        )
        .execution_options(yield_per=1000)
    )
    for entry, attempt in rows:
        fault = _fault(entry, attempt)
        if fault:
            code, words = fault
            sentence = f"Entry {entry.id} ({decimal_text(entry.amount)}) {words}."
            yield Difference(code, entry.account_id, sentence)


def _fault(entry: LedgerEntry, attempt: Attempt | None) -> tuple[str, str] | None:
    if attempt is None:
        return "credit_without_payment", "names no payment attempt"
    name = f"attempt {attempt.id}"
    if attempt.account_id != entry.account_id:
        return "credit_of_another_account", f"names {name} of account {attempt.account_id}"
    if attempt.state != AttemptState.PAID:
        return "credit_of_unpaid_attempt", f"names {name}, which is {attempt.state}"
    if attempt.amount != entry.amount:
        return "credit_of_another_amount", f"names {name} of {decimal_text(attempt.amount)}"
    return None


def _paid_attempts(session: Session) -> Iterator[Difference]:
    """Yield paid attempts without exactly one entry, or in another currency than the account."""
    entry = aliased(LedgerEntry)
    rows = session.execute(
        select(
            Attempt.id,
            Attempt.account_id,
            Attempt.amount,
            Attempt.currency,
            Account.currency.label("of_account"),
            func.count(entry.id).label("entries"),
        )
        .join(Account, Account.id == Attempt.account_id)
        .outerjoin(entry, entry.attempt_id == Attempt.id)
        .where(Attempt.state == AttemptState.PAID)
        .group_by(Attempt.id, Account.currency)
    )
    for row in rows:
        what = f"Attempt {row.id} ({decimal_text(row.amount)} {row.currency})"
        if row.entries != 1:
            entries = "no ledger entry" if row.entries == 0 else f"{row.entries} ledger entries"
            sentence = f"{what} was paid, but has {entries}."
            yield Difference("paid_but_not_credited_once", row.account_id, sentence)
        if row.currency != row.of_account:
            sentence = f"{what} has another currency than the account ({row.of_account})."
            yield Difference("other_currency", row.account_id, sentence)


def _payments(session: Session) -> Iterator[Difference]:
    """Yield payments whose state or amount does not match their paid attempts."""
    paid = (
        select(Attempt.payment_id, func.sum(Attempt.amount).label("amount"))
        .where(Attempt.state == AttemptState.PAID)
        .group_by(Attempt.payment_id)
        .subquery()
    )
    rows = session.execute(
        select(
            Payment.id,
            Payment.account_id,
            Payment.state,
            Payment.amount,
            paid.c.amount.label("taken"),
        )
        .outerjoin(paid, paid.c.payment_id == Payment.id)
        .where(or_(Payment.state == PaymentState.PAID, paid.c.amount.is_not(None)))
    )
    for row in rows:
        if row.state == PaymentState.PAID and row.taken is not None and row.taken == row.amount:
            continue
        yield Difference(
            "payment_and_attempts_differ",
            row.account_id,
            f"Payment {row.id} of {decimal_text(row.amount)} is {row.state}; "
            f"its attempts took {decimal_text(int(row.taken or 0))}.",
        )


def _wires(session: Session) -> Iterator[Difference]:
    """Yield wire payments and completed wire requests that do not match each other (L11)."""
    rows = session.execute(
        select(Payment, WireRequest)
        .outerjoin(WireRequest, WireRequest.payment_id == Payment.id)
        .where(or_(Payment.kind == PaymentKind.WIRE, WireRequest.id.is_not(None)))
    )
    for payment, wire in rows:
        if wire is None:
            amount = decimal_text(payment.amount)
            sentence = f"Payment {payment.id} of {amount} belongs to no wire request."
            yield Difference("wire_payment_without_request", payment.account_id, sentence)
        elif fault := _wire_fault(payment, wire):
            sentence = f"{wire.reference} and its payment {payment.id} {fault}."
            yield Difference("wire_and_payment_differ", payment.account_id, sentence)
    unpaid = select(WireRequest).where(
        WireRequest.state == WireState.COMPLETED, WireRequest.payment_id.is_(None)
    )
    for wire in session.scalars(unpaid):
        sentence = f"{wire.reference} is completed, but names no payment."
        yield Difference("wire_without_payment", wire.account_id, sentence)


def _reversals(session: Session) -> Iterator[Difference]:
    """Yield reversals without the debit and credit that their state requires (L7).

    An amount beyond the rest of the payment is an unmatched event for the operator instead (L9).
    """
    debit, credit = aliased(Payment, name="debit"), aliased(Payment, name="credit")
    rows = session.execute(
        select(Reversal, debit, credit, UnmatchedEvent.amount.label("excess"))
        .outerjoin(debit, debit.id == Reversal.debit_id)
        .outerjoin(credit, credit.id == Reversal.credit_id)
        .outerjoin(
            UnmatchedEvent,
            and_(
                UnmatchedEvent.processor == Reversal.processor,
                UnmatchedEvent.reference.in_(
                    (Reversal.reference + EXCESS, Reversal.reference + SAME_MONEY)
                ),
            ),
        )
    )
    for row in rows:
        reversal = row.Reversal
        if fault := _reversal_fault(reversal, row.debit, row.credit, row.excess or 0):
            sentence = f"The {reversal.kind} {reversal.reference} {fault}."
            yield Difference("reversal_and_ledger_differ", reversal.account_id, sentence)
    named = union(
        select(Reversal.debit_id).where(Reversal.debit_id.is_not(None)),
        select(Reversal.credit_id).where(Reversal.credit_id.is_not(None)),
    )
    stray = select(Payment).where(
        Payment.kind.in_(kind for kind, _ in REVERSAL_KINDS.values()), Payment.id.not_in(named)
    )
    for payment in session.scalars(stray):
        amount = decimal_text(payment.amount)
        sentence = f"Payment {payment.id} of {amount} belongs to no reversal."
        yield Difference("payment_without_reversal", payment.account_id, sentence)


def _reversal_fault(
    reversal: Reversal, gone: Payment | None, back: Payment | None, excess: int
) -> str:
    returned = reversal.state == ReversalState.RETURNED
    if gone is None:
        excused = (returned and back is None) or excess == reversal.amount
        return "" if excused else f"is {reversal.state}, but was not debited"
    if returned != (back is not None):
        return f"is {reversal.state}, but was {'' if back else 'not '}credited back"
    # An amount that waited for the operator is booked once the payment has enough left.
    right = -gone.amount in (reversal.amount, reversal.amount - excess)
    if not right or (back is not None and back.amount != -gone.amount):
        return f"of {decimal_text(reversal.amount)} was booked with another amount"
    return ""


def _taken_back_beyond(session: Session) -> Iterator[Difference]:
    """Yield attempts whose reversals add up to more than was paid."""
    gone = func.sum(-Payment.amount)
    rows = session.execute(
        select(Attempt.id, Attempt.account_id, Attempt.amount, gone.label("gone"))
        .join(Reversal, Reversal.attempt_id == Attempt.id)
        .join(Payment, Payment.id == Reversal.debit_id)
        .where(Reversal.credit_id.is_(None))
        .group_by(Attempt.id, Attempt.account_id, Attempt.amount)
        .having(gone > Attempt.amount)
    )
    for row in rows:
        sentence = (
            f"Attempt {row.id} paid {decimal_text(row.amount)}, "
            f"but {decimal_text(int(row.gone))} of it was taken back."
        )
        yield Difference("taken_back_more_than_paid", row.account_id, sentence)


def _usage_reversals(session: Session) -> Iterator[Difference]:
    """Yield reversals of usage without exactly their credit (L16)."""
    rows: Iterable[Any] = session.execute(
        select(UsageReversal, LedgerEntry)
        .outerjoin(LedgerEntry, LedgerEntry.usage_reversal_id == UsageReversal.id)
        .execution_options(yield_per=1000)
    )
    for reversal, entry in rows:
        due = (reversal.account_id, reversal.amount)
        if entry is None or (entry.account_id, entry.amount) != due:
            amount = decimal_text(reversal.amount)
            sentence = (
                f"The reversal {reversal.reference} of {amount} has no credit of that amount."
            )
            yield Difference("usage_reversal_and_ledger_differ", reversal.account_id, sentence)


def _reversed_beyond(session: Session) -> Iterator[Difference]:
    """Yield usage of which more was reversed than posted."""
    given = func.sum(UsageReversal.amount)
    used = func.coalesce(func.max(-LedgerEntry.amount), 0)
    rows = session.execute(
        select(
            UsageReversal.account_id,
            UsageReversal.usage_reference,
            given.label("given"),
            used.label("used"),
        )
        .outerjoin(
            LedgerEntry,
            and_(
                LedgerEntry.account_id == UsageReversal.account_id,
                LedgerEntry.reference == UsageReversal.usage_reference,
                LedgerEntry.kind == EntryKind.USAGE,
            ),
        )
        .group_by(UsageReversal.account_id, UsageReversal.usage_reference)
        .having(given > used)
    )
    for row in rows:
        sentence = (
            f"The usage {row.usage_reference} is {decimal_text(row.used)}, "
            f"but {decimal_text(int(row.given))} of it was reversed."
        )
        yield Difference("reversed_more_than_used", row.account_id, sentence)


def _other_reversals(session: Session, sandbox: Sequence[SandboxReversal]) -> Iterator[Difference]:
    """Yield booked reversals that the sandbox lacks.

    The reverse is not checked: events of the sandbox may be pending.
    """
    known = {reversal.reference: reversal for reversal in sandbox}
    booked = select(Reversal).where(Reversal.processor.in_(SANDBOXES))
    for reversal in session.scalars(booked):
        match = known.get(reversal.reference)
        if match is None or match.amount != reversal.amount:
            sentence = f"The sandbox has no {reversal.kind} {reversal.reference} of that amount."
            yield Difference("reversal_not_in_the_books", reversal.account_id, sentence)


def _wire_fault(payment: Payment, wire: WireRequest) -> str:
    if (wire.account_id, payment.kind) != (payment.account_id, PaymentKind.WIRE):
        return "are of different accounts or kinds"
    if wire.state != WireState.COMPLETED or payment.state != PaymentState.PAID:
        return f"are {wire.state} and {payment.state}"
    due = Decimal(wire.received or 0) * Decimal(wire.rate or 1)
    if abs(due - payment.amount) > (minor_unit(payment.currency) if wire.rate else 0):
        return f"have {decimal_text(int(due))} and {decimal_text(payment.amount)}"
    return ""


def _uncredited(
    attempts: dict[str, Attempt], charges: Sequence[tuple[str, int, str]]
) -> Iterator[Difference]:
    """Yield sandbox charges that are neither credited nor part of an open attempt."""
    times = Counter(key for key, _, _ in charges)
    for key, amount, currency in charges:
        attempt = attempts.get(key)
        if attempt is None:
            sentence = f"The sandbox took {decimal_text(amount)} {currency} for no known attempt."
            yield Difference("charged_without_attempt", None, sentence)
            continue
        if attempt.is_open:
            continue
        what = f"The sandbox took {decimal_text(amount)} {currency} for attempt {attempt.id}"
        if times[key] > 1:
            yield Difference("charged_twice", attempt.account_id, f"{what}, {times[key]} times.")
        if attempt.state != AttemptState.PAID:
            sentence = f"{what}, which is {attempt.state}."
            yield Difference("charged_but_not_credited", attempt.account_id, sentence)
        elif (attempt.amount, attempt.currency) != (amount, currency):
            sentence = f"{what} of {decimal_text(attempt.amount)} {attempt.currency}."
            yield Difference("charged_another_amount", attempt.account_id, sentence)


def _unbooked(
    attempts: dict[str, Attempt], charges: Sequence[tuple[str, int, str]]
) -> Iterator[Difference]:
    keys = {key for key, _, _ in charges}
    for key, attempt in attempts.items():
        if attempt.state == AttemptState.PAID and key not in keys:
            yield Difference(
                "credited_but_not_charged",
                attempt.account_id,
                f"Attempt {attempt.id} ({decimal_text(attempt.amount)} {attempt.currency}) was "
                "paid, but the sandbox has no such charge.",
            )
