"""`flask usage`: post metered usage from a file."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import SEEK_END
from typing import TYPE_CHECKING, BinaryIO

import click
from sqlalchemy.orm import Session

from webapp.actions.usage.post_usage import UsageReceipt, post_usage_of_each
from webapp.cli.shared.output import Commands, in_words, prints, sentence
from webapp.domain.accounts.lookup import AccountName, Directory
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.errors import Invalid
from webapp.domain.usage import csv_reader
from webapp.domain.usage import record as usage
from webapp.domain.usage.csv_reader import Line
from webapp.domain.usage.imports import count_words
from webapp.domain.usage.record import Usage, Verdict
from webapp.extensions import Services, db, make_context, services

if TYPE_CHECKING:
    from click._termui_impl import ProgressBar

commands = Commands("usage", help="Post metered usage.")

BATCH = 8_000
"""Lines per transaction. One takes about a quarter of a second, during which other writers wait."""

PROGRESS_STEP = 100
"""Records between two updates of the progress bar."""


class BadFile(click.ClickException):
    """The whole file is unusable; nothing was posted."""

    exit_code = 2


@commands.command("import")
@click.argument("file", type=click.File("rb"))
@prints(
    sentence(lambda counts: f"{count_words(counts.posted, counts.duplicate, counts.bad)}."),
    code=lambda counts: 1 if counts.bad else 0,
)
def import_(file: BinaryIO) -> "Counts":
    """Post usage from the CSV FILE, or from standard input (-).

    Columns, in any order: account or external_id, amount, reference; optional: occurred_at,
    description, currency.
    The separator is a comma, semicolon, tab or |; unless it is a comma, amounts may have a decimal
    comma. The encoding is UTF-8, UTF-16 or Windows-1252.

    Records with errors are listed with line and reason; the others are imported, and the exit code
    is 1. The reference is the idempotency key, so it is safe to import the same file again.
    """
    run = Import(db.session(), services())
    try:
        with progress(csv_reader.read(file), file) as records:
            for line in records:
                run.take(line)
    except csv_reader.BadHeader as bad:
        raise BadFile(str(bad)) from bad
    run.post_all()
    return run.counts


@dataclass
class Counts:
    """Number of records by result."""

    posted: int = 0
    duplicate: int = 0
    bad: int = 0


@dataclass
class Import:
    """Collects lines by account and posts them in batches."""

    session: Session
    services: Services
    counts: Counts = field(default_factory=Counts)
    waiting: dict[int, list[tuple[Line, Usage]]] = field(default_factory=dict)
    held: int = 0
    """Records in `waiting`."""

    def __post_init__(self) -> None:
        self.accounts = Directory(self.session)
        self.now = self.services.clock.now()  # once per batch: the sandbox's clock reads a file

    def take(self, line: Line) -> None:
        try:
            account_id, record = self._read(line)
        except Invalid as invalid:
            self._report_error(line, line.fault or in_words(invalid))
            return
        self.waiting.setdefault(account_id, []).append((line, record))
        self.held += 1
        if self.held >= BATCH:
            self.post_all()

    def post_all(self) -> None:
        usages = {
            account_id: [record for _, record in lines]
            for account_id, lines in self.waiting.items()
        }
        self.now = self.services.clock.now()
        receipts = post_usage_of_each(make_context(COMMAND_LINE).at(self.now), usages)
        if any(receipt.opened_top_up for receipt in receipts.values()):
            self.services.wake()
        for account_id, receipt in receipts.items():
            self._count(self.waiting[account_id], receipt)
        self.waiting, self.held = {}, 0

    def _read(self, line: Line) -> tuple[int, Usage]:
        """The account id and record of a line. Raises `Invalid`."""
        if line.fault:
            raise Invalid({"line": line.fault})
        name = AccountName.read(*line.names)
        self.accounts.load([name])
        account = self.accounts.find(name)
        return account.id, line.parse(account.currency, self.now)

    def _count(self, lines: list[tuple[Line, Usage]], receipt: UsageReceipt) -> None:
        self.counts.posted += sum(map(receipt.verdicts.count, usage.EFFECTIVE))
        self.counts.duplicate += receipt.verdicts.count(Verdict.DUPLICATE)
        if receipt.refusal:
            for line, _ in lines:
                self._report_error(line, f"account: {receipt.refusal}")
            return
        if not usage.REFUSED.intersection(receipt.verdicts):
            return
        for (line, record), verdict in zip(lines, receipt.verdicts, strict=True):
            if refused := usage.refusal(verdict, record, receipt.usage_max):
                self._report_error(line, in_words(Invalid(refused)))

    def _report_error(self, line: Line, reason: str) -> None:
        self.counts.bad += line.records
        click.echo(f"{'lines' if line.last else 'line'} {line.where}: {reason}", err=True)


def progress(records: Iterator[Line], file: BinaryIO) -> "ProgressBar[Line]":
    """A progress bar on stderr with the number of records.

    For files it also shows the percentage read; a pipe has no size.
    """
    size = 0
    if file.seekable():
        begin, size = file.tell(), file.seek(0, SEEK_END)
        file.seek(begin)
    return click.progressbar(
        records,
        label=f"Posting {click.format_filename(getattr(file, 'name', '-'), shorten=True)}",
        file=sys.stderr,
        bar_template="%(label)s  %(info)s",
        show_pos=True,
        item_show_func=lambda _: f"{file.tell() * 100 // size}%" if size else None,
        update_min_steps=PROGRESS_STEP,
    )
