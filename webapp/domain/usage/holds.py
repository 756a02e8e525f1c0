"""Holds: what calls and jobs that are running are expected to cost (T12).

A hold changes no balance and triggers nothing. It ends with its cost when usage comes under the
same reference, or is released, or expires.
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
    text,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, select_columns, sql_literal
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.usage.record import REFERENCE_LENGTH

LIFE = timedelta(hours=24)
"""At most, and unless a meter asks for less: what it forgot must not be held for ever."""

LARGEST_SUM = 2**53
"""Micros that the holds of one account may come to: nine billion."""


class HoldState(StrEnum):
    OPEN = "open"
    ENDED = "ended"
    """Its usage has come."""
    RELEASED = "released"
    EXPIRED = "expired"


class Hold(Base):
    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("amount > 0", name="amount_is_above_zero"),
        Index("uq_hold_account_id_reference", "account_id", "reference", unique=True),
        Index(
            "ix_hold_open",
            "account_id",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index(
            "ix_hold_expires_at",
            "expires_at",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reference: Mapped[str] = mapped_column(String(REFERENCE_LENGTH))
    """The meter's own, under which the usage will come."""
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros: the estimate."""
    state: Mapped[HoldState] = mapped_column(String(10), default=HoldState.OPEN)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    def standing(self, now: datetime) -> HoldState:
        """The truth, which the job only records."""
        if self.state == HoldState.OPEN and now >= self.expires_at:
            return HoldState.EXPIRED
        return HoldState(self.state)

    def end(self, account: Account, state: HoldState, now: datetime) -> None:
        """By itself or by somebody; `account` is locked."""
        self.state, self.ended_at = state, now
        account.open_holds -= 1


@dataclass(frozen=True)
class Held:
    """What the open holds of an account come to."""

    count: int = 0
    amount: int = 0
    """Micros."""


NOTHING = Held()


def find(session: Session, account_id: int, reference: str) -> Hold:
    """Raises `NotFound`."""
    is_possible = "\0" not in reference  # PostgreSQL can look for none
    hold = by_reference(session, account_id, reference) if is_possible else None
    if hold is None:
        raise NotFound("The hold")
    return hold


def by_reference(session: Session, account_id: int, reference: str) -> Hold | None:
    mine = and_(Hold.account_id == account_id, Hold.reference == reference)
    return session.scalar(select(Hold).where(mine).execution_options(populate_existing=True))


def held(session: Session, account: Account, now: datetime) -> Held:
    """One statement, and none for the many accounts that never hold anything."""
    if not account.open_holds:
        return NOTHING
    count, amount = select_columns(session, _HELD, {"account_id": account.id, "now": now}).one()
    return Held(count, int(amount))


def require_open(hold: Hold, now: datetime) -> None:
    """Raises `Conflict`."""
    standing = hold.standing(now)
    if standing is not HoldState.OPEN:
        raise Conflict(f"The hold {hold.reference} is {standing}.", code="hold_over")


def require_countable(session: Session, account: Account, more: int, now: datetime) -> None:
    """Raises `Conflict`."""
    if held(session, account, now).amount + more > LARGEST_SUM:
        raise Conflict("That is more than can be held.", code="balance_out_of_range")


def end_with_usage(
    session: Session, account: Account, references: Sequence[str], now: datetime
) -> None:
    """Their cost is posted in this transaction. `account` is locked, and says if there are any."""
    if not account.open_holds:
        return
    ended = session.connection().execute(
        _END, {"its_account": account.id, "its_references": list(references), "now": now}
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
