"""`flask jobs`."""

import json
import os
import signal
import subprocess
import sys
import time

from webapp.background.scheduler import JOBS
from webapp.settings import ROOT


def test_every_job_reports_its_result(flask, world):
    world.pay(world.card())
    done = flask("jobs run")

    assert done.exit_code == 0
    assert len(done.output.splitlines()) == len(JOBS)
    assert "send emails: 1 emails handled" in done.output


def test_results_as_json(flask, world):
    world.card()
    world.refill("50.00", "100.00")
    world.use("60.00")
    done = json.loads(flask("jobs run --json").output)

    assert list(done) == [job.name for job in JOBS]
    assert done["top up"] == 1
    assert world.balance == "140.00"


def test_a_separate_process_charges_a_top_up_opened_elsewhere(world, home, database):
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "jobs", "start"],
        cwd=ROOT,
        env={
            **os.environ,
            "BALLAST_HOME": str(home),
            "DATABASE_URL": database,
            "RUN_JOBS": "0",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while "Jobs are running" not in process.stderr.readline():
            assert process.poll() is None
        world.card()
        world.refill("50.00", "100.00")
        world.use("60.00")
        deadline = time.monotonic() + 10
        while world.balance != "140.00":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
