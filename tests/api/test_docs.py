"""docs/api.md: the shell and Python examples run as written against a server."""

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
from webapp.domain.accounts.account import Account
from webapp.settings import ROOT

TEXT = (ROOT / "docs" / "api.md").read_text()


def blocks(language):
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)
    return [dedent(code) for code in found]


def run(world, command, address, **options):
    """Run the command while the worker works."""
    environ = {
        **os.environ,
        "BALLAST": address,
        "KEY": world.created.api_key,
        "PROVIDER_KEY": world.provider_key().key,
        "PYTHONIOENCODING": "utf-8",
    }
    process = subprocess.Popen(
        command,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        **options,
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
def test_the_python_example_adds_funds(world, address, tmp_path):
    world.cards(VISA, MASTERCARD)
    world.refill()  # As in the demo account, this is not the account's first refill.
    world.use("60.00")
    world.work()
    program = blocks("python")[0]
    file = tmp_path / "meter.py"
    file.write_text(program)

    output = run(world, [sys.executable, str(file)], address)

    assert output == "100.00 paid with Visa •••• 4242\nThe balance is 149.99\n"
    assert world.balance == "149.99"


@on_sqlite
def test_customers_are_brought_from_a_file_and_once(world, address, tmp_path):
    program = blocks("python")[1]
    lines = ["id,name,email,currency"]
    lines += [f"cust-{n},Customer {n},owner{n}@example.com,USD" for n in range(3)]

    def bring():
        (tmp_path / "customers.csv").write_text("\n".join(lines))
        return run(world, [sys.executable, "-c", program], address, cwd=tmp_path).splitlines()

    assert [line.split()[1:] for line in bring()] == [[f"cust-{n}", "created"] for n in range(3)]
    lines.append("cust-3,Customer 3,owner3@example.com,USD")
    assert [line.split()[2] for line in bring()] == ["exists"] * 3 + ["created"]
    world.session.expire_all()
    assert world.session.get_one(Account, world.account_id + 1).external_id == "cust-0"


@on_sqlite
def test_the_command_that_creates_a_key(app, world):
    [command] = [block for block in blocks("text") if "flask" in block]
    arguments = shlex.split(command.replace("\\\n", "").replace(" 1 ", f" {world.account_id} "))
    made = app.test_cli_runner().invoke(args=arguments[3:])
    assert made.exit_code == 0, made.output
    assert "bk_" in made.output


@on_sqlite
def test_the_shell_examples_work(world, address):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    world.cards(MASTERCARD, VISA)
    other = world.account(name="Pier").account_id
    world.session.get_one(Account, other).external_id = "cust-0042"
    world.session.commit()
    outputs = []
    for commands in blocks("sh"):
        # The fixture environment replaces the first lines.
        lines = re.sub(r"^export .*\n", "", commands, flags=re.MULTILINE)
        outputs.append(run(world, ["bash", "-euo", "pipefail", "-c", lines], address))

    assert len(outputs) == 7
    assert '"balance":"100.00"' in outputs[0]
    assert '"posted": 1' in outputs[1]
    assert '"balance": "99.9785"' in outputs[1]
    assert '"posted": 2' in outputs[2]
    assert '"posted": 1, "ended": 0, "duplicate": 1' in outputs[3]
    assert outputs[4].count('"reference":"P-000003"') == 2
    assert world.charges == [("4444", "30.00")]
    assert world.balance == "129.8495"
    assert '"order":' in outputs[5]
    assert '"type":"balances"' in outputs[6]


def test_every_code_and_setting_in_the_page_exists():
    environ = (ROOT / ".env.example").read_text()
    for name in re.findall(r"`(API_[A-Z_]+)`", TEXT):
        assert name in environ
    for code in ("idempotency_key_reused", "idempotency_in_progress", "stale", "invalid"):
        assert f"`{code}`" in TEXT
        assert code in CODES
