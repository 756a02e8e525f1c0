"""Compares the product with a model of it (see `rules.py`) on random walks.

`make test` runs a short walk with a fixed seed. `make model STEPS=5000 SEED=7` runs more steps and
prints how often each situation was reached.
"""

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from secrets import randbelow

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.factories import START
from webapp.domain.shared.policy import Policy
from webapp.extensions import db

pytest.register_assert_rewrite("tests.model.pairs")  # to show differences in failures
from tests.model.walk import Walk  # noqa: E402

STEPS_A_WALK = 30
IN_MAKE_TEST = 300
"""Steps; they take about ten seconds."""

ALWAYS_THE_SAME = "3"
"""This seed reaches five declines in a row, limits, bursts, lost answers and an operator's
decision.
"""


@pytest.fixture
def fresh(app, request, home: Path, tmp_path: Path, database: str, clock, session):
    """Resets the application: empty database and sandbox, initial clock."""
    services = app.extensions["ballast"]
    on_sqlite = database.startswith("sqlite")

    def close_all():
        session.close()
        services.sandbox.close()
        if on_sqlite:
            db.engine.dispose()

    close_all()
    at_first = shutil.copytree(home, tmp_path / "at first")

    def start_over():
        close_all()
        if not on_sqlite:
            request.getfixturevalue("kept").empty()
        for old in home.glob("*.db*"):
            old.unlink()
        for new in at_first.glob("*.db"):
            shutil.copy(new, home)
        clock.at = START
        app.extensions["ballast"] = replace(services, policy=Policy())
        return app, session

    return start_over


def test_product_and_model_agree_on_random_walks(fresh, capsys):
    """M2–M4, M12, T1–T17, F1, F3–F6, F8, F9, F11, N2, N5, L2, L3, L5, L8, L10, L13, E1."""
    steps, number = os.environ.get("STEPS"), os.environ.get("SEED")
    if not number:
        number = str(randbelow(10**6)) if steps else ALWAYS_THE_SAME
    walks = max(1, int(steps or IN_MAKE_TEST) // STEPS_A_WALK)

    class WalkHere(Walk):
        pass

    WalkHere.fresh = staticmethod(fresh)
    WalkHere.reached.clear()
    run_state_machine_as_test(
        seed(int(number))(WalkHere),
        settings=settings(
            max_examples=walks,
            stateful_step_count=STEPS_A_WALK,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            print_blob=False,
        ),
    )
    if steps:
        lines = [f"{times:7,}  {what}" for what, times in sorted(WalkHere.reached.items())]
        with capsys.disabled():
            sys.stdout.write("\n".join(["", f"SEED={number} repeats these walks:", *lines, ""]))
