"""Holds: the expected cost of running calls and jobs (T12).

A hold does not change the balance and triggers nothing. It ends when usage is posted under its
reference, when it is released, or when it expires.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    and_,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.database.statements import select_columns, sql_literal
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.usage.record import REFERENCE_LENGTH

LIFE = timedelta(hours=24)
"""Default and maximum lifetime, so that a hold that is never released expires."""

LARGEST_SUM = 2**53
"""Maximum sum of an account's holds in micros: nine billion units."""


class HoldState(StrEnum):
    OPEN = "open"
    ENDED = "ended"
    """Usage was posted under its reference."""
    RELEASED = "released"
    EXPIRED = "expired"


class Hold(Base):
    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_above_zero"),
        Index("uq_hold_account_id_reference", "account_id", "reference", unique=True),
        partial_index("ix_hold_open", "account_id", where="state = 'open'"),
        partial_index("ix_hold_expires_at", "expires_at", where="state = 'open'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reference: Mapped[str] = mapped_column(String(REFERENCE_LENGTH))
    """The meter's reference, under which it will post the usage."""
    amount: Mapped[int] = mapped_column(BigInteger)
    """Estimated cost in micros."""
    state: Mapped[HoldState] = mapped_column(String(10), default=HoldState.OPEN)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def standing(self, now: datetime) -> HoldState:
        """Return the state at `now`; an expired hold may not be recorded as such yet."""
        if self.state == HoldState.OPEN and now >= self.expires_at:
            return HoldState.EXPIRED
        return HoldState(self.state)

    def end(self, account: Account, state: HoldState, now: datetime) -> None:
        """End the hold as released or expired; `account` must be locked."""
        self.state, self.ended_at = state, now
        account.open_holds -= 1


@dataclass(frozen=True)
class Held:
    """Number and sum of an account's open holds."""

    count: int = 0
    amount: int = 0
    """Micros."""


NOTHING = Held()


def find(session: Session, account_id: int, reference: str) -> Hold:
    """Return the account's hold. Raises `NotFound`."""
    is_possible = "\0" not in reference  # PostgreSQL does not accept NUL in a parameter
    hold = by_reference(session, account_id, reference) if is_possible else None
    if hold is None:
        raise NotFound("The hold")
    return hold


def by_reference(session: Session, account_id: int, reference: str) -> Hold | None:
    mine = and_(Hold.account_id == account_id, Hold.reference == reference)
    return session.scalar(select(Hold).where(mine).execution_options(populate_existing=True))


def held(ctx: Context, account: Account) -> Held:
    """Return the sum of the open holds, without a query if the account has none."""
    if not account.open_holds:
        return NOTHING
    count, amount = select_columns(
        ctx.session, _HELD, {"account_id": account.id, "now": ctx.now}
    ).one()
    return Held(count, int(amount))


def require_open(hold: Hold, now: datetime) -> None:
    """Raise `Conflict` if the hold has ended or expired."""
    state = hold.standing(now)
    if state is not HoldState.OPEN:
        raise Conflict(f"The hold {hold.reference} is {state}.", code="hold_over")


def require_countable(ctx: Context, account: Account, more: int) -> None:
    """Raise `Conflict` if `more` micros would exceed `LARGEST_SUM`."""
    if held(ctx, account).amount + more > LARGEST_SUM:
        raise Conflict("The account's holds would exceed the maximum.", code="balance_out_of_range")


def end_with_usage(ctx: Context, account: Account, references: Sequence[str]) -> None:
    """End the holds with these references, whose usage is posted in this transaction.

    `account` must be locked.
    """
    if not account.open_holds:
        return
    ended = ctx.session.connection().execute(
        _END, {"its_account": account.id, "its_references": list(references), "now": ctx.now}
    )
    if ended.rowcount:
        account.open_holds -= ended.rowcount


def expired(now: datetime) -> ColumnElement[bool]:
    return and_(Hold.state == HoldState.OPEN, Hold.expires_at <= now)


_HELD = select(func.count(), func.coalesce(func.sum(Hold.amount), 0)).where(
    Hold.account_id == bindparam("account_id"),
    Hold.state == sql_literal(HoldState.OPEN),
    Hold.expires_at > bindparam("now", type_=Hold.expires_at.type),
)
_END = (
    update(Hold)
    .where(
        Hold.account_id == bindparam("its_account"),
        Hold.state == HoldState.OPEN,
        Hold.reference.in_(bindparam("its_references", expanding=True)),
    )
    .values(state=HoldState.ENDED, ended_at=bindparam("now", type_=Hold.expires_at.type))
    .execution_options(synchronize_session=False)
)
