"""Settings + adapters → the application; starts the jobs when asked to."""

import logging
import os
import sys
from pathlib import Path

import click
from dotenv import load_dotenv
from flask import Flask

from webapp.app import STATIC, create_app
from webapp.jobs import schedule
from webapp.settings import BadSetting, Settings
from webapp.web.static_files import publish
from webapp.worker import Worker

load_dotenv(Path(__file__).parent / ".env")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("apscheduler").setLevel(logging.WARNING)

try:
    settings = Settings.from_environment(os.environ).ensure_home()
except BadSetting as error:
    sys.exit(str(error))


def serve(published: Path) -> Flask:
    """The application with its worker and its scheduler in this process."""
    worker = Worker()
    app = create_app(settings, wake=worker.wake, static=published)
    worker.start(app)
    scheduler = schedule(app)

    def stop_jobs() -> None:
        scheduler.shutdown()
        worker.stop()

    # For the server to call (deploy/gunicorn.conf.py): by `atexit` the interpreter has already
    # closed the worker's threads.
    app.extensions["stop_jobs"] = stop_jobs
    return app


# An operator's command imports this file too: it serves no pages, and must not start a second
# scheduler.
if click.get_current_context(silent=True) is not None:
    app = create_app(settings)
else:
    published = publish(STATIC, settings.home / "static")
    app = serve(published) if settings.run_jobs else create_app(settings, static=published)
