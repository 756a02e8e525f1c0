"""Refunds, disputes and reversals of payments at the processor (L7).

Each is one row with the processor's reference, and one debit that names its payment. If the money
is returned, as after a won dispute, the row has one credit too. Together they debit no more than
the payment; any excess is reported to the operator (L9).
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind
from webapp.domain.payment_methods.payment_method import label_in
from webapp.domain.payments import adjustments
from webapp.domain.payments.payment import Attempt, Payment, PaymentKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import ENGLISH, N_, Translator
from webapp.ports import ReversalKind, ReversalState, Reversed

NAMES = {
    ReversalKind.REFUND: N_("Refund of %(payment)s"),
    ReversalKind.DISPUTE: N_("Dispute of %(payment)s"),
    ReversalKind.REVERSAL: N_("Reversal of %(payment)s"),
}
KINDS = {
    ReversalKind.REFUND: (PaymentKind.REFUND, EntryKind.REFUND),
    ReversalKind.DISPUTE: (PaymentKind.DISPUTE, EntryKind.DISPUTE),
    ReversalKind.REVERSAL: (PaymentKind.REVERSAL, EntryKind.REVERSAL),
}

EXCESS = " (excess)"
SAME_MONEY = " (same money)"

COUNTERPARTS = {
    ReversalKind.DISPUTE: ReversalKind.REVERSAL,
    ReversalKind.REVERSAL: ReversalKind.DISPUTE,
}
"""A processor may report the same money as a dispute and as the reversal that it caused."""


class Reversal(Base):
    __tablename__ = "reversal"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_above_zero"),
        Index("uq_reversal_processor_reference", "processor", "reference", unique=True),
        Index("ix_reversal_attempt_id", "attempt_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    """The attempt that was paid."""
    processor: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120))
    kind: Mapped[ReversalKind] = mapped_column(String(10))
    state: Mapped[ReversalState] = mapped_column(String(10))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros reported by the processor. The debit is smaller if less is left of the payment."""
    currency: Mapped[str] = mapped_column(String(3))
    at: Mapped[datetime]
    """Time reported by the processor."""
    debit_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    """NULL if the money was returned before we learned of it, or if nothing was left to debit."""
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    heard_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    attempt: Mapped[Attempt] = relationship()

    @property
    def name(self) -> str:
        """Description on the statement: "Refund of P-000012, Visa •••• 4242"."""
        return self.name_in(ENGLISH)

    def name_in(self, tongue: Translator) -> str:
        reference, method = self.attempt.payment.reference, self.attempt.method
        name = tongue.gettext(NAMES[ReversalKind(self.kind)], payment=reference)
        return f"{name}, {label_in(tongue, method.label)}" if method else name

    @property
    def excess_reference(self) -> str:
        """Reference of the operator's report of an amount beyond the payment's remainder."""
        return f"{self.reference}{EXCESS}"

    @property
    def same_money_reference(self) -> str:
        """Reference of the operator's report that the same money may be debited already."""
        return f"{self.reference}{SAME_MONEY}"

    def debit(self, ctx: Context, account: Account, amount: int) -> None:
        self.debit_id = self._book(ctx, account, -amount, self.name)

    def credit(self, ctx: Context, account: Account) -> int:
        """Credit the debited amount again; returns it in micros."""
        amount = -ctx.session.get_one(Payment, self.debit_id).amount
        what = f"{self.name}, given back"
        self.credit_id = self._book(ctx, account, amount, what)
        self.ended_at = ctx.now
        return amount

    def _book(self, ctx: Context, account: Account, amount: int, what: str) -> int:
        """Book a debit or credit once: its key is derived from the reversal's reference."""
        payment_kind, entry_kind = KINDS[ReversalKind(self.kind)]
        own = sha256(f"{self.processor} {self.reference}".encode()).hexdigest()[:32]
        direction = "back" if amount > 0 else "gone"
        payment = Payment(kind=payment_kind, note=what)
        key = f"{self.kind}-{direction}-{own}"
        return adjustments.book(ctx, account, payment, entry_kind, amount, what, key).id


def find(session: Session, processor: str, reference: str) -> Reversal | None:
    return session.scalar(
        select(Reversal).where(Reversal.processor == processor, Reversal.reference == reference)
    )


def left_of(session: Session, attempt: Attempt) -> int:
    """Return the micros of a payment that are not taken back. The account must be locked."""
    taken = select(func.coalesce(func.sum(-Payment.amount), 0)).where(
        Payment.id == Reversal.debit_id,
        Reversal.attempt_id == attempt.id,
        Reversal.credit_id.is_(None),
    )
    return attempt.amount - int(session.scalar(taken) or 0)


def waiting(session: Session, attempt: Attempt) -> list[Reversal]:
    """Return the payment's reversals that are not debited yet, oldest first."""
    return list(
        session.scalars(
            select(Reversal)
            .where(
                Reversal.attempt_id == attempt.id,
                Reversal.debit_id.is_(None),
                Reversal.state != ReversalState.RETURNED,
            )
            .order_by(Reversal.id)
        )
    )


def counterpart(session: Session, reversal: Reversal) -> Reversal | None:
    """Return a debited reversal of the payment that may be the same money under another kind."""
    other = COUNTERPARTS.get(ReversalKind(reversal.kind))
    return session.scalar(
        select(Reversal)
        .where(
            Reversal.attempt_id == reversal.attempt_id,
            Reversal.kind == other,
            Reversal.debit_id.is_not(None),
            Reversal.credit_id.is_(None),
        )
        .order_by(Reversal.id)
        .limit(1)
    )


def begin(ctx: Context, attempt: Attempt, reported: Reversed) -> Reversal:
    """Store a reversal that the processor reported for the first time."""
    reversal = Reversal(
        account_id=attempt.account_id,
        attempt=attempt,
        processor=attempt.processor,
        reference=reported.reference,
        kind=reported.kind,
        state=reported.state,
        amount=reported.amount,
        currency=reported.currency,
        at=reported.at,
        heard_at=ctx.now,
    )
    ctx.session.add(reversal)
    ctx.session.flush()
    return reversal
