"""Adjustments of a balance for programs (V9)."""

from pydantic import Field

from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import Payment
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.reads.records.record import Currency, Instant, Money, Record


class AdjustmentRecord(Record):
    """An adjustment, and the account's balance."""

    reference: str = Field(description="Your reference of the adjustment.")
    account: int = Field(description="The account's id.")
    payment: int = Field(description="The id of the payment that shows it.")
    amount: Money = Field(description="Negative for a debit.")
    reason: str = Field(description="Shown on the statement.")
    posted_at: Instant = Field(description="When it was posted.")
    balance: Money = Field(description="The account's balance now.")
    currency: Currency


def read_adjustment(ctx: Context, payment: Payment, reference: str) -> AdjustmentRecord:
    account = ctx.session.get_one(Account, payment.account_id)
    return AdjustmentRecord(
        reference=reference,
        account=account.id,
        payment=payment.id,
        amount=decimal_text(payment.amount),
        reason=payment.note,
        posted_at=payment.created_at,
        balance=decimal_text(account.balance),
        currency=account.currency,
    )
