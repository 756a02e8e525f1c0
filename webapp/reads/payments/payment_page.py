"""The page of one payment: attempts, ledger entries, emails, decisions and cause (E2)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.event import Subject
from webapp.domain.events.rows import EventRow
from webapp.domain.events.timeline import CODES
from webapp.domain.ledger import LedgerEntry
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payment_methods.declines import reason
from webapp.domain.payments import queries
from webapp.domain.payments.payment import (
    KIND_NAMES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
    PaymentState,
    reference_of,
)
from webapp.domain.payments.queries import covered_later, covering
from webapp.domain.payments.reversals import Reversal
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.explanations import Words
from webapp.domain.users.user import User
from webapp.domain.wires.wire import WireRequest
from webapp.ports import Mailer
from webapp.reads.accounts.subjects import SubjectId, is_about
from webapp.reads.ledger.months import Month
from webapp.reads.notifications.email_labels import state_label
from webapp.reads.payments.payment_cause import Cause, read_cause
from webapp.reads.payments.payment_chain import payment_chain, payment_sentence
from webapp.reads.payments.payment_list import TAKEN_BACK, state_of
from webapp.reads.payments.receipt import receipt_label
from webapp.reads.top_ups.what_happens_next import ChainStep

STATES = {
    PaymentState.OPEN: ("Waiting", "warn"),
    PaymentState.PAID: ("Paid", "ok"),
    PaymentState.FAILED: ("Declined", "bad"),
    PaymentState.ABANDONED: ("Abandoned", "off"),
}

WAITING = {
    AttemptState.STARTED: "Being sent to the processor.",
    AttemptState.UNKNOWN: "The bank has not answered yet. We keep checking.",
    AttemptState.REFUSED: "The processor refused the request. Nothing was charged; we’ll retry.",
    AttemptState.CHALLENGED: "The bank is asking the customer to confirm the payment.",
}


@dataclass(frozen=True)
class AttemptLine:
    id: int
    method_id: int | None
    method: str
    brand: str
    state: str
    tone: str
    answer: str
    """Result in plain words, for a decline with advice."""
    started: str
    taken: str
    """Time to the answer, "4 s"; empty while there is none."""
    can_retry: bool


@dataclass(frozen=True)
class EntryLine:
    id: int
    month: str
    """Month of the statement that contains it: "2026-11"."""
    description: str
    amount: str
    balance: str
    posted: str


@dataclass(frozen=True)
class MailLine:
    id: int
    subject: str
    text: str
    language: str
    recipient: str
    state: str
    at: str


@dataclass(frozen=True)
class DecisionLine:
    id: int
    title: str
    tone: str
    sentence: str
    at: str


@dataclass(frozen=True)
class Relative:
    """A related payment: a retry, refund, dispute or reversal, or the payment it belongs to."""

    payment_id: int
    reference: str
    words: str
    """ "Retry of", "Retried by", "Reversed by"…"""
    state: str


@dataclass(frozen=True)
class PaymentPage:
    id: int
    reference: str
    state: str
    tone: str
    amount: str
    kind: str
    requested_by: str
    asked: str
    """Creation time."""
    settled: str
    note: str
    sentence: tuple[Words, ...]
    chain: tuple[ChainStep, ...]
    attempts: tuple[AttemptLine, ...]
    covered_by: str
    """ "P-000007": the later payment that covers this failed one (F4); else empty."""
    covering_id: int | None
    entries: tuple[EntryLine, ...]
    mails: tuple[MailLine, ...]
    decisions: tuple[DecisionLine, ...]
    """Oldest first."""
    relatives: tuple[Relative, ...]
    cause: Cause | None
    """The settings that caused an automatic refill."""
    wire_id: int | None
    receipt: str
    """Receipt number; empty without a receipt."""


def read_payment(ctx: Context, account_id: int, payment_id: int, mailer: Mailer) -> PaymentPage:
    """Raises `NotFound`, also for another account's payment."""
    account = ctx.session.get_one(Account, account_id)
    zone = account.time_zone
    payment = queries.find_payment(ctx.session, account_id, payment_id)
    attempts = ctx.session.scalars(
        select(Attempt)
        .where(Attempt.payment_id == payment.id)
        .order_by(Attempt.id)
        .options(joinedload(Attempt.method))
    ).all()
    tried = [attempt for attempt in attempts if attempt.method_id is not None]
    asker = ctx.session.get(User, payment.requested_by_id) if payment.requested_by_id else None
    who = asker.name if asker else ""
    version = next((a.settings_version for a in attempts if a.settings_version), None)
    cause = read_cause(ctx, account, version) if version else None
    threshold = cause.choice.threshold if cause else None
    below = f"Below {account.show(threshold)}" if threshold is not None else ""
    state, tone = STATES[PaymentState(payment.state)]
    if attempts and PaymentKind(payment.kind) in TAKEN_BACK:
        state, tone = state_of(attempts[0])
    covered = bool(covering(ctx.session, [a for a in attempts if _is_declined(a)]))
    needs = {payment.id: (payment.id, payment.amount)}
    failed = payment.state == PaymentState.FAILED and not covered
    covering_id = covered_later(ctx.session, account_id, needs).get(payment.id) if failed else None
    settled = datetimes.since(payment.settled_at, zone, ctx.now) if payment.settled_at else ""
    ids = [attempt.id for attempt in attempts]
    return PaymentPage(
        id=payment.id,
        reference=payment.reference,
        state=state,
        tone=tone,
        amount=account.show(payment.amount),
        kind=KIND_NAMES[PaymentKind(payment.kind)],
        requested_by=who,
        asked=datetimes.since(payment.created_at, zone, ctx.now),
        settled=settled,
        note=payment.note,
        sentence=payment_sentence(account, payment, tried),
        chain=payment_chain(account, payment, tried, who, below),
        attempts=tuple(_attempt(account, a, ctx.now, covered=covered) for a in tried),
        covered_by=reference_of(covering_id) if covering_id else "",
        covering_id=covering_id,
        entries=_entries(ctx, account, ids),
        mails=_mails(ctx, account, ids, mailer),
        decisions=_decisions(ctx, account, payment),
        relatives=(*_relatives(ctx, attempts), *_taken_back(ctx, payment, attempts)),
        cause=cause,
        wire_id=ctx.session.scalar(
            select(WireRequest.id).where(WireRequest.payment_id == payment.id)
        ),
        receipt=receipt_label(ctx, payment.id),
    )


def _is_declined(attempt: Attempt) -> bool:
    return attempt.state == AttemptState.DECLINED


def _attempt(account: Account, attempt: Attempt, now: datetime, *, covered: bool) -> AttemptLine:
    method = attempt.method
    state, tone = state_of(attempt)
    can_pay = method is not None and method.can_be_paid_with
    answered = attempt.answered_at
    return AttemptLine(
        id=attempt.id,
        method_id=attempt.method_id,
        method=method.label if method else "",
        brand=method.chip if method else "",
        state=state,
        tone=tone,
        answer=_answer(attempt),
        started=datetimes.since(attempt.started_at, account.time_zone, now),
        taken=datetimes.taken(answered - attempt.started_at) if answered else "",
        can_retry=_is_declined(attempt) and can_pay and not covered,
    )


def _answer(attempt: Attempt) -> str:
    match attempt.state:
        case AttemptState.PAID:
            return "Approved by the bank."
        case AttemptState.DECLINED:
            why = reason(attempt.decline_code)
            return f"{why.sentence}. {why.advice}"
        case AttemptState.ABANDONED if attempt.trouble:
            return "The request could not be sent. Nothing was charged."
        case AttemptState.ABANDONED:
            return "The payment was not confirmed with the bank. Nothing was charged."
    return WAITING[AttemptState(attempt.state)]


def _entries(ctx: Context, account: Account, attempt_ids: Sequence[int]) -> tuple[EntryLine, ...]:
    entries = ctx.session.scalars(
        select(LedgerEntry).where(LedgerEntry.attempt_id.in_(attempt_ids)).order_by(LedgerEntry.id)
    )
    return tuple(
        EntryLine(
            id=entry.id,
            month=Month.of(entry.posted_at, account.time_zone).key,
            description=entry.description,
            amount=f"{'+' if entry.amount > 0 else '−'}{account.amounts.exact(abs(entry.amount))}",
            balance=account.show(entry.balance_after),
            posted=datetimes.since(entry.posted_at, account.time_zone, ctx.now),
        )
        for entry in entries
    )


def _mails(
    ctx: Context, account: Account, attempt_ids: Sequence[int], mailer: Mailer
) -> tuple[MailLine, ...]:
    notices = ctx.session.scalars(
        select(Notice).where(Notice.attempt_id.in_(attempt_ids)).order_by(Notice.id)
    )
    letters = [(one, mailer.render(one.kind, one.facts, one.language)) for one in notices]
    return tuple(
        MailLine(
            id=notice.id,
            subject=letter.subject,
            text=letter.text,
            language=letter.language,
            recipient=notice.recipient,
            state=state_label(notice),
            at=datetimes.since(notice.created_at, account.time_zone, ctx.now),
        )
        for notice, letter in letters
    )


def _decisions(ctx: Context, account: Account, payment: Payment) -> tuple[DecisionLine, ...]:
    about = is_about(SubjectId(Subject.PAYMENT, payment.id))
    lines = ctx.session.scalars(
        select(EventRow).where(EventRow.timeline.is_not(None), about).order_by(EventRow.id)
    )
    return tuple(
        DecisionLine(
            id=line.id,
            title=CODES[line.timeline or ""].heading,
            tone=CODES[line.timeline or ""].tone,
            sentence=kinds.line(line, account),
            at=datetimes.since(line.at, account.time_zone, ctx.now),
        )
        for line in lines
    )


def _relatives(ctx: Context, attempts: Sequence[Attempt]) -> tuple[Relative, ...]:
    """Return the failed payments that this one retries, and the retries of this one."""
    ids = [attempt.id for attempt in attempts]
    roots = [attempt.retry_of_id for attempt in attempts if attempt.retry_of_id]
    both = [("Retry of", Attempt.id.in_(roots)), ("Retried by", Attempt.retry_of_id.in_(ids))]
    found = []
    for words, which in both:
        for attempt in ctx.session.scalars(
            select(Attempt).where(which).order_by(Attempt.id).options(joinedload(Attempt.payment))
        ):
            payment = attempt.payment
            state = state_of(attempt)[0]
            found.append(Relative(payment.id, payment.reference, words, state))
    return tuple(found)


def _taken_back(ctx: Context, payment: Payment, attempts: Sequence[Attempt]) -> Iterator[Relative]:
    """Yield refunds, disputes and reversals of the payment, or the payment they reverse (L7)."""
    ids = [attempt.id for attempt in attempts]
    about = or_(
        Reversal.attempt_id.in_(ids),
        Reversal.debit_id == payment.id,
        Reversal.credit_id == payment.id,
    )
    found = select(Reversal).where(Reversal.account_id == payment.account_id, about)
    for reversal in ctx.session.scalars(found.order_by(Reversal.id)):
        if reversal.attempt_id in ids:
            linked = [("Reversed by", reversal.debit_id), ("Returned by", reversal.credit_id)]
        else:
            linked = [("Reverses", ctx.session.get_one(Attempt, reversal.attempt_id).payment_id)]
        for words, payment_id in linked:
            if payment_id is not None:
                other = ctx.session.get_one(Payment, payment_id)
                kind = KIND_NAMES[PaymentKind(other.kind)]
                yield Relative(other.id, other.reference, words, kind)
