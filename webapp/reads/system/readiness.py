"""Readiness of this process, with warnings for the operator (see docs/operations.md).

A trouble makes the process unready, a warning does not, and a note is informational.
Every check reads and writes the database, so the result is current.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import Engine

from webapp.database import schema_version
from webapp.database.errors import SENTENCES, Fault, fault_of
from webapp.database.schema_version import OtherVersion
from webapp.domain.shared.context import Context
from webapp.reads.payments.processor_events import EventStatus, read_event_statuses
from webapp.reads.system.backlog import read_backlog
from webapp.reads.system.installation import (
    Finding,
    Severity,
    Sightings,
    findings_of_database,
    findings_of_settings,
)
from webapp.reads.system.writable import check_writable
from webapp.settings import Settings

LITTLE_SPACE = 64 * 1024 * 1024
"""Bytes."""

UNREADABLE = {"other_version", Fault.ABSENT, Fault.BUSY, Fault.DAMAGED}
"""Troubles with which the metrics cannot be read."""

SKEW = 10.0
"""Tolerated clock difference between two hosts, in seconds."""


@dataclass(frozen=True)
class Line:
    code: str
    """Stable, machine-readable."""
    sentence: str


@dataclass(frozen=True)
class Readiness:
    troubles: tuple[Line, ...] = ()
    warnings: tuple[Line, ...] = ()
    notes: tuple[Line, ...] = ()

    @property
    def is_ready(self) -> bool:
        return not self.troubles

    @property
    def is_readable(self) -> bool:
        """Whether metrics can be read; a database that only refuses writes still has them."""
        return UNREADABLE.isdisjoint(line.code for line in self.troubles)


def read_readiness(
    ctx: Context, stopped: Sequence[str], settings: Settings, sightings: Sightings
) -> Readiness:
    """Check readiness; `stopped`: names of background tasks of this process that have stopped."""
    troubles = [
        Line("stopped", f"In this process {name} has stopped: restart it") for name in stopped
    ]
    warnings: list[Line] = []
    notes: list[Line] = []
    found = [*findings_of_settings(settings, sightings)]
    try:
        schema_version.check(ctx.session)
        found += findings_of_database(ctx, settings)
        engine = ctx.session.connection().engine
        statuses = read_event_statuses(ctx.later())
        warnings = [*_of_space(engine), *_of_backlog(ctx), *_of_events(statuses)]
        notes = [Line("last_event", status.last_event) for status in statuses]
        ctx.session.rollback()
        check_writable(engine)
    except OtherVersion as other:
        troubles.append(Line("other_version", str(other)))
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        troubles.append(Line(fault, SENTENCES[fault]))
    finally:
        ctx.session.rollback()
    troubles += _of_severity(Severity.REFUSE, found)
    warnings += _of_severity(Severity.WARN, found)
    return Readiness(tuple(troubles), tuple(warnings), tuple(notes))


def _of_severity(severity: Severity, found: Sequence[Finding]) -> list[Line]:
    return [Line(one.code, one.sentence) for one in found if one.severity is severity]


def _of_space(engine: Engine) -> Iterator[Line]:
    if engine.dialect.name != "sqlite":
        return
    free = shutil.disk_usage(Path(engine.url.database or "").parent).free
    if free < LITTLE_SPACE:
        yield Line("little_space", f"The disk of the database has {free // 1024**2} MB left")


def _of_backlog(ctx: Context) -> Iterator[Line]:
    found = read_backlog(ctx.later())
    for code, waiting, thing, what, hint in (
        ("processor", found.unanswered, "charge", "No answer from the processor", ""),
        ("undecided", found.unresolved, "charge", "Unresolved", "attempts list"),
        ("evidence", found.unmatched, "event", "Unmatched", "evidence list"),
        ("worker", found.not_started, "refill", "Not started by a worker", "jobs start"),
        ("mails", found.unsent, "email", "Not sent yet", ""),
    ):
        if waiting.count:
            things = f"{waiting.count:,} {thing}{'s' if waiting.count > 1 else ''}"
            do = f"; see flask --app wsgi {hint}" if hint else ""
            yield Line(code, f"{what}: {things}, the oldest for {_span(waiting.seconds)}{do}")
    if found.clock_behind > SKEW:
        behind = _span(found.clock_behind)
        yield Line("clock", f"The clock is {behind} behind the newest row: set it right")


def _of_events(statuses: Sequence[EventStatus]) -> Iterator[Line]:
    """Warn about processors whose events cannot be listed or whose webhooks are missing (L17)."""
    for status in statuses:
        if status.is_behind or status.trouble:
            yield Line("events", f"Events from {status.processor} are {status.caught_up}")
        if status.missed:
            do = "see flask --app wsgi processors check"
            yield Line("webhook", f"{status.processor}: {status.missed_by_webhook}; {do}")


def _span(seconds: float) -> str:
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
