"""What the run's processes serve: the product's own `wsgi`, with tripwires laid, and in a hurry.

The product knows nothing of this. `CHAOS` says which steps are armed and where to note what was
passed; without it nothing is laid.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

from jinja2 import FileSystemBytecodeCache

from tests.chaos import tripwires
from webapp.background import scheduler

HURRY = 1
"""Seconds between two runs of every job: the run's clock goes faster than the wall's."""

scheduler.JOBS = tuple(replace(job, seconds=HURRY) for job in scheduler.JOBS)
if orders := os.environ.get("CHAOS"):
    told = json.loads(orders)
    tripwires.lay(told["armed"], Path(told["trace"]))

from wsgi import app  # noqa: E402  only now: it starts the jobs

# Lives are short: none of them has to compile every template anew.
app.jinja_env.bytecode_cache = FileSystemBytecodeCache(os.environ["BALLAST_HOME"])
