"""Holds: the authorised cost of running calls and jobs (T12, V5).

A hold does not change the balance and triggers nothing. It ends when usage is posted under its
reference, when it is released, or when it expires.
"""

from collections.abc import Collection, Mapping, Sequence
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
    cast,
    func,
    select,
    tuple_,
    update,
)
from sqlalchemy import (
    insert as insert_into,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.database.statements import select_columns, sql_literal
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.usage.hold_request import HoldChange, HoldRequest, Rate
from webapp.domain.usage.record import REFERENCE_LENGTH

LIFE = timedelta(hours=24)
"""Default and maximum lifetime, so that a hold that is never released expires."""

PART = "#"
"""Between a hold's reference and the number of a report: the reference of that part's usage."""

LONGEST_REPORTED = REFERENCE_LENGTH - 8
"""Characters of a reference to which `PART` and a report's number are added."""


SUMMED = ("account_id", "expires_at", "amount", "state")


class HoldState(StrEnum):
    OPEN = "open"
    ENDED = "ended"
    """Final usage was posted under its reference, or was zero."""
    RELEASED = "released"
    EXPIRED = "expired"


class Hold(Base):
    __tablename__ = "hold"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_is_not_negative"),
        Index("uq_hold_account_id_reference", "account_id", "reference", unique=True),
        # Has all columns that the sum of an account's open holds needs: no row of a hold is read.
        partial_index("ix_hold_open", *SUMMED, where="state = 'open'"),
        partial_index("ix_hold_expires_at", "expires_at", where="state = 'open'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    reference: Mapped[str] = mapped_column(String(REFERENCE_LENGTH))
    """The meter's reference, under which it will post the usage."""
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros that are held: what was granted last. 0 if the last request for more was refused."""
    asked: Mapped[int] = mapped_column(BigInteger)
    """Micros that were asked for last."""
    minimum: Mapped[int | None] = mapped_column(BigInteger)
    rate_per_minute: Mapped[int | None] = mapped_column(BigInteger)
    """Micros per minute, if time at a rate is held."""
    increment: Mapped[int | None]
    """Seconds in which time at the rate is charged."""
    lasts: Mapped[int] = mapped_column(server_default=str(int(LIFE.total_seconds())))
    """Seconds from a grant to the expiry."""
    used: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Micros debited by reports while the hold is open."""
    reports: Mapped[int] = mapped_column(default=0, server_default="0")
    """Number of those reports."""
    state: Mapped[HoldState] = mapped_column(String(10), default=HoldState.OPEN)
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    @property
    def rate(self) -> Rate | None:
        if self.rate_per_minute is None:
            return None
        return Rate(self.rate_per_minute, self.increment or 1)

    @classmethod
    def granted(
        cls, account_id: int, reference: str, request: HoldRequest, amount: int, now: datetime
    ) -> "Hold":
        hold = cls(account_id=account_id, reference=reference, opened_at=now)
        hold.state, hold.used, hold.reports = HoldState.OPEN, 0, 0
        hold.grant(request, amount, now)
        return hold

    def next_request(self, change: HoldChange) -> HoldRequest:
        """Return the request for the next part: what was asked for last, with the changes."""
        last = HoldRequest(timedelta(seconds=self.lasts), self.asked, self.rate, self.minimum)
        return last.changed(change)

    @property
    def seconds(self) -> int | None:
        """Seconds that the held amount pays at the rate; None without a rate."""
        return self.rate.seconds(self.amount) if self.rate else None

    def grant(self, request: HoldRequest, amount: int, now: datetime) -> None:
        """Hold `amount` micros of what was asked."""
        self.amount, self.asked, self.minimum = amount, request.asked, request.minimum
        self.rate_per_minute = request.rate.per_minute if request.rate else None
        self.increment = request.rate.increment if request.rate else None
        self.lasts = int(request.lasts.total_seconds())
        self.expires_at = now + request.lasts

    def standing(self, now: datetime) -> HoldState:
        """Return the state at `now`; an expired hold may not be recorded as such yet."""
        if self.state == HoldState.OPEN and now >= self.expires_at:
            return HoldState.EXPIRED
        return HoldState(self.state)

    def end(self, account: Account, state: HoldState, now: datetime) -> None:
        """End the hold as released or expired; `account` must be locked."""
        self.state, self.ended_at = state, now
        account.open_holds -= 1


class HoldReport(Base):
    """A report of use that had an `Idempotency-Key`: sent again, it is not debited again (V6)."""

    __tablename__ = "hold_report"
    __table_args__ = (
        Index("uq_hold_report_hold_id_report_key", "hold_id", "report_key", unique=True),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    hold_id: Mapped[int] = mapped_column(ForeignKey("hold.id"))
    report_key: Mapped[str] = mapped_column(String(48))
    amount: Mapped[int] = mapped_column(BigInteger)
    """Micros that were debited."""


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
    sums = select_columns(ctx.session, SUMS, {"ids": [account.id], "now": ctx.now}).one_or_none()
    return Held(sums.number, sums.amount) if sums else NOTHING


def report_of(session: Session, hold: Hold, report_key: str) -> HoldReport | None:
    """Return the report that had this key; None if there is none."""
    if not report_key:
        return None
    mine = (HoldReport.hold_id == hold.id, HoldReport.report_key == report_key)
    return session.scalar(select(HoldReport).where(*mine))


def require_open(hold: Hold, now: datetime) -> None:
    """Raise `Conflict` if the hold has ended or expired."""
    state = hold.standing(now)
    if state is not HoldState.OPEN:
        raise Conflict(f"The hold {hold.reference} is {state}.", code="hold_closed")


def by_references(
    session: Session, pairs: Collection[tuple[int, str]]
) -> dict[tuple[int, str], Hold]:
    """Return the holds with these pairs of account and reference, detached from the session, so
    that the threads of other requests can read them.
    """
    if not pairs:
        return {}
    found = session.scalars(select(Hold).where(_is_among(pairs))).all()
    for hold in found:
        session.expunge(hold)
    return {(hold.account_id, hold.reference): hold for hold in found}


def insert(session: Session, new: Sequence[Hold], counts: Mapping[int, int]) -> None:
    """Insert new holds, and count them at their locked accounts."""
    connection = session.connection()
    connection.execute(_INSERT, [{name: getattr(it, name) for name in _COLUMNS} for it in new])
    connection.execute(_COUNT, [{"counted": id_, "more": more} for id_, more in counts.items()])


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


def standings(
    session: Session, asked: Collection[tuple[int, str]]
) -> dict[tuple[int, str], HoldState]:
    """Return the recorded state of each hold that these pairs of account id and reference name."""
    rows = session.execute(
        select(Hold.account_id, Hold.reference, Hold.state).where(_is_among(asked))
    )
    return {(account_id, reference): HoldState(state) for account_id, reference, state in rows}


def end_unused(ctx: Context, account: Account, references: Sequence[str]) -> None:
    """End the open and expired holds with these references, whose final usage is zero (V6).

    `account` must be locked.
    """
    end_with_usage(ctx, account, references)
    ctx.session.execute(
        update(Hold)
        .where(
            Hold.account_id == account.id,
            Hold.state == HoldState.EXPIRED,
            Hold.reference.in_(references),
        )
        .values(state=HoldState.ENDED, ended_at=ctx.now)
        .execution_options(synchronize_session=False)
    )


def expired(now: datetime) -> ColumnElement[bool]:
    return and_(Hold.state == HoldState.OPEN, Hold.expires_at <= now)


def _is_among(pairs: Collection[tuple[int, str]]) -> ColumnElement[bool]:
    return tuple_(Hold.account_id, Hold.reference).in_(pairs)


SUMS = (
    select(
        Hold.account_id,
        func.count().label("number"),
        cast(func.sum(Hold.amount), BigInteger).label("amount"),
    )
    .where(
        Hold.account_id.in_(bindparam("ids", expanding=True)),
        Hold.state == sql_literal(HoldState.OPEN),
        Hold.expires_at > bindparam("now", type_=Hold.expires_at.type),
    )
    .group_by(Hold.account_id)
)
"""Number and sum of the open holds of each of the accounts `ids` that has any, at `now`."""

_COLUMNS = tuple(column.name for column in Hold.__table__.columns if column.name != "id")
_INSERT = insert_into(Hold)
_COUNT = (
    update(Account)
    .where(Account.id == bindparam("counted"))
    .values(open_holds=Account.open_holds + bindparam("more"), revision=Account.revision + 1)
    .execution_options(synchronize_session=False)
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
