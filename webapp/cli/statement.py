"""`flask statement` and `flask activity`: what moved a balance, and what was done about it."""

from dataclasses import asdict
from datetime import datetime

import click

from webapp.cli.shared.arguments import ACCOUNT, CURSOR, LIMIT, SINCE, UNTIL, require
from webapp.cli.shared.output import OfThisVersion, as_json, print_json
from webapp.extensions import db, services
from webapp.reads.records.activity import read_activity
from webapp.reads.records.statement import read_statement


@click.command("statement", cls=OfThisVersion)
@ACCOUNT
@SINCE
@UNTIL
@LIMIT
@CURSOR
@as_json
def statement(
    account: int,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: int | None,
    as_json: bool,
) -> None:
    """Print the ledger of ACCOUNT with its running balance, the newest first."""
    require(account)
    page = read_statement(db.session(), account, since, until, cursor, limit)
    if as_json:
        print_json(asdict(page))
        return
    for it in page.entries:
        words = it.description or it.reference or it.kind
        click.echo(
            f"{it.posted_at:%Y-%m-%d %H:%M}  {it.amount:>16}  {it.balance_after:>16}  {words}"
        )
    click.echo(f"More: --cursor {page.next_cursor}" if page.next_cursor else "That is all.")


@click.command("activity", cls=OfThisVersion)
@ACCOUNT
@LIMIT
@CURSOR
@as_json
def activity(account: int, limit: int, cursor: int | None, as_json: bool) -> None:
    """Print why ACCOUNT was charged, or was not, and what happens next."""
    require(account)
    page = read_activity(
        db.session(), account, services().clock.now(), services().policy, cursor, limit
    )
    if as_json:
        print_json(asdict(page))
        return
    click.echo(page.next)
    for line in page.decisions:
        click.echo(f"{line.last_at:%Y-%m-%d %H:%M}  {line.code}: {line.sentence}")
    click.echo(f"More: --cursor {page.next_cursor}" if page.next_cursor else "That is all.")
