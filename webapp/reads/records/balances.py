"""Balances of several accounts at once, as the API shows them (V2)."""

from collections.abc import Collection

from pydantic import Field

from webapp.domain.shared.context import Context
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.funds import Funds
from webapp.reads.records.record import Currency, Money, Record


class AccountBalance(Record):
    """An account's balance."""

    external_id: str | None = Field(description="Your own id of the account, if it has one.")
    balance: Money = Field(description="The exact balance. It can be negative.")
    available: Money = Field(
        description="The balance minus all open holds, plus the account's credit limit."
    )
    currency: Currency


def read_balances(ctx: Context, account_ids: Collection[int]) -> dict[int, dict[str, object]]:
    """Return the fields of each account's `AccountBalance` by id; records would take longer."""
    return {
        account_id: {
            "external_id": funds.external_id,
            "balance": decimal_text(funds.balance),
            "available": decimal_text(funds.available),
            "currency": funds.currency,
        }
        for account_id, funds in Funds.of_each(ctx, account_ids).items()
    }
