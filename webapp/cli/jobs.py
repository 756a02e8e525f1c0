"""`flask jobs`: run scheduled jobs, once or in a separate process."""

import os
import signal
import sys
from threading import Event

import click
from flask import current_app

from webapp.background.processes import Background
from webapp.background.scheduler import JOBS, run_due, run_job
from webapp.cli.shared.output import Command, Commands, as_json, print_json
from webapp.start_check import check_start

commands = Commands("jobs", help="Run scheduled jobs, once or continuously.")


@commands.command()
@as_json
def run(as_json: bool) -> None:
    """Run every job once, now, and print what each did."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    if as_json:
        print_json(run_due(app))
        return
    for job in JOBS:  # print each result at once: a later job may fail
        click.echo(f"{job.name}: {run_job(app, job):,} {job.done}")


@commands.command(cls=Command)  # not OfThisVersion: it waits for a migration
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="Seconds for running work to finish.",
)
def start(grace: int) -> None:
    """Run the jobs until SIGTERM or Ctrl-C; running work is finished first.

    For installations whose web processes have RUN_JOBS=0. Running it twice is safe.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    if refusals := check_start(app):
        raise click.ClickException("\n".join(refusals))
    background, stopped = Background(), Event()

    def stop(number: int, frame: object) -> None:
        background.supervisor.close()
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    background.start(app)
    click.echo("Jobs are running. Ctrl-C stops them.", err=True)
    stopped.wait()
    click.echo("Finishing running work.", err=True)
    left = background.stop(within=grace)
    if left:
        click.echo(f"Left for the next start to carry on: {', '.join(left)}.", err=True)
        sys.stderr.flush()
        # A normal exit would wait for the threads that hang.
        os._exit(0)
