"""`flask backup`, `flask restore` and `flask move-to`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from webapp.backup import back_up, move
from webapp.backup import restore as restoring
from webapp.backup.archive import Manifest
from webapp.cli.shared.output import Command, print_record, prints
from webapp.env import database_url
from webapp.extensions import db, services
from webapp.reads.system.holdings import Holdings

FILE = click.Path(path_type=Path)

VERIFIED = "Verified: the backup is complete, and the ledger check passed."


class DatabaseUrl(click.ParamType):
    """A database URL as in DATABASE_URL."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            url = database_url(str(value))
        except ValueError as fault:
            self.fail(f"URL: {fault}", param, ctx)
        try:
            make_url(url)
        except (ArgumentError, ValueError):
            # The error may quote the URL, which can contain a password.
            self.fail("not a database URL", param, ctx)
        return url


def _print_backup(made: dict[str, Any]) -> None:
    del made["lost_proofs"]
    print_record({**made, "size": f"{made['size']:,} bytes"})
    click.echo(VERIFIED)


def _print_restored(found: dict[str, Any]) -> None:
    is_restored = found.pop("restored")
    print_record(found)
    click.echo(VERIFIED)
    if is_restored:
        click.echo(
            f"The backup contains nothing after {found['made_at']}. Have your meter send all usage "
            "since then again; records that are already posted are not counted twice."
        )


def _print_moved(record: dict[str, Any]) -> None:
    print_record(record)
    click.echo("Both databases have the same rows, and the ledger check passed.")
    click.echo("Now set DATABASE_URL to that URL and start Ballast. The SQLite file is closed.")


@click.command(cls=Command)
@click.argument("file", type=FILE)
@prints(_print_backup)
@with_appcontext
def backup(file: Path) -> dict[str, Any]:
    """Write a backup to the new FILE, or to a new file in an existing folder.

    The server can keep running. The backup contains the database, the sandbox's data, the proofs
    of wire transfers and the secret key. It is verified before it gets its final name; if the
    verification fails, no file is written and the exit code is 1.
    """
    with report_disk_errors(file):
        made = back_up.back_up(file, db.engine, services(), progress("Copying"))
    for wire in made.lost_proofs:
        click.echo(f"{wire}: a proof of payment is missing or was changed.", err=True)
    return {
        "file": str(made.file),
        "size": made.size,
        **described(made.manifest, made.holdings),
        "lost_proofs": made.lost_proofs,
    }


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Verify FILE without restoring it.")
@prints(_print_restored)
@with_appcontext
def restore(file: Path, check: bool) -> dict[str, Any]:
    """Restore the backup FILE into this installation, which must be empty.

    BALLAST_HOME and DATABASE_URL set the target, which can be a different kind of database than
    the original. A backup of an older version is migrated. The data is verified again; if the
    verification fails, nothing is restored and the exit code is 1.
    """
    with report_disk_errors(file):
        if check:
            found = restoring.check(file, services())
        else:
            found = restoring.restore(file, db.engine, services(), progress("Restoring"))
    return {**described(found.manifest, found.holdings), "restored": not check}


@click.command("move-to", cls=Command)
@click.argument("url", type=DatabaseUrl(), metavar="URL")
@prints(_print_moved)
@with_appcontext
def move_to(url: str) -> dict[str, Any]:
    """Move all data from SQLite to the empty PostgreSQL database at URL.

    Example: postgresql+psycopg://ballast@localhost/ballast. If the URL has no password, PGPASSWORD
    or ~/.pgpass is used. Stop the server first. The copy is verified before it is committed; then
    the SQLite file is kept, closed to writes.
    """
    moved = move.move_to(url, db.engine, services(), progress("Moving"))
    return {"to": moved.to, **asdict(moved.holdings)}


def described(manifest: Manifest, holdings: Holdings) -> dict[str, object]:
    return {
        "made_at": manifest.made_at.replace("+00:00", "Z"),
        "files": manifest.others,
        "proofs": len(manifest.proofs),
        **asdict(holdings),
    }


@contextmanager
def report_disk_errors(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror}") from error


def progress(label: str):
    """A progress bar on stderr; the yielded function advances it by a number of rows."""

    @contextmanager
    def watch(total: int) -> Iterator[Callable[[int], None]]:
        with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
            yield bar.update

    return watch
