"""docs/api.md: what it shows is run as it stands, by a shell and by Python, against a server."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from textwrap import dedent

import pytest

from tests.conftest import on_sqlite
from tests.factories import MASTERCARD, VISA
from webapp.api.http.codes import CODES
from webapp.settings import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text()


def blocks(language):
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
    return [dedent(code) for code in found]


def run(world, command, address):
    """While it runs, the worker does its work."""
    environ = {
        **os.environ,
        "BALLAST": address,
        "KEY": world.created.api_key,
        "PYTHONIOENCODING": "utf-8",
    }
    process = subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    while True:
        try:
            out, err = process.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            world.work()
    assert process.returncode == 0, err
    return out


@on_sqlite
def test_the_first_refill_that_a_program_has_caused(world, address, tmp_path):
    world.cards(VISA, MASTERCARD)
    world.refill()  # as in the demo account, it is not the account's first
    world.use("60.00")
    world.work()
    [program] = blocks("python")
    file = tmp_path / "meter.py"
    file.write_text(program)

    said = run(world, [sys.executable, str(file)], address)

    assert said == "100.00 paid with Visa •••• 4242\nThe balance is 149.99\n"
    assert world.balance == "149.99"


@on_sqlite
def test_the_key_that_it_makes_first(app, world):
    [command] = [it for it in blocks("text") if "flask" in it]
    words = shlex.split(command.replace(" 1 ", f" {world.account_id} "))
    made = app.test_cli_runner().invoke(args=words[3:])
    assert made.exit_code == 0, made.output
    assert "bk_" in made.output


@on_sqlite
def test_the_commands_do_what_they_say(world, address):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    world.cards(MASTERCARD, VISA)
    told = []
    for commands in blocks("sh"):
        # The first sets what the test has set.
        lines = re.sub(r"^export .*\n", "", commands, flags=re.MULTILINE)
        told.append(run(world, ["bash", "-euo", "pipefail", "-c", lines], address))

    assert len(told) == 6
    assert '"balance":"100.00"' in told[0]
    assert told[1].count('"posted"') == 2
    assert (told[2].count('"posted"'), told[2].count('"duplicate"')) == (1, 1)
    assert told[3].count('"reference":"P-000002"') == 2
    assert world.charges == [("4444", "30.00")]
    assert world.balance == "129.8495"
    assert '"order":' in told[4]
    assert '"type":"balances"' in told[5]


def test_every_code_and_setting_it_names_is_there():
    environ = (ROOT / ".env.example").read_text()
    for name in re.findall(r"`(API_[A-Z_]+)`", TEXT):
        assert name in environ
    for code in ("idempotency_key_reused", "idempotency_in_progress", "stale", "invalid"):
        assert f"`{code}`" in TEXT
        assert code in CODES
