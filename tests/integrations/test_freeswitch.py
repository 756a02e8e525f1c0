"""integrations/freeswitch in a real Lua, with a stand-in of FreeSWITCH and the real Ballast."""

import re
import subprocess
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path

import pytest

from tests.integrations.conftest import INTEGRATIONS, PATIENCE, Ballast, program
from webapp.domain.accounts.account import AccountState

RECIPE = INTEGRATIONS / "freeswitch"
STAND_IN = Path(__file__).parent / "freeswitch.lua"

numbers = count(1)


class FreeSwitch:
    def __init__(self, folder: Path, ballast: Ballast) -> None:
        program("curl")
        self.lua, self.folder = program("lua5.4"), folder
        self.pending = folder / "pending"
        settings = (RECIPE / "ballast_settings.lua").read_text()
        changes = {
            "http://127.0.0.1:8000": ballast.url,
            "bk_...": ballast.key,
            "timeout = 4": f"timeout = {PATIENCE}",
            "/var/lib/freeswitch/ballast-pending": str(self.pending),
        }
        for old, new in changes.items():
            settings = settings.replace(old, new)
        (folder / "ballast_settings.lua").write_text(settings)
        (folder / "ballast.lua").write_text((RECIPE / "ballast.lua").read_text())

    def call(
        self,
        account: str,
        talk: int,
        number: str = "353891234567",
        at: Mapping[int, Callable[[], object]] | None = None,
    ) -> dict[str, str]:
        """Play a call, doing what `at` says at its seconds, and return its facts."""
        words = ["call", account, number, f"uuid-{next(numbers)}", str(talk), *map(str, at or {})]
        process = self._start(*words)
        facts = {}
        for line in process.stdout:
            name, value = line.split()
            if name == "pause":
                at[int(value)]()
                process.stdin.write("\n")
                process.stdin.flush()
            else:
                facts[name] = value
        assert process.wait() == 0
        return facts

    def use_key(self, key: str) -> None:
        file = self.folder / "ballast_settings.lua"
        file.write_text(re.sub(r'key = ".*"', f'key = "{key}"', file.read_text()))

    def flush(self) -> None:
        assert self._start("flush").wait() == 0

    def _start(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [self.lua, str(STAND_IN), str(self.folder), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def freeswitch(ballast, tmp_path):
    return FreeSwitch(tmp_path, ballast)


def test_a_call_is_extended_part_by_part_and_debited_v6(ballast, freeswitch):
    """V6: two minutes at a time, at 0.09."""
    account = ballast.account()
    assert freeswitch.call(account, 250) == {"seconds": "250", "cause": "NORMAL_CLEARING"}
    assert list(ballast.usage(account).values()) == ["0.1575", "0.1575", "0.06"]
    assert ballast.balance(account) == "9.625"
    ((state, _),) = ballast.holds(account).values()
    assert state == "ended"
    assert not freeswitch.pending.exists()


def test_a_call_is_cut_when_the_balance_is_used_up_v6(ballast, freeswitch):
    """V6: 0.45 pays for exactly 300 seconds."""
    account = ballast.account("0.45")
    facts = freeswitch.call(account, 4000)
    assert facts == {"seconds": "300", "cause": "ALLOTTED_TIMEOUT"}
    assert ballast.balance(account) == "0.00"


def test_a_refill_during_the_call_keeps_it_running_v6(ballast, freeswitch):
    """V6: the next part is asked of the new balance."""
    account = ballast.account("0.15")
    credit = lambda: ballast.change(account, credit_limit=300_000)  # noqa: E731
    assert freeswitch.call(account, 4000, at={80: credit})["seconds"] == "300"


@pytest.mark.parametrize(
    ("values", "number", "status"),
    [
        ({"balance": "0.00"}, "353891234567", "402"),
        ({"state": AccountState.SUSPENDED}, "353891234567", "403"),
        ({}, "999", "403"),
    ],
)
def test_a_call_is_refused_v5(ballast, freeswitch, values, number, status):
    """V5"""
    account = ballast.account(**values)
    facts = freeswitch.call(account, 60, number)
    assert facts == {"respond": status, "seconds": "0", "cause": "CALL_REJECTED"}
    assert (ballast.usage(account), ballast.holds(account)) == ({}, {})


def test_an_account_that_is_suspended_during_the_call_is_cut(ballast, freeswitch):
    account = ballast.account()
    suspend = lambda: ballast.change(account, state=AccountState.SUSPENDED)  # noqa: E731
    facts = freeswitch.call(account, 4000, at={10: suspend})
    assert facts == {"seconds": "105", "cause": "ALLOTTED_TIMEOUT"}
    assert ballast.balance(account) == "9.8425"


def test_a_call_that_is_not_answered_costs_nothing(ballast, freeswitch):
    account = ballast.account()
    assert freeswitch.call(account, -1)["cause"] == "NO_ANSWER"
    assert (ballast.usage(account), ballast.balance(account)) == ({}, "10.00")
    ((state, _),) = ballast.holds(account).values()
    assert state == "ended"


def test_a_call_is_refused_while_ballast_is_down(ballast, freeswitch):
    account = ballast.account()
    ballast.kill()
    assert freeswitch.call(account, 60)["respond"] == "503"


def test_a_call_is_cut_at_its_authorised_time_while_ballast_is_down(ballast, freeswitch):
    """It is debited when Ballast is back, and once."""
    account = ballast.account()
    facts = freeswitch.call(account, 4000, at={10: ballast.kill})
    assert facts == {"seconds": "120", "cause": "ALLOTTED_TIMEOUT"}
    freeswitch.flush()
    kept = freeswitch.pending.read_text()
    ballast.start()
    freeswitch.flush()
    assert ballast.balance(account) == "9.82"
    freeswitch.pending.write_text(kept)  # as after a kill between the answer and the removal
    freeswitch.flush()
    assert (ballast.balance(account), freeswitch.pending.exists()) == ("9.82", False)


def test_a_call_whose_hold_is_released_is_debited_once_v6(ballast, freeswitch):
    """V6: the report before the cut is answered 409 `hold_closed`, and so is the last one."""
    account = ballast.account()
    facts = freeswitch.call(account, 4000, at={10: lambda: ballast.release(account)})
    assert facts == {"seconds": "105", "cause": "ALLOTTED_TIMEOUT"}
    assert ballast.balance(account) == "9.8425"
    assert not freeswitch.pending.exists()


@pytest.mark.parametrize("values", [{"max_open_holds": 0}, {"state": AccountState.SUSPENDED}])
def test_the_end_of_a_call_is_debited_whatever_the_account_may_no_longer_do_v6(
    ballast, freeswitch, values
):
    """V6: also after the hold has expired, when a report would open it again."""
    account = ballast.account()

    def limit():
        ballast.change(account, **values)
        ballast.expire(account)

    freeswitch.call(account, 60, at={10: limit})
    assert ballast.balance(account) == "9.91"
    assert {state for state, _ in ballast.holds(account).values()} == {"ended"}


def test_usage_that_ballast_refuses_is_kept_apart(ballast, freeswitch):
    account = ballast.account()
    close = lambda: ballast.change(account, state=AccountState.CLOSED)  # noqa: E731
    freeswitch.call(account, 60, at={10: close})
    assert not freeswitch.pending.exists()
    kept = freeswitch.pending.with_name("pending.refused").read_text()
    assert kept.split() == [account, *ballast.holds(account), "90000"]


def test_a_wrong_key_loses_no_call(ballast, freeswitch):
    """An answer that says nothing of the call is no report of it."""
    account = ballast.account()
    freeswitch.call(account, 60, at={10: lambda: freeswitch.use_key("bk_wrong")})
    freeswitch.flush()
    assert (ballast.balance(account), freeswitch.pending.exists()) == ("10.00", True)
    freeswitch.use_key(ballast.key)
    freeswitch.flush()
    assert (ballast.balance(account), freeswitch.pending.exists()) == ("9.91", False)


def test_a_call_goes_on_when_ballast_is_back_in_time(ballast, freeswitch):
    account = ballast.account()
    at = {10: ballast.kill, 109: ballast.start}
    assert freeswitch.call(account, 150, at=at)["cause"] == "NORMAL_CLEARING"
    assert ballast.balance(account) == "9.775"
