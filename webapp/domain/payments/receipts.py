"""Receipts (L6): one for each paid payment, numbered without gaps per account.

The number is a counter in the account's row, incremented in the transaction that settles the
payment, so a rollback also reverts it. The receipt's content is stored at that time and never
changes.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, bindparam, update
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.orm.attributes import set_committed_value

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import PAYPAL
from webapp.domain.payments.payment import KIND_NAMES, Payment, PaymentKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.provider import Provider

RECEIPTED = (
    PaymentKind.AUTOMATIC,
    PaymentKind.INSTANT,
    PaymentKind.AUTO_CHARGE,
    PaymentKind.RETRY,
    PaymentKind.WIRE,
)
"""Payments by customers; adjustments, refunds, disputes and reversals have no receipt."""


class Receipt(Base):
    __tablename__ = "receipt"
    __table_args__ = (
        Index("uq_receipt_account_id_number", "account_id", "number", unique=True),
        Index("uq_receipt_payment_id", "payment_id", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payment.id"))
    number: Mapped[int]
    """1, 2, 3 … within the account."""
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    """Provider, customer and method as of then; empty for payments before receipts existed."""
    issued_at: Mapped[datetime]

    @property
    def label(self) -> str:
        """ "R-17-000012"."""
        return f"R-{self.account_id}-{self.number:06d}"

    def freeze_customer(self, details: Mapping[str, str]) -> None:
        """Keep the current billing details, which a receipt without an address shows."""
        customer = self.facts.get("customer")
        if not (isinstance(customer, dict) and customer.get("address")):
            self.facts = {**self.facts, "customer": dict(details)}

    def erase_customer(self) -> None:
        """Leave out who paid, and with which agreement."""
        facts = {name: it for name, it in self.facts.items() if name != "customer"}
        if str(facts.get("method", "")).startswith(PAYPAL):
            facts["method"] = PAYPAL
        self.facts = facts


def issue(
    ctx: Context, account: Account, payment: Payment, method: str, provider: Provider
) -> Receipt:
    """Issue a payment's receipt, in the transaction that settles it; the account is locked."""
    number = ctx.session.connection().scalar(_NEXT, {"account_id": account.id})
    set_committed_value(account, "receipts", number)
    receipt = Receipt(
        account_id=account.id,
        payment_id=payment.id,
        number=number,
        facts={
            "provider": asdict(provider),
            "customer": account.billing_details(),
            "method": method,
            "kind": KIND_NAMES[PaymentKind(payment.kind)],
        },
        issued_at=ctx.now,
    )
    ctx.session.add(receipt)
    ctx.session.flush()
    return receipt


_COUNTED = Account.__table__
_NEXT = (
    update(_COUNTED)  # type: ignore[arg-type]
    .where(_COUNTED.c.id == bindparam("account_id"))
    .values(receipts=_COUNTED.c.receipts + 1)
    .returning(_COUNTED.c.receipts)
)
