"""The WSGI app of the run's processes: the product's own `wsgi` with kill points and fast jobs.

`CHAOS` names the armed steps and the trace file; without it there are no kill points.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

from jinja2 import FileSystemBytecodeCache

from tests.chaos import kill_points
from webapp.background import scheduler

JOB_INTERVAL = 1
"""Seconds between two runs of each job; the run's clock is faster than the wall clock."""

scheduler.JOBS = tuple(replace(job, seconds=JOB_INTERVAL) for job in scheduler.JOBS)
if config := os.environ.get("CHAOS"):
    options = json.loads(config)
    kill_points.install(options["armed"], Path(options["trace"]))

from wsgi import app  # noqa: E402  imported last, because it starts the jobs

# Processes are short-lived and share compiled templates.
app.jinja_env.bytecode_cache = FileSystemBytecodeCache(os.environ["BALLAST_HOME"])
