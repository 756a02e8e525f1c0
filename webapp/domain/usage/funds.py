"""What an account's holds can have: the truth of an authorisation, read under the lock (V5)."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import func

from webapp.database.transactions import has_one_writer
from webapp.domain.accounts.account import Account, AccountState, by_ids, locking, rows_of
from webapp.domain.shared import money
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Denied, NotFound, PaymentRequired, Refusal
from webapp.domain.usage.hold_request import HoldRequest
from webapp.domain.usage.holds import SUMS, Hold, HoldState


@dataclass(frozen=True)
class Funds:
    """Amounts in micros."""

    account_id: int
    external_id: str | None
    currency: str
    state: AccountState
    balance: int
    credit_limit: int
    max_open_holds: int | None
    holds: int = 0
    """Number of open holds."""
    held: int = 0
    """Sum of the open holds."""

    @classmethod
    def of(cls, ctx: Context, account_id: int) -> "Funds":
        """Return the account's funds. Raises `NotFound`."""
        ctx.session.flush()
        return cls.of_each(ctx, [account_id])[account_id]

    @classmethod
    def of_each(cls, ctx: Context, account_ids: Collection[int]) -> "dict[int, Funds]":
        """Return the funds of several accounts by id. Raises `NotFound`."""
        values = {"ids": sorted(account_ids), "now": ctx.now}
        rows = ctx.session.connection().execute(_FUNDS, values).all()
        if len(rows) < len(account_ids):
            raise NotFound("The account")
        return {row.account_id: Funds(*row) for row in rows}

    @classmethod
    def lock(cls, ctx: Context, account_ids: Collection[int]) -> "dict[int, Funds]":
        """Lock accounts in the order of their ids; returns their funds by id.

        Part of the current write transaction. Raises `NotFound`.
        """
        if not has_one_writer(ctx.session):
            # A separate statement, so that the next one also sees the holds of the writer that had
            # the lock.
            rows_of(ctx.session, _LOCK, account_ids)
        return cls.of_each(ctx, account_ids)

    @property
    def available(self) -> int:
        """What further holds can have."""
        return self.balance - self.held + self.credit_limit

    def without(self, hold: Hold, now: datetime) -> "Funds":
        """Return the funds as if the hold were not open."""
        if hold.standing(now) is not HoldState.OPEN:
            return self
        return replace(self, holds=self.holds - 1, held=self.held - hold.amount)

    def with_(self, amount: int) -> "Funds":
        """Return the funds after a further hold of `amount`."""
        return replace(self, holds=self.holds + 1, held=self.held + amount)

    def authorise(self, request: HoldRequest) -> int:
        """Return the amount granted.

        Raises `Denied` if the provider has suspended or closed the account, `Conflict` if it has
        its maximum number of open holds (V4), or `PaymentRequired`.
        """
        if self.state != AccountState.ACTIVE:
            raise self.refusal()
        if self.max_open_holds is not None and self.holds >= self.max_open_holds:
            holds = "open hold" if self.max_open_holds == 1 else "open holds"
            sentence = f"The account can have {self.max_open_holds:,} {holds}."
            raise Conflict(sentence, code="too_many_holds")
        if granted := request.granted(self.available):
            return granted
        raise self.refusal()

    def refusal(self) -> Refusal:
        """Return why nothing is granted."""
        if self.state != AccountState.ACTIVE:
            return Denied(f"The account is {self.state}.", code=f"account_{self.state}")
        facts = {
            "granted": money.decimal_text(0),
            "balance": money.decimal_text(self.balance),
            "available": money.decimal_text(self.available),
            "currency": self.currency,
        }
        sentence = "The available balance does not cover this hold."
        return PaymentRequired(sentence, facts, code="insufficient_balance")


_LOCK = locking(by_ids(Account.id))
_SUMS = SUMS.subquery()
# In the order of `Funds`.
_FUNDS = by_ids(
    Account.id.label("account_id"),
    Account.external_id,
    Account.currency,
    Account.state,
    Account.balance,
    Account.credit_limit,
    Account.max_open_holds,
    func.coalesce(_SUMS.c.number, 0),
    func.coalesce(_SUMS.c.amount, 0),
).outerjoin(_SUMS, _SUMS.c.account_id == Account.id)
