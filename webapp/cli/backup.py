"""`flask backup`, `flask restore` and `flask move-to`: whole copies of an installation."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from flask.cli import with_appcontext
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from webapp.backup import back_up, move
from webapp.backup import restore as restoring
from webapp.backup.archive import Manifest
from webapp.cli.shared.output import Command, as_json, print_json, print_record
from webapp.env import BadSetting, database_url
from webapp.extensions import db, services
from webapp.reads.system.holdings import Holdings

FILE = click.Path(path_type=Path)


class DatabaseUrl(click.ParamType):
    """As DATABASE_URL takes it."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        try:
            url = database_url("URL", str(value))
            make_url(url)
        except (BadSetting, ArgumentError, ValueError) as fault:
            # No more of it than the first says: it may hold a password.
            told = str(fault) if isinstance(fault, BadSetting) else "no address of a database"
            self.fail(told, param, ctx)
        return url


@click.command(cls=Command)
@click.argument("file", type=FILE)
@as_json
@with_appcontext
def backup(file: Path, as_json: bool) -> None:
    """Write a backup to the new FILE, or into a folder under a name that tells the time.

    The server may go on working. The file holds the database, the sandbox's books, the proofs of
    wire transfers and the secret key; it is opened, summed and proved before it gets its name.
    Exit code 1, and no file, where it does not prove.
    """
    with disk_faults_told(file):
        made = back_up.back_up(file, db.engine, services(), progress("Copying"))
    for wire in made.lost_proofs:
        click.echo(f"{wire}: a proof of payment is gone, or is not what was sent.", err=True)
    record = {"file": str(made.file), "size": made.size, **described(made.manifest, made.holdings)}
    if as_json:
        print_json({**record, "lost_proofs": made.lost_proofs})
        return
    print_record({**record, "size": f"{made.size:,} bytes"})
    click.echo("Opened, summed and proved: the books agree.")


@click.command(cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Open and prove FILE, and restore nothing.")
@as_json
@with_appcontext
def restore(file: Path, check: bool, as_json: bool) -> None:
    """Restore the backup FILE into this installation, which must be empty.

    It may have another database than the one that was backed up: BALLAST_HOME and DATABASE_URL say
    where it goes. An older backup is migrated. All of it is proved again; exit code 1, and nothing
    restored, where it does not prove.
    """
    with disk_faults_told(file):
        if check:
            found = restoring.check(file, services())
        else:
            found = restoring.restore(file, db.engine, services(), progress("Restoring"))
    record = described(found.manifest, found.holdings)
    if as_json:
        print_json({**record, "restored": not check})
        return
    print_record(record)
    click.echo("Opened, summed and proved: the books agree.")
    if not check:
        click.echo(
            f"What happened after {found.manifest.made_at} is not in it. Have your meter send its "
            "usage since then again: what is here already is not counted twice."
        )


@click.command("move-to", cls=Command)
@click.argument("url", type=DatabaseUrl(), metavar="URL")
@as_json
@with_appcontext
def move_to(url: str, as_json: bool) -> None:
    """Move all data from SQLite to the empty PostgreSQL database at URL.

    postgresql+psycopg://ballast@localhost/ballast, say; without a password in it, PGPASSWORD or
    ~/.pgpass is used. Stop the server first. The copy is proved by sums before it counts; then
    the SQLite file is closed to writers and kept.
    """
    moved = move.move_to(url, db.engine, services(), progress("Moving"))
    record = {"to": moved.to, **asdict(moved.holdings)}
    if as_json:
        print_json(record)
        return
    print_record(record)
    click.echo("Both hold the same rows, and the books agree.")
    click.echo("Now set DATABASE_URL to that address and start Ballast. The SQLite file is closed.")


def described(manifest: Manifest, holdings: Holdings) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "files": manifest.others,
        "proofs": len(manifest.proofs),
        **asdict(holdings),
    }


@contextmanager
def disk_faults_told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"{error.filename or file}: {error.strerror}") from error


def progress(label: str):
    """A bar on the error stream; the function it gives moves it on by so many rows."""

    @contextmanager
    def watch(total: int) -> Iterator[Callable[[int], None]]:
        with click.progressbar(length=total, label=label, file=sys.stderr) as bar:
            yield bar.update

    return watch
