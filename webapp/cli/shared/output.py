"""Command base classes, error messages and output formats."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import datetime
from functools import wraps
from typing import Any

import click
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from webapp.backup.moved_marker import word_in
from webapp.cli.shared.arguments import find_accounts
from webapp.database.errors import Fault, fault_of
from webapp.database.schema_version import UPGRADE, OtherVersion
from webapp.database.vault import WrongKey
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.extensions import db, services
from webapp.ports import MailServerUnavailable
from webapp.reads.records.record import Record
from webapp.supervisor import sentence_of

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of sentences.")

Show = Callable[[Any], None]
"""Prints what a command returns, for people."""

Line = str | Callable[[Any], str]
"""Makes an item's line: a function, or a template with the item's fields in braces."""


def prints(
    show: Show | None = None, code: Callable[[Any], int] | None = None
) -> Callable[[Callable[..., object]], Callable[..., None]]:
    """Add `--json`, and print what the command returns: as JSON, or by `show`.

    Without `show`, a record is printed as one line per field. `code`: the exit code, from what the
    command returns.
    """

    def decorate(command: Callable[..., object]) -> Callable[..., None]:
        @as_json
        @wraps(command)
        def run(*args: object, as_json: bool, **given: object) -> None:
            result = command(*args, **given)
            print_json(result) if as_json else (show or print_record)(result)
            if code:
                click.get_current_context().exit(code(result))

        return run

    return decorate


def lines(line: Line, none: str, of: str = "") -> Show:
    """Print a line for each item, or the sentence `none` if there are none.

    `of`: the attribute with the items, if the command does not return them themselves.
    """

    def show(result: Any) -> None:
        items = getattr(result, of) if of else result
        for item in items:
            sentence(line)(item)
        if not items:
            click.echo(none)

    return show


def page(line: Line, of: str, end: str) -> Show:
    """Print a line for each item in the attribute `of`, and how to continue, or `end`."""

    def show(result: Any) -> None:
        for item in getattr(result, of):
            sentence(line)(item)
        click.echo(f"More: --cursor {result.next_cursor}" if result.next_cursor else end)

    return show


def sentence(line: Line) -> Show:
    """Print a record in one line."""
    return lambda record: click.echo(
        line.format(**_fields(record)) if isinstance(line, str) else line(record)
    )


def _fields(record: Any) -> Mapping[str, Any]:
    if isinstance(record, Record):
        return record.model_dump()
    return asdict(record) if is_dataclass(record) else record  # type: ignore[arg-type]


REMEDIES = {
    Fault.ABSENT: "Start it, or correct DATABASE_URL or BALLAST_HOME.",
    Fault.READ_ONLY: "Make it writable for this user.",
    Fault.FULL: "Free disk space.",
    Fault.BUSY: "Stop the process that holds the lock, then try again.",
    Fault.DAMAGED: "Stop Ballast and restore a backup: docs/backup.md.",
}


class Command(click.Command):
    """A command whose expected errors are one line on stderr, with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        with faults_in_one_line():
            return super().invoke(ctx)


@contextmanager
def faults_in_one_line() -> Iterator[None]:
    """Convert expected errors to one line; wsgi.py applies it to Flask's own commands too."""
    try:
        yield
    except Invalid as invalid:
        raise click.ClickException(in_words(invalid)) from invalid
    except ChargeUnconfirmed as unconfirmed:
        charge = unconfirmed.charge
        amount = decimal_text(charge.amount, 2)
        raise click.ClickException(
            f"This would charge {amount} to {charge.method} now. Nothing was changed. "
            "Add --charge to proceed."
        ) from unconfirmed
    except Refusal as refusal:
        raise click.ClickException(refusal.sentence) from refusal
    except IntegrityError as error:
        if not (word := word_in(str(error.orig))):
            raise
        raise click.ClickException(word) from error
    except (
        DBAPIError,
        sqlite3.Error,
        OSError,
        OtherVersion,
        WrongKey,
        MailServerUnavailable,
    ) as error:
        sentence = sentence_of(error) or _schema_error(error)
        if not sentence:
            raise
        fault = fault_of(error)
        remedy = f" {REMEDIES[fault]}" if fault else ""
        raise click.ClickException(f"{sentence}.{remedy}") from error


def _schema_error(error: Exception) -> str:
    """The message for a missing table or column; empty for any other error."""
    if not isinstance(error, (OperationalError, ProgrammingError)):
        return ""
    fault = " ".join(str(error.orig).split())
    hint = f"If it is new or of an older version, run: {UPGRADE}"
    return f"The database cannot be used: {fault}. {hint}"


class OfThisVersion(Command):
    """A command that requires the database schema of this version, as pages and jobs do.

    Its arguments may name accounts by the provider's own ids.
    """

    def invoke(self, ctx: click.Context) -> Any:
        with faults_in_one_line(), ctx.ensure_object(ScriptInfo).load_app().app_context():
            services().schema.check(db.session())
            find_accounts(ctx.params)
        return super().invoke(ctx)


class Commands(Command, AppGroup):
    """A group of `OfThisVersion` commands."""

    command_class = OfThisVersion


def in_words(invalid: Invalid) -> str:
    """Field errors in one line: "amount: Must be above zero; reference: Enter a reference"."""
    return "; ".join(f"{field}: {sentence}" for field, sentence in invalid.fields.items())


def print_json(value: object) -> None:
    """Print JSON on one line; dataclasses as objects, datetimes as UTC text."""
    click.echo(json.dumps(value, default=_plain, ensure_ascii=False))


def print_record(record: Any) -> None:
    """Print one line per field of a mapping or dataclass, with aligned values."""
    record = _fields(record)
    width = max(map(len, record)) + 2
    for name, value in record.items():
        lines = value if isinstance(value, tuple) else (value,)
        for label, line in zip([name, *[""] * len(lines)], lines or ("–",), strict=False):
            text = "–" if line in (None, "") else line
            if isinstance(text, datetime):
                text = f"{text:%Y-%m-%d %H:%M} UTC"
            click.echo(f"{label.replace('_', ' '):<{width}}{text}")


def _plain(value: object) -> object:
    if isinstance(value, Record) or is_dataclass(value):
        return _fields(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    raise TypeError(f"{value!r} cannot be written as JSON")
