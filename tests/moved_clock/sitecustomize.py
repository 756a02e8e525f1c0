"""Moves the wall clock of a Python process and of every Python process it starts.

Python imports this file at startup if its folder is on PYTHONPATH; `make test CLOCK=…` puts it
there. CLOCK is a span to add (`+40d`, `-3h`) or an instant in UTC at which the first process starts
(`2028-02-29T23:59`); the clock runs on from there. Other processes, such as a browser or
PostgreSQL, keep the host's clock.
"""

import os
import re
import time
from datetime import UTC, datetime

import time_machine

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds_to_add(text: str, now: float) -> float:
    """Raises `ValueError` if `text` is neither a span nor an instant."""
    span = re.fullmatch(r"([+-]\d+(?:\.\d+)?)([smhd])", text)
    if span:
        return float(span[1]) * SECONDS[span[2]]
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() - now


if moved := os.environ.get("CLOCK"):
    added = seconds_to_add(moved, time.time())
    os.environ["CLOCK"] = f"{added:+f}s"  # child processes get the same offset
    time_machine.travel(time.time() + added, tick=True).start()
    time.time()  # the first reading starts the moved clock: before a fork, not in each child
