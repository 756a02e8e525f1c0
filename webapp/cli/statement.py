"""`flask statement` and `flask activity`: an account's ledger and decisions about charges."""

from datetime import datetime

import click

from webapp.cli.shared.arguments import ACCOUNT, CURSOR, LIMIT, SINCE, UNTIL, require
from webapp.cli.shared.output import OfThisVersion, page, prints
from webapp.extensions import make_context
from webapp.reads.records.activity import ActivityPage, read_activity
from webapp.reads.records.statement import EntryRecord, StatementPage, read_statement

END = "End of list."


def _entry_line(item: EntryRecord) -> str:
    words = item.description or item.reference or item.kind
    return f"{item.posted_at:%Y-%m-%d %H:%M}  {item.amount:>16}  {item.balance_after:>16}  {words}"


@click.command("statement", cls=OfThisVersion)
@ACCOUNT
@SINCE
@UNTIL
@LIMIT
@CURSOR
@prints(page(_entry_line, "entries", END))
def statement(
    account: int,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: int | None,
) -> StatementPage:
    """Print the ledger of ACCOUNT with the running balance, newest first."""
    require(account)
    return read_statement(make_context(), account, since, until, cursor, limit)


def _print_activity(found: ActivityPage) -> None:
    click.echo(found.next)
    page("{last_at:%Y-%m-%d %H:%M}  {code}: {sentence}", "decisions", END)(found)


@click.command("activity", cls=OfThisVersion)
@ACCOUNT
@LIMIT
@CURSOR
@prints(_print_activity)
def activity(account: int, limit: int, cursor: int | None) -> ActivityPage:
    """Print why ACCOUNT was or was not charged, and what happens next."""
    require(account)
    return read_activity(make_context(), account, cursor, limit)
