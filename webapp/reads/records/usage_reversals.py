"""Reversals of usage for programs (L16)."""

from pydantic import Field

from webapp.domain.accounts.account import Account
from webapp.domain.ledger import find_usage
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.reversals import UsageReversal, reversed_of
from webapp.reads.records.record import Amount, Currency, Instant, Money, Record


class UsageReversalRecord(Record):
    """A reversal of usage, and the account's balance."""

    reference: str = Field(description="Your reference of the reversal.")
    usage: str = Field(description="The reference of the usage.")
    account: int = Field(description="The account's id.")
    amount: Amount
    left: Money = Field(description="What is left of the usage.")
    reason: str = Field(description="Shown on the statement.")
    reversed_at: Instant = Field(description="When it was credited.")
    balance: Money = Field(description="The account's balance now.")
    currency: Currency


def read_usage_reversal(ctx: Context, reversal: UsageReversal) -> UsageReversalRecord:
    account = ctx.session.get_one(Account, reversal.account_id)
    usage = find_usage(ctx.session, account.id, reversal.usage_reference)
    left = -usage.amount if usage else 0
    left -= reversed_of(ctx.session, account.id, reversal.usage_reference)
    return UsageReversalRecord(
        reference=reversal.reference,
        usage=reversal.usage_reference,
        account=account.id,
        amount=decimal_text(reversal.amount),
        left=decimal_text(left),
        reason=reversal.reason,
        reversed_at=reversal.reversed_at,
        balance=decimal_text(account.balance),
        currency=account.currency,
    )
