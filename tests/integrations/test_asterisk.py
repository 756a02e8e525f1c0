"""integrations/asterisk/ballast.py, with a stand-in of Asterisk and the real Ballast."""

import json
import subprocess
import sys

import pytest

from tests.integrations.conftest import INTEGRATIONS, PATIENCE
from webapp.domain.accounts.account import AccountState

SCRIPT = INTEGRATIONS / "asterisk" / "ballast.py"


class Asterisk:
    """Runs the AGI script as Asterisk does: facts first, then an answer to each command."""

    def __init__(self, ini, spool):
        self.ini, self.spool = ini, spool

    def authorise(self, channel, number="353891234567"):
        return self.agi("authorise", channel, agi_extension=number)

    def end(self, channel, seconds):
        """The call has ended, `seconds` after the answer; None: not answered."""
        channel["variables"]["ANSWEREDTIME"] = "" if seconds is None else str(seconds)
        return self.agi("end", channel, agi_extension="s")

    def agi(self, task, channel, **facts):
        facts = {
            "agi_request": "ballast.py",
            "agi_uniqueid": channel["id"],
            "agi_accountcode": channel["account"],
            **facts,
        }
        process = self._start(task)
        for name, value in facts.items():
            process.stdin.write(f"{name}: {value}\n")
        process.stdin.write("\n")
        process.stdin.flush()
        for line in process.stdout:
            process.stdin.write(self._answer(line.strip(), channel["variables"]) + "\n")
            process.stdin.flush()
        process.stdin.close()
        assert process.wait() == 0
        return channel["variables"]

    def flush(self):
        process = self._start("flush")
        process.communicate()
        assert process.returncode == 0

    def kept(self):
        return sorted(file.name for file in self.spool.iterdir()) if self.spool.exists() else []

    def _start(self, task):
        return subprocess.Popen(
            [sys.executable, str(SCRIPT), task, str(self.ini)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    @staticmethod
    def _answer(command, variables):
        if command.startswith("GET FULL VARIABLE ${"):
            value = variables.get(command.removeprefix("GET FULL VARIABLE ${").rstrip("}"), "")
            return f"200 result=1 ({value})"
        assert command.startswith("SET VARIABLE "), command
        name, _, value = command.removeprefix("SET VARIABLE ").partition(" ")
        variables[name] = json.loads(value)
        return "200 result=1"


@pytest.fixture
def asterisk(ballast, tmp_path):
    ini, spool = tmp_path / "ballast.ini", tmp_path / "spool"
    text = (SCRIPT.parent / "ballast.ini").read_text()
    text = text.replace("http://127.0.0.1:8000", ballast.url).replace("bk_...", ballast.key)
    text = text.replace("timeout = 4", f"timeout = {PATIENCE}")
    ini.write_text(text.replace("/var/spool/asterisk/ballast", str(spool)))
    return Asterisk(ini, spool)


@pytest.fixture
def channel(ballast):
    return {"id": "1764511200.1", "account": ballast.account(), "variables": {}}


def test_a_call_is_authorised_cut_and_debited_v5(ballast, asterisk, channel):
    """V5, V6: 0.09 a minute, at most an hour."""
    assert asterisk.authorise(channel)["BALLAST_SECONDS"] == "3600"
    ((reference, hold),) = ballast.holds(channel["account"]).items()
    assert hold == ("open", "5.40")
    asterisk.end(channel, 61)
    assert ballast.usage(channel["account"]) == {reference: "0.0915"}
    assert ballast.holds(channel["account"])[reference][0] == "ended"
    assert (ballast.balance(channel["account"]), asterisk.kept()) == ("9.9085", [])


@pytest.mark.parametrize(
    ("account", "number", "refusal"),
    [
        ({"balance": "0.00"}, "353891234567", "insufficient_balance"),
        ({"state": AccountState.SUSPENDED}, "353891234567", "account_suspended"),
        ({}, "999", "no_rate"),
    ],
)
def test_a_call_is_refused_with_the_reason_v5(ballast, asterisk, account, number, refusal):
    """V5"""
    channel = {"id": "1764511200.1", "account": ballast.account(**account), "variables": {}}
    variables = asterisk.authorise(channel, number)
    assert variables["BALLAST_REFUSAL"] == refusal
    assert "BALLAST_SECONDS" not in variables
    asterisk.end(channel, None)
    assert (ballast.usage(channel["account"]), ballast.holds(channel["account"])) == ({}, {})


def test_calls_are_charged_in_increments_at_the_longest_prefix(ballast, asterisk, channel):
    """3531 costs 0.015 a minute; 1 costs 0.012 in steps of 6 seconds."""
    for number, seconds in (("35315550100", 40), ("+12125550100", 61)):
        channel |= {"id": f"1764511200.{seconds}", "variables": {}}
        asterisk.authorise(channel, number)
        asterisk.end(channel, seconds)
    assert list(ballast.usage(channel["account"]).values()) == ["0.01", "0.0132"]


def test_a_call_that_is_not_answered_costs_nothing(ballast, asterisk, channel):
    asterisk.authorise(channel)
    asterisk.end(channel, None)
    ((state, _),) = ballast.holds(channel["account"]).values()
    assert (state, ballast.usage(channel["account"])) == ("released", {})


def test_a_call_is_refused_while_ballast_is_down(ballast, asterisk, channel):
    ballast.kill()
    assert asterisk.authorise(channel)["BALLAST_REFUSAL"] == "unreachable"


def test_a_call_that_ends_while_ballast_is_down_is_debited_later_and_once(
    ballast, asterisk, channel
):
    asterisk.authorise(channel)
    ballast.kill()
    asterisk.end(channel, 60)
    (kept,) = asterisk.kept()
    asterisk.flush()
    assert asterisk.kept() == [kept]
    text = (asterisk.spool / kept).read_text()
    ballast.start()
    asterisk.flush()
    assert (asterisk.kept(), ballast.balance(channel["account"])) == ([], "9.91")
    (asterisk.spool / kept).write_text(text)  # as after a kill between the answer and the removal
    asterisk.flush()
    assert (asterisk.kept(), ballast.balance(channel["account"])) == ([], "9.91")


def test_a_call_whose_hold_is_released_is_debited_once(ballast, asterisk, channel):
    asterisk.authorise(channel)
    ballast.release(channel["account"])
    for _ in range(2):
        asterisk.end(channel, 60)
    assert (asterisk.kept(), ballast.balance(channel["account"])) == ([], "9.91")


def test_a_call_that_was_posted_with_another_amount_is_kept_apart(ballast, asterisk, channel):
    asterisk.authorise(channel)
    for seconds in (60, 61):
        asterisk.end(channel, seconds)
    (kept,) = asterisk.kept()
    assert kept.endswith(".refused")
    assert ballast.balance(channel["account"]) == "9.91"


def test_a_wrong_key_loses_no_call(ballast, asterisk, channel):
    """An answer that says nothing of the usage does not set it apart."""
    asterisk.authorise(channel)
    right = asterisk.ini.read_text()
    asterisk.ini.write_text(right.replace(ballast.key, "bk_wrong"))
    asterisk.end(channel, 60)
    asterisk.ini.write_text(right)
    asterisk.flush()
    assert (asterisk.kept(), ballast.balance(channel["account"])) == ([], "9.91")


def test_usage_that_ballast_refuses_is_kept_apart(ballast, asterisk, channel):
    asterisk.authorise(channel)
    ballast.change(channel["account"], state=AccountState.CLOSED)
    asterisk.end(channel, 60)
    (kept,) = asterisk.kept()
    assert kept.endswith(".refused")
    assert ballast.usage(channel["account"]) == {}


def test_a_call_dearer_than_usage_max_is_debited_whole_and_once(ballast, asterisk):
    """USAGE_MAX is 1000.00. The call costs 60.00 a minute, and a first part is already reported, as
    after a kill between two reports.
    """
    asterisk.ini.write_text(asterisk.ini.read_text() + "\n900 = 60.00 1\n")
    channel = {"id": "1764511200.1", "account": ballast.account("5000.00"), "variables": {}}
    asterisk.authorise(channel, "900123456")
    ballast.report(channel["account"], "1000.00")
    ballast.kill()
    asterisk.end(channel, 2500)
    (kept,) = asterisk.kept()
    text = (asterisk.spool / kept).read_text()
    ballast.start()
    for _ in range(2):
        asterisk.flush()
        assert (asterisk.kept(), ballast.balance(channel["account"])) == ([], "2500.00")
        (asterisk.spool / kept).write_text(text)  # as after a kill between answer and removal
    assert list(ballast.usage(channel["account"]).values()) == ["1000.00", "1000.00", "500.00"]
    assert {state for state, _ in ballast.holds(channel["account"]).values()} == {"ended"}
