"""Settings + adapters → the application; starts the jobs when asked to."""

import logging
import os
import sys
from io import TextIOWrapper
from pathlib import Path

import click
from dotenv import load_dotenv
from flask import Flask

from webapp import private_files
from webapp.app import STATIC, create_app
from webapp.background.processes import Background
from webapp.backup.moved_marker import word_left_at
from webapp.cli.shared.output import faults_in_one_line
from webapp.env import BadSetting
from webapp.settings import Settings
from webapp.start_check import check_start
from webapp.web.http.static_files import publish

os.umask(private_files.UMASK)

# Where the host's locale lacks a character, such as • in a card's name, print ? instead of failing.
for stream in (sys.stdout, sys.stderr):
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")

load_dotenv(Path(__file__).parent / ".env")
logging.basicConfig(
    level=logging.INFO,
    format="%(asctime)s %(levelname)s %(name)s %(message)s",
    datefmt="%Y-%m-%dT%H:%M:%S%z",  # with the offset: logs of several hosts are read together
)
# It warns each time that a job is still at its last run: every few seconds while a processor hangs.
logging.getLogger("apscheduler").setLevel(logging.ERROR)
# It tells of each migration; `flask db` says in one line what was done.
logging.getLogger("alembic").setLevel(logging.WARNING)

try:
    settings = Settings.from_environment(os.environ).ensure_home()
except BadSetting as error:
    sys.exit(str(error))


REFUSED = 3
"""Exit code of a worker whose server is to stop; after others gunicorn starts the next worker."""


def require_good_start(app: Flask) -> None:
    if refusals := check_start(app):
        print(*refusals, sep="\n", file=sys.stderr)  # noqa: T201
        sys.exit(REFUSED)


def serve(published: Path) -> Flask:
    """The application with its worker and its scheduler in this process."""
    background = Background()
    app = create_app(
        settings, wake=background.worker.wake, supervisor=background.supervisor, static=published
    )
    require_good_start(app)
    background.start(app)
    # For the server to stop (deploy/gunicorn.conf.py): by `atexit` the interpreter has already
    # closed the worker's threads.
    app.extensions["background"] = background
    return app


# An operator's command imports this file too: it serves no pages, and must not start a second
# scheduler.
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
