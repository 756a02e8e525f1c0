"""`flask jobs`: what runs by the clock, once or in a process of its own."""

import signal
from threading import Event

import click
from flask import current_app

from webapp.cli.commands import Commands, as_json, print_json
from webapp.jobs import JOBS, run_due, schedule
from webapp.worker import Worker

commands = Commands("jobs", help="Run what is due, once or for good.")


@commands.command()
@as_json
def run(as_json: bool) -> None:
    """Run every job once, now, and say what each did."""
    done = run_due(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
    if as_json:
        print_json(done)
        return
    for job in JOBS:
        click.echo(f"{job.name}: {done[job.name]:,} {job.done}")


@commands.command()
def start() -> None:
    """Run the jobs until SIGTERM or Ctrl-C; what is under way is finished first.

    For installations whose web processes have RUN_JOBS=0. A second one does no harm.
    """
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    worker = Worker()
    worker.start(app)
    scheduler = schedule(app)
    click.echo("Jobs are running. Ctrl-C stops them.", err=True)
    stopped.wait()
    click.echo("Finishing what is under way.", err=True)
    scheduler.shutdown()
    worker.stop()
