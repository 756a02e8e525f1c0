"""Post usage from an uploaded file, line by line; safe to repeat (L12)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from sqlalchemy.exc import IntegrityError

from webapp.actions.usage.post_usage import post_usage
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.usage import UsageImported
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.usage import csv_reader
from webapp.domain.usage import record as usage
from webapp.domain.usage.csv_reader import Line
from webapp.domain.usage.imports import MOST_FAULTS, NAME_LENGTH, ImportState, UsageImport
from webapp.domain.usage.record import Usage, Verdict

BATCH = 1_000
"""Lines per transaction; other writers wait while one runs."""


def import_usage(
    ctx: Context,
    account_id: int,
    file: BinaryIO,
    file_name: str,
    size: int,
    key: str,
    wake: Callable[[], None],
) -> int:
    """Import the customer's file and return the import's id.

    `key` identifies the form. Raises `Denied` if the provider meters the account (V3), or
    `Conflict` if the form has been submitted before.
    """
    import_id = _begin(ctx.later(), account_id, file_name, size, key)
    currency = ctx.session.get_one(Account, account_id).currency
    ctx.session.rollback()
    run = _Run(ctx, account_id, import_id, currency, wake)
    try:
        for line in csv_reader.read(file, account_is_known=True):
            run.take(line, file.tell())
    except csv_reader.BadHeader as bad:
        run.refuse(str(bad))
        return import_id
    run.end()
    return import_id


def _begin(ctx: Context, account_id: int, file_name: str, size: int, key: str) -> int:
    Account.locked(ctx.session, account_id).require_own_metering()
    run = UsageImport(
        account_id=account_id,
        user_id=ctx.actor.user_id,
        request_key=key,
        file_name=_readable(file_name),
        size=size,
        started_at=ctx.now,
        went_on_at=ctx.now,
    )
    ctx.session.add(run)
    try:
        ctx.session.flush()
    except IntegrityError:
        ctx.session.rollback()
        raise Conflict("This form has already been submitted.") from None
    import_id = run.id
    ctx.session.commit()
    return import_id


def _readable(name: str) -> str:
    """The last part of a path, without unprintable characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:NAME_LENGTH] or "usage.csv"


@dataclass
class _Run:
    ctx: Context
    account_id: int
    import_id: int
    currency: str
    wake: Callable[[], None]
    waiting: list[tuple[Line, Usage]] = field(default_factory=list)
    unsaved: int = 0
    """Lines since the counts were last saved."""
    faults: list[list[object]] = field(default_factory=list)
    posted: int = 0
    duplicate: int = 0
    bad: int = 0
    at: int = 0

    def take(self, line: Line, at: int) -> None:
        self.at = at
        self.unsaved += 1
        try:
            record = line.parse_for(self.account_id, self.currency, self.ctx.clock.now())
            self.waiting.append((line, record))
        except Invalid as invalid:
            errors = "; ".join(f"{name}: {error}" for name, error in invalid.fields.items())
            self._add_fault(line, line.fault or errors)
        if self.unsaved >= BATCH:
            self.post()

    def post(self) -> None:
        if self.waiting:
            records = [record for _, record in self.waiting]
            receipt = post_usage(self.ctx.later(), self.account_id, records)
            self.wake()
            for (line, record), verdict in zip(self.waiting, receipt.verdicts, strict=True):
                self.posted += verdict in usage.EFFECTIVE
                self.duplicate += verdict is Verdict.DUPLICATE
                refused = usage.refusal(verdict, record, receipt.usage_max)
                for name, error in refused.items():
                    self._add_fault(line, f"{name}: {error}")
            self.waiting = []
        self.unsaved = 0
        self._save(ImportState.RUNNING)

    def end(self) -> None:
        self.post()
        session, run = self.ctx.session, self._update(ImportState.DONE)
        run.read, run.faults = run.size, self.faults
        event = UsageImported(run.file_name, self.posted, self.duplicate, self.bad)
        events.record(self.ctx.later(), self.account_id, event)
        session.commit()

    def refuse(self, why: str) -> None:
        session, run = self.ctx.session, self._update(ImportState.REFUSED)
        run.why = why[:300]
        session.commit()

    def _save(self, state: ImportState) -> None:
        session = self.ctx.session
        self._update(state)
        session.commit()

    def _update(self, state: ImportState) -> UsageImport:
        begin_writing(self.ctx.session)
        run = self.ctx.session.get_one(UsageImport, self.import_id)
        run.state, run.went_on_at, run.read = state, self.ctx.clock.now(), self.at
        run.posted, run.duplicate, run.bad = self.posted, self.duplicate, self.bad
        return run

    def _add_fault(self, line: Line, reason: str) -> None:
        self.bad += line.records
        if len(self.faults) < MOST_FAULTS:
            self.faults.append([line.where, reason, line.records])
