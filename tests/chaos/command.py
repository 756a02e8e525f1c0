"""The command line of the chaos run."""

import json
import secrets
import signal
import sys
import time
from argparse import ArgumentParser
from pathlib import Path

from tests.chaos import report
from tests.chaos.databases import KINDS
from tests.chaos.run import run
from tests.postgres.server import NoServer


def main() -> None:
    options = ArgumentParser(prog="python -m tests.chaos")
    options.add_argument("--kills", type=int, default=500)
    options.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    options.add_argument("--database", choices=KINDS, default="sqlite")
    options.add_argument("--processor", choices=("sandbox", "stripe"), default="sandbox")
    options.add_argument("--json", type=Path, metavar="FILE")
    given = options.parse_args()
    command = (
        f"python -m tests.chaos --kills {given.kills} --seed {given.seed} "
        f"--database {given.database} --processor {given.processor}"
    )
    # Raise on SIGTERM, so that processes and files are cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    started_at = time.monotonic()

    def log(message: str) -> None:
        sys.stderr.write(f"{time.monotonic() - started_at:7.1f} s  {message}\n")
        sys.stderr.flush()

    log(command)
    try:
        outcome = run(given.kills, given.seed, given.database, log, given.processor)
    except NoServer as reason:
        sys.exit(f"No PostgreSQL here: {reason}")
    sys.stdout.reconfigure(errors="replace")  # the locale may lack a character of the report
    sys.stdout.writelines(f"{line}\n" for line in report.table(outcome, command))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(outcome, command), indent=1))
    sys.exit(1 if outcome.differences else 0)
