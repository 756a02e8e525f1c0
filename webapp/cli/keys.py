"""`flask keys`: the API keys of an account."""

from dataclasses import asdict
from datetime import timedelta

import click

from webapp.actions.create_key import NewKey, create_key
from webapp.actions.revoke_key import revoke_key
from webapp.actions.rotate_key import LONGEST_OVERLAP, rotate_key
from webapp.cli.accounts import ANY_ID
from webapp.cli.commands import Commands, as_json, print_json, print_record
from webapp.domain.api_keys import ALL, KeyChoice, Scope
from webapp.domain.audit import COMMAND_LINE
from webapp.domain.users import Right
from webapp.extensions import db, parts
from webapp.reads.api_keys import read_key_records

commands = Commands("keys", help="API keys: make, list, rotate and revoke them.")

MOST_HOURS = int(LONGEST_OVERLAP / timedelta(hours=1))


@commands.command()
@click.argument("account", type=ANY_ID)
@click.option("--name", required=True, help="What it is for; people see it beside the key.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; repeat for more. All when left out.",
)
@click.option("--from", "networks", multiple=True, metavar="CIDR", help="Only from here; repeat.")
@click.option("--days", type=click.IntRange(1, 3650), help="It ends after so many. Else never.")
@as_json
def create(
    account: int,
    name: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    days: int | None,
    as_json: bool,
) -> None:
    """Make a key for ACCOUNT. It is shown this once."""
    choice = KeyChoice(name, scopes or ALL, networks, timedelta(days=days) if days else None)
    now = parts().clock.now()
    made = create_key(db.session(), account, choice, frozenset(Right), COMMAND_LINE, now)
    show_new(account, made, as_json)


@commands.command("list")
@click.argument("account", type=ANY_ID)
@as_json
def list_(account: int, as_json: bool) -> None:
    """List the keys of ACCOUNT, the newest first; the keys themselves are stored nowhere."""
    rows = read_key_records(db.session(), account, parts().clock.now())
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    for row in rows:
        used = f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
        click.echo(f"{row.id:>6}  {row.prefix}…  {row.state:<8} {used:<16}  {row.name}")
    if not rows:
        click.echo("There is no key.")


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("key", type=ANY_ID)
@click.option(
    "--overlap",
    type=click.IntRange(0, MOST_HOURS),
    default=24,
    show_default=True,
    help="Hours for which the old one works beside the new one.",
)
@as_json
def rotate(account: int, key: int, overlap: int, as_json: bool) -> None:
    """Put a new key in the place of KEY, which is an id of `flask keys list`."""
    made = rotate_key(
        db.session(),
        account,
        key,
        timedelta(hours=overlap),
        frozenset(Right),
        COMMAND_LINE,
        parts().clock.now(),
    )
    show_new(account, made, as_json)


@commands.command()
@click.argument("account", type=ANY_ID)
@click.argument("key", type=ANY_ID)
@as_json
def revoke(account: int, key: int, as_json: bool) -> None:
    """End KEY at once and for good."""
    now = parts().clock.now()
    revoked_at = revoke_key(db.session(), account, key, COMMAND_LINE, now).revoked_at
    if as_json:
        print_json({"account": account, "id": key, "revoked_at": revoked_at})
        return
    click.echo(f"Key {key} of account {account} does not work any more.")


def show_new(account: int, made: NewKey, as_json: bool) -> None:
    record = {"account": account, "id": made.id, "name": made.name, "api_key": made.key}
    print_json(record) if as_json else print_record(record)
