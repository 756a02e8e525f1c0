"""Filters of the operators' email list, from URL parameters to a query."""

from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, CompoundSelect, Select, literal, or_, select, tuple_, union

from webapp.database.base import UtcDateTime
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users.user import User
from webapp.reads.filters import UrlFilters
from webapp.reads.notifications.email_labels import STATES, Shown
from webapp.reads.operator import ZONE

LONGEST_TEXT = 100

FEW = 500
"""Most addresses, accounts or users whose emails are looked up by id. A text that matches more
matches so many emails that a scan fills a page quickly."""


@dataclass(frozen=True)
class Filters(UrlFilters):
    first: date | None = None
    """First and last day in UTC, inclusive."""
    last: date | None = None
    state: Shown | None = None
    kind: NoticeKind | None = None
    text: str = ""
    """Part of the recipient's address, the account's name or the user's name."""


def mails(ctx: Context, filters: Filters, after: Notice | None) -> Select[Notice]:
    """Query the matching emails, newest first, starting behind the row `after`."""
    query = select(Notice).where(*_conditions(ctx, filters))
    if after is not None:
        place = tuple_(literal(after.created_at, UtcDateTime()), literal(after.id))
        query = query.where(tuple_(Notice.created_at, Notice.id) < place)
    return query.order_by(Notice.created_at.desc(), Notice.id.desc())


def _conditions(ctx: Context, filters: Filters) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    state, kind = Notice.state.expression, Notice.kind.expression
    if filters.text:
        few = _few(ctx, filters.text)
        found.append(_mention(filters.text) if few is None else Notice.id.in_(few))
        if few is not None:  # an expression, so that SQLite uses the ids and not these indexes
            state, kind = state + "", kind + ""
    if filters.first is not None:
        found.append(Notice.created_at >= datetimes.midnight(filters.first, ZONE))
    if filters.last is not None:
        end = datetimes.midnight(filters.last + timedelta(days=1), ZONE)
        found.append(Notice.created_at < end)
    if filters.state is not None:
        found.append(state == STATES[filters.state])
    if filters.state is Shown.WAITING:
        found.append(Notice.last_error == "")
    if filters.state is Shown.TRIED_AGAIN:
        found.append(Notice.last_error != "")
    if filters.kind is not None:
        found.append(kind == filters.kind)
    return found


def _few(ctx: Context, text: str) -> CompoundSelect[int] | None:
    """Query the ids of emails that match the text; None if more than `FEW` values match."""
    addresses = select(Notice.recipient).where(_addressed(text)).distinct()
    meant = [
        (column, ctx.session.scalars(values.limit(FEW + 1)).all())
        for column, values in (
            (Notice.recipient, addresses),
            (Notice.account_id, _named(Account, text)),
            (Notice.user_id, _named(User, text)),
        )
    ]
    if any(len(values) > FEW for _, values in meant):
        return None
    return union(*(select(Notice.id).where(column.in_(values)) for column, values in meant))


def _mention(text: str) -> ColumnElement[bool]:
    return or_(
        _addressed(text),
        Notice.account_id.in_(_named(Account, text)),
        Notice.user_id.in_(_named(User, text)),
    )


def _addressed(text: str) -> ColumnElement[bool]:
    """Match the recipient; addresses are stored in lower case."""
    return Notice.recipient.contains(text.lower(), autoescape=True)


def _named(who: type[Account | User], text: str) -> Select[int]:
    return select(who.id).where(who.name.icontains(text, autoescape=True))
