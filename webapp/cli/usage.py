"""`flask usage`: post metered usage from a file."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.post_usage import UsageReceipt, post_usage_of_many
from webapp.cli.commands import Commands, as_json, in_words, print_json
from webapp.domain import usage, usage_file
from webapp.domain.accounts import Account
from webapp.domain.errors import Invalid, Refusal
from webapp.domain.usage import Usage, Verdict
from webapp.domain.usage_file import Line
from webapp.extensions import Parts, db, parts

commands = Commands("usage", help="Post metered usage.")

BATCH = 8_000
"""Lines that are held in memory, and posted in one transaction: about a quarter of a second, for
which other writers wait."""


TOLD = 100
"""Lines from one move of the progress bar to the next."""

ACCOUNT_ID = re.compile("[0-9]{1,9}")


class BadFile(click.ClickException):
    """The file as a whole cannot be used; nothing was posted."""

    exit_code = 2


@commands.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
@click.pass_context
def import_(ctx: click.Context, file: Path, as_json: bool) -> None:
    """Post usage from the CSV FILE: account,amount,reference,occurred_at,description.

    Bad lines are told by number and reason, and the others are posted; exit code 1 then. The
    reference is the idempotency key, so the same file can be imported again safely.
    """
    run = Import(db.session(), parts())
    with file.open("rb") as stream, progress(stream, file) as advance:
        try:
            for line in usage_file.read(stream):
                run.take(line)
                if line.number % TOLD == 0:
                    advance()
        except usage_file.BadHeader as bad:
            raise BadFile(str(bad)) from bad
        run.post_all()
    counts = asdict(run.counts)
    print_json(counts) if as_json else click.echo(run.counts.sentence)
    ctx.exit(1 if run.counts.bad else 0)


@dataclass
class Counts:
    posted: int = 0
    duplicate: int = 0
    bad: int = 0

    @property
    def sentence(self) -> str:
        return f"{self.posted:,} posted, {self.duplicate:,} already there, {self.bad:,} bad."


@dataclass
class Import:
    """Collects lines by account and posts them in batches."""

    session: Session
    it: Parts
    counts: Counts = field(default_factory=Counts)
    waiting: dict[int, list[tuple[int, Usage]]] = field(default_factory=dict)
    held: int = 0
    """Lines in `waiting`."""
    currencies: dict[int, str | None] = field(default_factory=dict)
    """By account; None where there is no such account."""

    def __post_init__(self) -> None:
        self.now = self.it.clock.now()  # once a batch: in the sandbox a look at a file

    def take(self, line: Line) -> None:
        try:
            account_id, record = self._read(line)
        except Invalid as invalid:
            self._tell_bad(line.number, line.fault or in_words(invalid))
            return
        self.waiting.setdefault(account_id, []).append((line.number, record))
        self.held += 1
        if self.held >= BATCH:
            self.post_all()

    def post_all(self) -> None:
        usages = {
            account_id: [record for _, record in lines]
            for account_id, lines in self.waiting.items()
        }
        self.now = self.it.clock.now()
        receipts = self._post(usages)
        if any(receipt.opened_top_up for receipt in receipts.values()):
            self.it.wake()
        for account_id, receipt in receipts.items():
            self._count(self.waiting[account_id], receipt)
        self.waiting, self.held = {}, 0

    def _post(self, usages: dict[int, list[Usage]]) -> dict[int, UsageReceipt]:
        """All in one transaction. What is refused for one account's sake stops no other's."""
        try:
            return post_usage_of_many(self.session, usages, self.now, self.it.policy)
        except Refusal as refusal:
            if len(usages) > 1:
                receipts: dict[int, UsageReceipt] = {}
                for account_id, mine in usages.items():
                    receipts |= self._post({account_id: mine})
                return receipts
            for account_id in usages:
                for number, _ in self.waiting[account_id]:
                    self._tell_bad(number, f"account: {refusal.sentence}")
            return {}

    def _read(self, line: Line) -> tuple[int, Usage]:
        """Raises `Invalid`."""
        if line.fault:
            raise Invalid({"line": line.fault})
        text = line.fields.pop("account").strip()
        account_id = int(text) if ACCOUNT_ID.fullmatch(text) else 0
        currency = self._currency(account_id)
        if currency is None:
            raise Invalid({"account": f"There is no account {text!r}"})
        return account_id, usage.parse(line.fields, currency, self.now)

    def _currency(self, account_id: int) -> str | None:
        if account_id not in self.currencies:
            query = select(Account.currency).where(Account.id == account_id)
            self.currencies[account_id] = self.session.scalar(query)
        return self.currencies[account_id]

    def _count(self, lines: list[tuple[int, Usage]], receipt: UsageReceipt) -> None:
        self.counts.posted += receipt.verdicts.count(Verdict.POSTED)
        self.counts.duplicate += receipt.verdicts.count(Verdict.DUPLICATE)
        if Verdict.CONFLICT not in receipt.verdicts:
            return
        for (number, record), verdict in zip(lines, receipt.verdicts, strict=True):
            if verdict is Verdict.CONFLICT:
                reason = f"{record.reference} was posted before with another amount"
                self._tell_bad(number, f"reference: {reason}")

    def _tell_bad(self, number: int, reason: str) -> None:
        self.counts.bad += 1
        click.echo(f"line {number}: {reason}", err=True)


@contextmanager
def progress(stream: BinaryIO, file: Path) -> Iterator[Callable[[], None]]:
    """A bar on the error stream; the function it gives moves the bar to where the file is read."""
    size, label = file.stat().st_size, f"Posting {file.name}"
    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:
        at = 0

        def advance() -> None:
            nonlocal at
            if stream.tell() > at:
                bar.update(stream.tell() - at)
                at = stream.tell()

        yield advance
        bar.update(size - at)
