"""Who changed what, when and from where, newest first (P2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Row, Select, or_, select

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.event import Group
from webapp.domain.events.rows import ABOUT, EventRow
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users.user import Membership, User
from webapp.reads.accounts.subjects import Link, SubjectId, is_about, links_of, name_of
from webapp.reads.filters import UrlFilters

PAGE = 50
BATCH = 500
"""Rows fetched at a time for the CSV file."""

OTHERS = "others"
"""Filter value for everyone who is not a current member of the account."""

HEADER = ("When (UTC)", "Who", "From", "What", "Details", "Code")


@dataclass(frozen=True)
class Filters(UrlFilters):
    """Filters of the audit log; an empty value does not filter."""

    who: str = ""
    """A user id, or `OTHERS`."""
    group: str = ""
    first: date | None = None
    """First and last day, inclusive, in the account's time zone."""
    last: date | None = None
    subject: SubjectId | None = None


@dataclass(frozen=True)
class AuditLine:
    id: int
    time: str
    who: str
    initials: str
    is_person: bool
    address: str
    title: str
    sentence: str
    links: tuple[Link, ...]
    """Links to what the entry is about (E2)."""


@dataclass(frozen=True)
class AuditDay:
    name: str
    lines: tuple[AuditLine, ...]


@dataclass(frozen=True)
class AuditScreen:
    days: tuple[AuditDay, ...]
    filters: Filters
    subject: str
    """What the filter by subject shows: "Visa •••• 4242", "Users"; empty without it."""
    people: tuple[tuple[str, str], ...]
    """Options of the filter: value and label."""
    groups: tuple[tuple[str, str], ...]
    time_zone: str
    older: int | None
    newer: bool

    @property
    def query(self) -> dict[str, str]:
        return self.filters.query


def read_audit_log(
    ctx: Context, account_id: int, filters: Filters, *, before: int | None = None
) -> AuditScreen:
    account = ctx.session.get_one(Account, account_id)
    zone = account.time_zone
    query = _query(account, filters)
    if before is not None:
        query = query.where(EventRow.id < before)
    found = ctx.session.execute(query.limit(PAGE + 1)).all()
    shown = found[:PAGE]
    links = links_of(ctx, shown)
    days = groupby(shown, lambda entry: datetimes.weekday_and_day(entry.at, zone, ctx.now))
    return AuditScreen(
        days=tuple(
            AuditDay(name, tuple(_line(account, entry, links[entry.id]) for entry in entries))
            for name, entries in days
        ),
        filters=filters,
        subject=name_of(ctx, account, filters.subject) if filters.subject else "",
        people=(("", "Everybody"), *_people(ctx, account_id), (OTHERS, "Others")),
        groups=(("", "Everything"), *((name.value, name.value) for name in Group)),
        time_zone=zone,
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
    )


def read_audit_rows(ctx: Context, account_id: int, filters: Filters) -> Iterator[tuple[str, ...]]:
    """Yield the whole filtered log as CSV rows, header first."""
    account = ctx.session.get_one(Account, account_id)
    yield HEADER
    found = ctx.session.execute(_query(account, filters), execution_options={"yield_per": BATCH})
    for entry in found:
        yield (
            entry.at.strftime("%Y-%m-%d %H:%M:%S"),
            entry.actor_name,
            entry.address,
            kinds.title(entry.audit),
            kinds.audited(entry, account),
            entry.audit,
        )


def _query(account: Account, filters: Filters) -> Select[*tuple[Any, ...]]:
    # Columns instead of entities, so that a file of a million rows is not held in memory.
    query = select(
        EventRow.id,
        EventRow.at,
        EventRow.actor_name,
        EventRow.user_id,
        EventRow.address,
        EventRow.kind,
        EventRow.audit,
        EventRow.facts,
        *(getattr(EventRow, name) for name in ABOUT),
    ).where(EventRow.account_id == account.id, EventRow.audit.is_not(None))
    if filters.who == OTHERS:
        belongs = select(Membership.user_id).where(Membership.account_id == account.id)
        system, outsider = EventRow.user_id.is_(None), EventRow.user_id.not_in(belongs)
        query = query.where(or_(system, outsider))
    elif filters.who:
        query = query.where(EventRow.user_id == int(filters.who))
    if filters.group:
        query = query.where(
            EventRow.audit.in_(
                [
                    code
                    for code, kind in kinds.AUDITED.items()
                    if kind.audit and kind.audit.group == filters.group
                ]
            )
        )
    if filters.subject:
        query = query.where(is_about(filters.subject))
    if filters.first:
        query = query.where(EventRow.at >= datetimes.midnight(filters.first, account.time_zone))
    if filters.last:
        end = datetimes.midnight(filters.last + timedelta(days=1), account.time_zone)
        query = query.where(EventRow.at < end)
    return query.order_by(EventRow.id.desc())


def _people(ctx: Context, account_id: int) -> Iterator[tuple[str, str]]:
    """Yield the account's current members as filter options."""
    query = (
        select(User.id, User.name, User.email)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id)
        .distinct()
        .order_by(User.name, User.id)
    )
    for user_id, name, email in ctx.session.execute(query):
        yield str(user_id), f"{name} ({email})"


def _line(account: Account, entry: Row[Any], links: tuple[Link, ...]) -> AuditLine:
    words = entry.actor_name.split()
    return AuditLine(
        id=entry.id,
        time=datetimes.clock_time(entry.at, account.time_zone),
        who=entry.actor_name,
        initials="".join(word[0] for word in (words[:1] + words[1:][-1:])).upper(),
        is_person=entry.user_id is not None,
        address=entry.address,
        title=kinds.title(entry.audit),
        sentence=kinds.audited(entry, account),
        links=links,
    )
