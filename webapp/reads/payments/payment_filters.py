"""Filters and sort order of the payment list, from URL parameters to a query."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from re import compile as pattern

from sqlalchemy import ColumnElement, Select, and_, false, literal, or_, select, tuple_

from webapp.database.base import UtcDateTime
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import declines
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import OPEN_STATES, Attempt, AttemptState, Payment, PaymentKind
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.reads.filters import UrlFilters

LONGEST_TEXT = 100

_REFERENCE = pattern(r"(?ai:p-?0*(\d{1,9}))")


class Shown(StrEnum):
    """An attempt's state in the user interface."""

    PAID = "paid"
    DECLINED = "declined"
    WAITING = "waiting"
    ABANDONED = "abandoned"


STATES = {
    Shown.PAID: AttemptState.PAID,
    Shown.DECLINED: AttemptState.DECLINED,
    Shown.ABANDONED: AttemptState.ABANDONED,
}
RARE = (Shown.WAITING, Shown.ABANDONED)


class Order(StrEnum):
    NEWEST = "newest"
    OLDEST = "oldest"
    LARGEST = "largest"
    SMALLEST = "smallest"


ASCENDING = (Order.OLDEST, Order.SMALLEST)
BY_AMOUNT = (Order.LARGEST, Order.SMALLEST)


@dataclass(frozen=True)
class Filters(UrlFilters):
    first: date | None = None
    """First and last day, inclusive, in the account's time zone."""
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


def attempts(
    ctx: Context, account: Account, filters: Filters, after: Attempt | None
) -> Select[Attempt]:
    """Query the matching attempts in the chosen order, starting behind the row `after`."""
    amount = filters.order in BY_AMOUNT
    ascending = filters.order in ASCENDING
    key: ColumnElement[int] | ColumnElement[datetime]
    key = Attempt.amount.expression if amount else Attempt.started_at.expression
    query = select(Attempt).where(
        *_of_account(ctx, account, filters), *_conditions(ctx, account, filters)
    )
    if after is not None:
        place = literal(after.amount) if amount else literal(after.started_at, UtcDateTime())
        here, there = tuple_(key, Attempt.id), tuple_(place, literal(after.id))
        query = query.where(here > there if ascending else here < there)
    if ascending:
        return query.order_by(key, Attempt.id)
    return query.order_by(key.desc(), Attempt.id.desc())


def _of_account(
    ctx: Context, account: Account, filters: Filters
) -> tuple[ColumnElement[bool], ...]:
    """Return the account condition, narrowed to ids where only a few attempts can match.

    `+ 0` keeps SQLite from scanning the account's index for the sort order instead.
    """
    of_account = Attempt.account_id == account.id
    if filters.state is Shown.WAITING:
        few = select(Attempt.id).where(of_account, Attempt.state.in_(OPEN_STATES))
    elif reference := _REFERENCE.fullmatch(filters.text):
        few = select(Attempt.id).where(Attempt.payment_id == int(reference[1]))
    else:
        return (of_account,)
    ids = ctx.session.scalars(few).all()
    return Attempt.account_id + 0 == account.id, Attempt.id.in_(ids)


def _conditions(ctx: Context, account: Account, filters: Filters) -> list[ColumnElement[bool]]:
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
        # Few attempts are abandoned or open, so SQLite must not use the index of the kind.
        kind = Attempt.kind + "" if filters.state in RARE else Attempt.kind
        found.append(kind == filters.kind)
    if filters.settings is not None:
        found.append(Attempt.settings_version == filters.settings)
    if filters.text:
        found.append(_mentions(ctx, account, filters.text))
    return found


def _mentions(ctx: Context, account: Account, text: str) -> ColumnElement[bool]:
    """Match the text as a reference, or else a method name, reason, note or amount.

    Matches are looked up first, so that a text without any reads no payments.
    """
    if reference := _REFERENCE.fullmatch(text):
        return Attempt.payment_id == int(reference[1])
    meanings: list[ColumnElement[bool]] = []
    if methods := _methods_named(ctx, account, text):
        meanings.append(Attempt.method_id.in_(methods))
    if (amount := _amount(account, text)) is not None:
        meanings.append(Attempt.amount.in_((amount, -amount)))
    meanings += _reasons(text)
    noted = select(Payment.id).where(
        Payment.account_id == account.id,
        Payment.note != "",
        Payment.note.icontains(text, autoescape=True),
    )
    if payments := ctx.session.scalars(noted).all():
        meanings.append(Attempt.payment_id.in_(payments))
    return or_(*meanings) if meanings else false()


def _methods_named(ctx: Context, account: Account, text: str) -> list[int]:
    methods = ctx.session.scalars(
        select(PaymentMethod).where(PaymentMethod.account_id == account.id)
    )
    return [method.id for method in methods if text.casefold() in method.label.casefold()]


def _amount(account: Account, text: str) -> int | None:
    amounts, text = account.amounts, text.lstrip("-− ")
    for sign in (amounts.symbol, amounts.currency):
        text = text.removeprefix(sign).removesuffix(sign)
    try:
        return amounts.read(text)
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
