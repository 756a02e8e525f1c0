"""Which payments a list shows, and in which order: from an address to a query."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from re import compile as pattern

from sqlalchemy import ColumnElement, Select, and_, false, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from webapp.database.base import UtcDateTime
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import declines
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import (
    OPEN_STATES,
    Attempt,
    AttemptState,
    Payment,
    PaymentKind,
)
from webapp.domain.shared import datetimes, money

LONGEST_TEXT = 100

_REFERENCE = pattern(r"(?ai:p-?0*(\d{1,9}))")


class Shown(StrEnum):
    """An attempt's state as people know it."""

    PAID = "paid"
    DECLINED = "declined"
    WAITING = "waiting"
    ABANDONED = "abandoned"


STATES = {
    Shown.PAID: AttemptState.PAID,
    Shown.DECLINED: AttemptState.DECLINED,
    Shown.ABANDONED: AttemptState.ABANDONED,
}
SELDOM = (Shown.WAITING, Shown.ABANDONED)


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"


ASCENDING = (Order.OLDEST, Order.SMALLEST)
BY_AMOUNT = (Order.LARGEST, Order.SMALLEST)


@dataclass(frozen=True)
class Filters:
    first: date | None = None
    """Of the account's days, both included."""
    last: date | None = None
    method_id: int | None = None
    state: Shown | None = None
    kind: PaymentKind | None = None
    text: str = ""
    settings: int | None = None
    """The version of the low-balance settings that caused them (E2)."""
    order: Order = Order.NEWEST

    @property
    def narrows(self) -> bool:
        return any(name != "sort" for name in self.query)

    @property
    def query(self) -> dict[str, str]:
        """As it stands in an address: only what is set."""
        given = {
            "q": self.text,
            "state": self.state or "",
            "kind": self.kind or "",
            "method": str(self.method_id or ""),
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
            "settings": str(self.settings or ""),
            "sort": "" if self.order is Order.NEWEST else self.order.value,
        }
        return {name: str(value) for name, value in given.items() if value}


def attempts(
    session: Session, account: Account, filters: Filters, after: Attempt | None
) -> Select[Attempt]:
    """What the filters let through, in their order, from behind the row `after` on."""
    amount = filters.order in BY_AMOUNT
    ascending = filters.order in ASCENDING
    key: ColumnElement[int] | ColumnElement[datetime]
    key = Attempt.amount.expression if amount else Attempt.started_at.expression
    query = select(Attempt).where(
        *_of_account(session, account, filters), *_conditions(session, account, filters)
    )
    if after is not None:
        place = literal(after.amount) if amount else literal(after.started_at, UtcDateTime())
        here, there = tuple_(key, Attempt.id), tuple_(place, literal(after.id))
        query = query.where(here > there if ascending else here < there)
    if ascending:
        return query.order_by(key, Attempt.id)
    return query.order_by(key.desc(), Attempt.id.desc())


def _of_account(
    session: Session, account: Account, filters: Filters
) -> tuple[ColumnElement[bool], ...]:
    """What is known to be few is found first, and then by its id and by no index of the account's:
    for the sake of the order SQLite would walk the whole list.
    """
    mine = Attempt.account_id == account.id
    if filters.state is Shown.WAITING:
        few = select(Attempt.id).where(mine, Attempt.state.in_(OPEN_STATES))
    elif reference := _REFERENCE.fullmatch(filters.text):
        few = select(Attempt.id).where(Attempt.payment_id == int(reference[1]))
    else:
        return (mine,)
    ids = session.scalars(few).all()
    return Attempt.account_id + 0 == account.id, Attempt.id.in_(ids)


def _conditions(session: Session, account: Account, filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if filters.first is not None:
        found.append(Attempt.started_at >= datetimes.midnight(filters.first, account.time_zone))
    if filters.last is not None:
        end = datetimes.midnight(filters.last + timedelta(days=1), account.time_zone)
        found.append(Attempt.started_at < end)
    if filters.method_id is not None:
        found.append(Attempt.method_id == filters.method_id)
    if filters.state is not None and filters.state is not Shown.WAITING:
        found.append(Attempt.state == STATES[filters.state])
    if filters.kind is not None:
        # Few are abandoned or open: it must not be the kind by which they are looked for.
        kind = Attempt.kind + "" if filters.state in SELDOM else Attempt.kind
        found.append(kind == filters.kind)
    if filters.settings is not None:
        found.append(Attempt.settings_version == filters.settings)
    if filters.text:
        found.append(_mentions(session, account, filters.text))
    return found


def _mentions(session: Session, account: Account, text: str) -> ColumnElement[bool]:
    """The text as a reference; else as part of a method's name, a reason or a note, or an amount.

    What it can mean is looked up first, so that a text without a meaning reads no payments at all.
    """
    if reference := _REFERENCE.fullmatch(text):
        return Attempt.payment_id == int(reference[1])
    meanings: list[ColumnElement[bool]] = []
    if methods := _methods_named(session, account, text):
        meanings.append(Attempt.method_id.in_(methods))
    if (amount := _amount(text)) is not None:
        meanings.append(Attempt.amount.in_((amount, -amount)))
    meanings += _reasons(text)
    noted = select(Payment.id).where(
        Payment.account_id == account.id,
        Payment.note != "",
        Payment.note.icontains(text, autoescape=True),
    )
    if payments := session.scalars(noted).all():
        meanings.append(Attempt.payment_id.in_(payments))
    return or_(*meanings) if meanings else false()


def _methods_named(session: Session, account: Account, text: str) -> list[int]:
    methods = session.scalars(select(PaymentMethod).where(PaymentMethod.account_id == account.id))
    return [method.id for method in methods if text.casefold() in method.label.casefold()]


def _amount(text: str) -> int | None:
    try:
        return money.parse(text.lstrip("-−$€£ ").replace(",", ""))
    except money.BadAmount:
        return None


def _reasons(text: str) -> list[ColumnElement[bool]]:
    known = declines.REASONS
    codes = [c for c, why in known.items() if text.casefold() in why.sentence.casefold()]
    declined = Attempt.state == AttemptState.DECLINED
    found = [and_(declined, Attempt.decline_code.in_(codes))] if codes else []
    if text.casefold() in declines.BANK.sentence.casefold():
        others = or_(Attempt.decline_code.is_(None), Attempt.decline_code.not_in(known))
        found.append(and_(declined, others))
    return found
