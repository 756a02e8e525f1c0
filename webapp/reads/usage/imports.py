"""Usage imports: the list, progress of a running import, and its errors by line."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.usage import imports as usage_imports
from webapp.domain.usage.imports import MOST_FAULTS, ImportState, UsageImport, count_words

SHOWN = 20
"""Most imports listed, and most errors shown per import; the CSV file has more."""


@dataclass(frozen=True)
class ImportRow:
    id: int
    file_name: str
    when: str
    state: str
    tone: str
    counts: str
    """ "1,204 imported, 3 duplicates, 2 errors"."""
    percent: int
    is_running: bool
    bad: int
    faults: tuple[tuple[str, str], ...]
    """Line or range of lines, and the reason, of the first errors."""
    more_faults: int
    why: str


def read_imports(ctx: Context, account_id: int) -> tuple[ImportRow, ...]:
    account = ctx.session.get_one(Account, account_id)
    mine = select(UsageImport).where(UsageImport.account_id == account_id)
    found = ctx.session.scalars(mine.order_by(UsageImport.id.desc()).limit(SHOWN))
    return tuple(_row(one, account, ctx.now) for one in found)


def read_import(ctx: Context, account_id: int, import_id: int) -> ImportRow:
    """Raises `NotFound`."""
    found = usage_imports.find(ctx.session, account_id, import_id)
    return _row(found, ctx.session.get_one(Account, account_id), ctx.now)


def read_progress(ctx: Context, account_id: int, key: str) -> ImportRow | None:
    """Read the import that a form has started; None while it has not arrived yet."""
    found = usage_imports.by_key(ctx.session, account_id, key)
    return _row(found, ctx.session.get_one(Account, account_id), ctx.now) if found else None


def read_report(ctx: Context, account_id: int, import_id: int) -> Iterator[tuple[str, ...]]:
    """Yield the errors as CSV rows, header first. Raises `NotFound`."""
    found = usage_imports.find(ctx.session, account_id, import_id)
    yield "line", "reason"
    for where, reason, *_ in found.faults:
        yield str(where), str(reason)
    if more := found.bad_beyond(MOST_FAULTS):
        yield "", f"{more:,} more"


def _row(found: UsageImport, account: Account, now: datetime) -> ImportRow:
    state, tone = "Done", "ok"
    if found.state == ImportState.REFUSED:
        state, tone = "Rejected", "bad"
    elif found.is_cut_off(now):
        state, tone = "Interrupted", "warn"
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
        counts=count_words(found.posted, found.duplicate, found.bad),
        percent=found.percent(),
        is_running=state == "Running",
        bad=found.bad,
        faults=shown,
        more_faults=found.bad_beyond(SHOWN),
        why=found.why,
    )
