"""examples/month.py plays a month by API alone, on a running Ballast (V10)."""

import importlib.util
import re
import subprocess
import sys

import pytest

from webapp.actions.api_keys.create_key import create_key
from webapp.domain.api_keys.api_key import OF_PROVIDER, KeyChoice
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.settings import ROOT

SCRIPT = ROOT / "examples" / "month.py"
PAGE = ROOT / "docs" / "month.md"


@pytest.fixture
def at(server):
    """The address of a Ballast with its jobs, and a provider key."""
    server.environ["RUN_JOBS"] = "1"
    key = create_key(
        make_context(COMMAND_LINE), None, KeyChoice("CI", OF_PROVIDER), frozenset(Right)
    ).key
    db.session.remove()
    server.start()
    return server.url, key


def test_v10_the_month_is_as_its_page_shows(at):
    """V10, V4–V7: accounts, declines, holds, the clock, emails and events, and all sums agree."""
    command = [sys.executable, str(SCRIPT), *at]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=600)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    [printed] = re.findall(r"prints:\n\n```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert done.stdout == printed


def test_v10_usage_that_the_script_did_not_post_is_found(at, capsys):
    """V10: a sum that does not agree is an exit status of 1."""
    spec = importlib.util.spec_from_file_location("month", SCRIPT)
    month = sys.modules["month"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(month)
    api, pier = month.Api(*at), month.Customer("Pier", (month.PAYS,), minutes=1)
    events = month.Events(api, [pier])
    month.sign_up(api, pier)
    month.settle(api, events, [pier])
    assert month.report(api, events, [pier]) == 0

    usage = {"external_id": pier.external_id, "reference": "another meter's", "amount": "1.00"}
    api("POST", "/usage", usage)
    assert month.report(api, events, [pier]) == 1
    assert (
        "the usage of the statement and of the calls differ: 1.00 and 0" in capsys.readouterr().out
    )
