"""Money that was paid and taken back at the processor: refunds, disputes, reversals (L7).

Each is one row, by the processor's own reference, and one debit that names the payment it takes
back. What comes back after all, from a dispute that was won, is one credit.
"""

from datetime import datetime
from hashlib import sha256

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.domain import adjustments
from webapp.domain.accounts import Account
from webapp.domain.base import Base
from webapp.domain.ledger import EntryKind
from webapp.domain.payments import Attempt, Payment, PaymentKind
from webapp.ports import Reversed, TakenBack, TakenBackState

NAMES = {
    TakenBack.REFUND: "Refund",
    TakenBack.DISPUTE: "Dispute",
    TakenBack.REVERSAL: "Reversal",
}
KINDS = {
    TakenBack.REFUND: (PaymentKind.REFUND, EntryKind.REFUND),
    TakenBack.DISPUTE: (PaymentKind.DISPUTE, EntryKind.DISPUTE),
    TakenBack.REVERSAL: (PaymentKind.REVERSAL, EntryKind.REVERSAL),
}


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
    """What had been paid."""
    processor: Mapped[str] = mapped_column(String(20))
    reference: Mapped[str] = mapped_column(String(120))
    kind: Mapped[TakenBack] = mapped_column(String(10))
    state: Mapped[TakenBackState] = mapped_column(String(10))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros."""
    currency: Mapped[str] = mapped_column(String(3))
    at: Mapped[datetime]
    """When, as the processor says."""
    debit_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    """Empty for what had come back before we heard that it was gone."""
    credit_id: Mapped[int | None] = mapped_column(ForeignKey("payment.id"))
    heard_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    attempt: Mapped[Attempt] = relationship()

    @property
    def name(self) -> str:
        """ "Refund of P-000012, Visa •••• 4242": what the statement says."""
        method = self.attempt.method
        label = f", {method.label}" if method else ""
        return f"{NAMES[TakenBack(self.kind)]} of {self.attempt.payment.reference}{label}"

    def debit(self, session: Session, account: Account, now: datetime) -> None:
        self.debit_id = self._book(session, account, -self.amount, self.name, now)

    def credit(self, session: Session, account: Account, now: datetime) -> None:
        what = f"{self.name}, given back"
        self.credit_id = self._book(session, account, self.amount, what, now)
        self.ended_at = now

    def _book(
        self, session: Session, account: Account, amount: int, what: str, now: datetime
    ) -> int:
        """The key is the reversal's own, so the database takes each once."""
        payment_kind, entry_kind = KINDS[TakenBack(self.kind)]
        own = sha256(f"{self.processor} {self.reference}".encode()).hexdigest()[:32]
        way = "back" if amount > 0 else "gone"
        payment = Payment(kind=payment_kind, note=what)
        key = f"{self.kind}-{way}-{own}"
        return adjustments.book(session, account, payment, entry_kind, amount, what, key, now).id


def find(session: Session, processor: str, reference: str) -> Reversal | None:
    return session.scalar(
        select(Reversal).where(Reversal.processor == processor, Reversal.reference == reference)
    )


def begin(session: Session, attempt: Attempt, told: Reversed, now: datetime) -> Reversal:
    reversal = Reversal(
        account_id=attempt.account_id,
        attempt=attempt,
        processor=attempt.processor,
        reference=told.reference,
        kind=told.kind,
        state=told.state,
        amount=told.amount,
        currency=told.currency,
        at=told.at,
        heard_at=now,
    )
    session.add(reversal)
    session.flush()
    return reversal
