"""The WSGI entry point: builds the application, and starts the jobs if RUN_JOBS is set."""

import logging
import os
import sys
from io import TextIOWrapper
from pathlib import Path

import click
from dotenv import load_dotenv
from flask import Flask

from webapp import private_files, request_ids
from webapp.app import STATIC, create_app
from webapp.background.processes import Background
from webapp.backup.moved_marker import word_left_at
from webapp.cli.shared.output import faults_in_one_line
from webapp.env import BadSetting
from webapp.settings import Settings
from webapp.start_check import check_start
from webapp.web.http.static_files import publish

os.umask(private_files.UMASK)

# Print ? instead of failing if the host's locale lacks a character, such as • in a card's label.
for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")

load_dotenv(Path(__file__).parent / ".env")
logging.basicConfig(
    level=logging.INFO,
    format=request_ids.LOG_FORMAT,
    datefmt="%Y-%m-%dT%H:%M:%S%z",  # with the UTC offset, to compare logs of several hosts
)
for handler in logging.getLogger().handlers:
    handler.addFilter(request_ids.AddRequestId())
# APScheduler warns of each skipped run, which is every few seconds while a processor hangs.
logging.getLogger("apscheduler").setLevel(logging.ERROR)
# Alembic logs each migration; `flask db` prints a one-line summary instead.
logging.getLogger("alembic").setLevel(logging.WARNING)

try:
    settings = Settings.from_environment(os.environ).ensure_home()
except BadSetting as error:
    sys.exit(str(error))


REFUSED = 3
"""Exit code with which a gunicorn worker stops the server instead of being restarted."""


def require_good_start(app: Flask) -> None:
    if refusals := check_start(app):
        print(*refusals, sep="\n", file=sys.stderr)  # noqa: T201
        sys.exit(REFUSED)


def serve(published: Path) -> Flask:
    """Build the application, and start its worker and scheduler in this process."""
    background = Background()
    app = create_app(
        settings, wake=background.worker.wake, supervisor=background.supervisor, static=published
    )
    require_good_start(app)
    background.start(app)
    # The server stops it (deploy/gunicorn.conf.py): at `atexit` the interpreter has already
    # stopped the worker's threads.
    app.extensions["background"] = background
    return app


# Flask commands import this module too; they must not start a second scheduler.
try:
    if (context := click.get_current_context(silent=True)) is not None:
        context.find_root().with_resource(faults_in_one_line())
        app = create_app(settings)
    elif word := word_left_at(settings.database_url):
        sys.exit(f"DATABASE_URL: {word}")
    else:
        published = publish(STATIC, settings.home / "static")
        if settings.run_jobs:
            app = serve(published)
        else:
            app = create_app(settings, static=published)
            require_good_start(app)
except BadSetting as error:
    sys.exit(str(error))
