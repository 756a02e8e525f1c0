"""Imports of usage: those that were, one that runs, and what was wrong with the lines of one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes
from webapp.domain.usage import imports as usage_imports
from webapp.domain.usage.imports import MOST_FAULTS, ImportState, UsageImport

SHOWN = 20
"""Imports of a list, and bad lines of a page; the file has all of these."""


@dataclass(frozen=True)
class ImportRow:
    id: int
    file_name: str
    when: str
    state: str
    tone: str
    counts: str
    """ "1,204 posted, 3 already there, 2 bad"."""
    percent: int
    is_running: bool
    bad: int
    faults: tuple[tuple[str, str], ...]
    """Line or range of lines, and the reason: the first bad records."""
    more_faults: int
    why: str


def read_imports(session: Session, account_id: int, now: datetime) -> tuple[ImportRow, ...]:
    account = session.get_one(Account, account_id)
    mine = select(UsageImport).where(UsageImport.account_id == account_id)
    found = session.scalars(mine.order_by(UsageImport.id.desc()).limit(SHOWN))
    return tuple(_row(one, account, now) for one in found)


def read_import(session: Session, account_id: int, import_id: int, now: datetime) -> ImportRow:
    """Raises `NotFound`."""
    found = usage_imports.find(session, account_id, import_id)
    return _row(found, session.get_one(Account, account_id), now)


def read_progress(session: Session, account_id: int, key: str, now: datetime) -> ImportRow | None:
    """The one that this form has begun; None while it is still on its way."""
    found = usage_imports.by_key(session, account_id, key)
    return _row(found, session.get_one(Account, account_id), now) if found else None


def read_report(session: Session, account_id: int, import_id: int) -> Iterator[tuple[str, ...]]:
    """The bad lines as rows of a file. Raises `NotFound`."""
    found = usage_imports.find(session, account_id, import_id)
    yield "line", "reason"
    for where, reason, *_ in found.faults:
        yield str(where), str(reason)
    if more := found.bad_beyond(MOST_FAULTS):
        yield "", f"{more:,} more"


def _row(found: UsageImport, account: Account, now: datetime) -> ImportRow:
    state, tone = "Done", "ok"
    if found.state == ImportState.REFUSED:
        state, tone = "Not used", "bad"
    elif found.is_cut_off(now):
        state, tone = "Cut off", "warn"
    elif found.state == ImportState.RUNNING:
        state, tone = "Running", "off"
    elif found.bad:
        tone = "warn"
    shown = tuple((str(where), str(reason)) for where, reason, *_ in found.faults[:SHOWN])
    return ImportRow(
        id=found.id,
        file_name=found.file_name,
        when=datetimes.since(found.started_at, account.time_zone, now),
        state=state,
        tone=tone,
        counts=f"{found.posted:,} posted, {found.duplicate:,} already there, {found.bad:,} bad",
        percent=found.percent(),
        is_running=state == "Running",
        bad=found.bad,
        faults=shown,
        more_faults=found.bad_beyond(SHOWN),
        why=found.why,
    )
