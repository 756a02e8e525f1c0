"""`flask jobs`: what runs by the clock, once or in a process of its own."""

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

commands = Commands("jobs", help="Run what is due, once or for good.")


@commands.command()
@as_json
def run(as_json: bool) -> None:
    """Run every job once, now, and say what each did."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    if as_json:
        print_json(run_due(app))
        return
    for job in JOBS:  # what the first have done is said, should a later one fail
        click.echo(f"{job.name}: {run_job(app, job):,} {job.done}")


@commands.command(cls=Command)  # it waits for a migration
@click.option(
    "--grace",
    type=click.IntRange(min=0),
    default=40,
    show_default=True,
    help="Seconds for what is under way to finish.",
)
def start(grace: int) -> None:
    """Run the jobs until SIGTERM or Ctrl-C; what is under way is finished first.

    For installations whose web processes have RUN_JOBS=0. A second one does no harm.
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
    click.echo("Finishing what is under way.", err=True)
    left = background.stop(within=grace)
    if left:
        click.echo(f"Left for the next start to carry on: {', '.join(left)}.", err=True)
        sys.stderr.flush()
        # The interpreter would wait for the threads that hang.
        os._exit(0)
