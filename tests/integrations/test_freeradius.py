"""integrations/freeradius with Debian's FreeRADIUS and radclient, and the real Ballast."""

import os
import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import host
from tests.integrations.conftest import INTEGRATIONS, PATIENCE, Ballast, program, wait_until
from webapp.domain.accounts.account import AccountState
from webapp.settings import ROOT

RECIPE = INTEGRATIONS / "freeradius"
SECRET = "testing123"

MAIN = """
confdir = {home}
logdir = {home}
radacctdir = {home}/acct
libdir = /usr/lib/freeradius
pidfile = {home}/pid
max_requests = 16384
client switch {{
    ipaddr = 127.0.0.1
    secret = {secret}
}}
thread pool {{
    start_servers = 5
    max_servers = 32
    min_spare_servers = 3
    max_spare_servers = 10
}}
$INCLUDE ballast.conf
modules {{
    expr {{
    }}
    always ok {{
        rcode = ok
    }}
    always fail {{
        rcode = fail
    }}
    always reject {{
        rcode = reject
    }}
    $INCLUDE mods-available/ballast
}}
policy {{
    $INCLUDE policy.d/ballast
}}
$INCLUDE sites-available/ballast
"""

numbers = count(1)


class Radius:
    """FreeRADIUS in a process of its own, and a switch that speaks RADIUS to it."""

    def __init__(self, home: Path, ballast: Ballast) -> None:
        self.home, self.output = home, home / "output"
        self.environ = {**host.environ(), "BALLAST_KEY": ballast.key}
        self.ports = {"auth": host.free_port(), "acct": host.free_port()}
        changes = {
            "http://127.0.0.1:8000": ballast.url,
            "ipaddr = *": "ipaddr = 127.0.0.1",
            "port = 1812": f"port = {self.ports['auth']}",
            "port = 1813": f"port = {self.ports['acct']}",
            "retry_interval = 10": "retry_interval = 4",
            "timeout = 4.0": f"timeout = {PATIENCE}.0",
        }
        for file in [it for it in RECIPE.rglob("*") if it.is_file()]:
            text = file.read_text()
            for old, new in changes.items():
                text = text.replace(old, new)
            copy = home / file.relative_to(RECIPE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text)
        (home / "acct").mkdir()
        (home / "radiusd.conf").write_text(MAIN.format(home=home, secret=SECRET))
        shared = "/usr/share/freeradius/dictionary"
        (home / "dictionary").write_text(f"$INCLUDE {shared}\n$INCLUDE dictionary.ballast\n")
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [program("freeradius"), "-f", "-l", "stdout", "-d", str(self.home)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, env=self.environ, stdout=output, stderr=output)
        wait_until(lambda: "Ready to process requests" in self.log)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def log(self) -> str:
        log = self.output.read_text()
        assert self.process.poll() is None, log
        return log

    @property
    def refused(self) -> str:
        """Lines on what Ballast has refused since the last call."""
        log = self.home / "ballast-refused.log"
        lines = log.read_text() if log.exists() else ""
        log.unlink(missing_ok=True)
        return lines

    def authorise(self, call: dict) -> dict[str, str]:
        """Send an Access-Request, and return the answer's attributes."""
        return self.send("auth", call)

    def report(self, call: dict, kind: str, seconds: int, **more: str) -> None:
        """Send an Accounting-Request, which must be acknowledged."""
        packet = {**call, "Acct-Status-Type": kind, "Acct-Session-Time": seconds, **more}
        assert self.send("acct", packet)["Code"] == "Accounting-Response"

    def send(self, kind: str, packet: dict) -> dict[str, str]:
        output = self.radclient(kind, "-x", packets=[packet])
        answer = output.partition("Received ")[2]
        found = dict(re.findall(r"^\t([\w-]+) = \"?(.*?)\"?$", answer, re.MULTILINE))
        return {"Code": answer.partition(" ")[0], **found}

    def radclient(self, kind: str, *options: str, packets: Sequence[dict]) -> str:
        """Send the packets, and return radclient's output."""
        command = [program("radclient"), "-r", "1", "-t", str(PATIENCE), *options]
        target = [f"127.0.0.1:{self.ports[kind]}", kind, SECRET]
        text = "\n\n".join(
            "\n".join(f"{name} = {written(name, value)}" for name, value in packet.items())
            for packet in packets
        )
        done = subprocess.run(
            [*command, *target], input=text + "\n", capture_output=True, text=True
        )
        return done.stdout


def written(name: str, value: object) -> str:
    is_text = isinstance(value, str) and name not in ("Acct-Status-Type", "Class")
    return f'"{value}"' if is_text else str(value)


def new_call(account: str, number: str = "353891234567") -> dict:
    return {
        "User-Name": account,
        "NAS-Identifier": "gw1",
        "Acct-Session-Id": f"call{next(numbers)}",
        "Called-Station-Id": number,
    }


def reference(call: dict) -> str:
    return f"radius-gw1-{call['Acct-Session-Id']}"


@pytest.fixture(scope="module")
def started(server: Ballast) -> Iterator[Radius]:
    if not Path("/usr/lib/freeradius/rlm_rest.so").exists():
        pytest.skip("FreeRADIUS with rlm_rest is not installed")
    program("radclient")
    # Not in the tests' folder for temporary files: FreeRADIUS creates no file below /dev.
    with TemporaryDirectory(dir="/var/tmp") as home:
        radius = Radius(Path(home), server)
        radius.start()
        yield radius
        radius.kill()


@pytest.fixture
def radius(ballast: Ballast, started: Radius) -> Radius:
    return started


def test_a_call_is_authorised_debited_as_it_runs_and_ended_v6(ballast, radius):
    """V5, V6: 0.09 a minute."""
    account = ballast.account()
    call = new_call(account)
    answer = radius.authorise(call)
    assert answer["Code"] == "Access-Accept"
    assert (answer["Session-Timeout"], answer["Acct-Interim-Interval"]) == ("3600", "60")
    assert ballast.holds(account) == {reference(call): ("open", "5.40")}
    radius.report(call, "Start", 0, Class=answer["Class"])
    radius.report(call, "Interim-Update", 60, Class=answer["Class"])
    assert ballast.holds(account) == {reference(call): ("open", "5.31")}
    radius.report(call, "Interim-Update", 121, Class=answer["Class"])
    radius.report(call, "Stop", 130, Class=answer["Class"])
    parts = {
        f"{reference(call)}#{n}": part for n, part in ((1, "0.09"), (2, "0.0915"), (3, "0.0135"))
    }
    assert ballast.usage(account) == parts
    assert ballast.holds(account)[reference(call)][0] == "ended"
    assert ballast.balance(account) == "9.805"


def test_repeated_late_and_lost_packets_debit_a_call_once(ballast, radius):
    """A switch repeats a packet with a new identifier, which FreeRADIUS cannot recognise."""
    account = ballast.account()
    call = new_call(account)
    assert radius.authorise(call)["Code"] == radius.authorise(call)["Code"] == "Access-Accept"
    assert len(ballast.holds(account)) == 1
    for seconds in (120, 60, 120):
        radius.report(call, "Interim-Update", seconds)
    assert ballast.balance(account) == "9.82"
    for kind, seconds in (("Stop", 180), ("Stop", 180), ("Interim-Update", 120)):
        radius.report(call, kind, seconds)
    assert ballast.balance(account) == "9.73"


@pytest.mark.parametrize(
    ("values", "number", "message"),
    [
        ({"balance": "0.00"}, "353891234567", "Insufficient balance"),
        ({"state": AccountState.SUSPENDED}, "353891234567", "Not authorised"),
        ({}, "999", "No rate for this number"),
    ],
)
def test_a_call_is_rejected_with_the_reason_v5(ballast, radius, values, number, message):
    """V5"""
    account = ballast.account(**values)
    answer = radius.authorise(new_call(account, number))
    assert (answer["Code"], answer["Reply-Message"]) == ("Access-Reject", message)
    assert ballast.holds(account) == {}


def test_a_user_name_cannot_change_the_request(ballast, radius):
    account = ballast.account()
    for name in (f'{account}\\", \\"amount\\": \\"0.000001', f"{account}/../x", "nobody"):
        assert radius.authorise(new_call(name))["Code"] == "Access-Reject"


def test_calls_at_once_are_never_granted_more_than_there_is_v5(ballast, radius):
    """V5: 0.90 pays for ten minutes, in all."""
    account = ballast.account("0.90")
    first = radius.authorise(new_call(account))
    assert first["Session-Timeout"] == "600"
    assert radius.authorise(new_call(account))["Code"] == "Access-Reject"


def test_the_price_of_a_call_is_fixed_at_its_start(ballast, radius):
    """The switch returns Class; without it, the rates are read again."""
    account = ballast.account()
    call = new_call(account)
    radius.authorise(call)
    text = f"0.60 6 3600 {reference(call)}"
    radius.report(call, "Stop", 61, Class=f"0x{text.encode().hex()}")
    assert ballast.balance(account) == "9.34"


def test_a_call_that_is_not_answered_costs_nothing(ballast, radius):
    account = ballast.account()
    call = new_call(account)
    radius.authorise(call)
    radius.report(call, "Stop", 0)
    assert (ballast.usage(account), ballast.balance(account)) == ({}, "10.00")
    assert ballast.holds(account)[reference(call)][0] == "ended"


def test_a_call_without_a_hold_is_debited_at_its_end(ballast, radius):
    """As when the hold was opened at another Ballast, or the account was created later."""
    account = ballast.account()
    call = new_call(account)
    radius.report(call, "Interim-Update", 60)
    assert ballast.usage(account) == {}
    radius.report(call, "Stop", 90)
    radius.report(call, "Stop", 90)
    assert ballast.usage(account) == {reference(call): "0.135"}


def test_packets_that_ballast_missed_are_sent_again(ballast, radius):
    """They are acknowledged, since they are on disk, where they outlast a restart."""
    account = ballast.account()
    calls = [new_call(account), new_call(account)]
    for call in calls:
        radius.authorise(call)
    ballast.kill()
    assert radius.authorise(new_call(account))["Code"] == "Access-Reject"
    radius.report(calls[0], "Interim-Update", 60)
    radius.report(calls[0], "Stop", 120)
    radius.kill()
    radius.start()
    ballast.start()
    radius.report(calls[1], "Stop", 60)
    wait_until(lambda: has_ended(ballast, account))
    assert ballast.balance(account) == "9.73"


def test_what_ballast_refuses_is_logged(ballast, radius):
    account = ballast.account()
    call = new_call(account)
    radius.authorise(call)
    ballast.change(account, state=AccountState.CLOSED)
    radius.report(call, "Stop", 60)
    assert ballast.balance(account) == "10.00"
    assert f"Stop of {reference(call)}, account {account}" in radius.refused


def test_a_call_whose_hold_is_released_is_debited_once_v6(ballast, radius):
    """V6: its reports are answered 409 `hold_closed`, like those of a call that has ended."""
    account = ballast.account()
    call = new_call(account)
    radius.authorise(call)
    ballast.release(account)
    for kind, seconds in (("Interim-Update", 60), ("Stop", 120), ("Stop", 120)):
        radius.report(call, kind, seconds)
    assert ballast.usage(account) == {
        f"{reference(call)}#1": "0.09",
        f"{reference(call)}#2": "0.09",
    }
    assert radius.refused == ""


def test_what_a_report_does_not_debit_is_posted_at_the_end_v6(ballast, radius):
    """V6: a hold was ended by final usage of another program; the rest of the call is not lost."""
    account = ballast.account()
    call = new_call(account)
    radius.authorise(call)
    radius.report(call, "Interim-Update", 60)
    ballast.end(account)
    for _ in range(2):
        radius.report(call, "Stop", 121)
    assert ballast.usage(account) == {f"{reference(call)}#1": "0.09", reference(call): "0.0915"}


@pytest.mark.parametrize("values", [{"max_open_holds": 0}, {"state": AccountState.SUSPENDED}])
def test_the_end_of_a_call_is_debited_whatever_the_account_may_no_longer_do_v6(
    ballast, radius, values
):
    """V6: also after the hold has expired, when a report would open it again."""
    account = ballast.account()
    call = new_call(account)
    radius.authorise(call)
    ballast.change(account, **values)
    ballast.expire(account)
    radius.report(call, "Stop", 60)
    assert ballast.balance(account) == "9.91"
    assert has_ended(ballast, account)
    assert radius.refused == ""


def test_the_ledger_agrees_with_radclient_under_load(ballast, radius):
    """150 calls at once, each packet twice, in any order."""
    accounts = [ballast.account(balance) for balance in ("100.00", "100.00", "2.70")]
    calls = [new_call(account) for account in accounts for _ in range(50)]
    output = radius.radclient("auth", "-x", "-p", "32", packets=calls)
    accepted = output.count("Received Access-Accept")
    assert accepted + output.count("Received Access-Reject") == 150
    # Each asks for an hour, 5.40, or what is left of it: 19 of 100.00, and one of 2.70.
    authorised = [call for call in calls if reference(call) in ballast.holds(call["User-Name"])]
    assert len(authorised) == accepted == 39
    packets = shuffled(authorised)
    output = radius.radclient("acct", "-x", "-p", "32", packets=packets)
    assert output.count("Received Accounting-Response") == len(packets)
    for account, balance in zip(accounts, ("100.00", "100.00", "2.70"), strict=True):
        mine = [call for call in authorised if call["User-Name"] == account]
        assert Decimal(ballast.balance(account)) == Decimal(balance) - PRICE * len(mine)
        assert has_ended(ballast, account)


def test_the_ledger_agrees_although_ballast_is_killed_under_load(ballast, radius):
    """Each packet is acknowledged once it is posted or on disk."""
    account = ballast.account("1000.00")
    calls = [new_call(account) for _ in range(30)]
    radius.radclient("auth", "-p", "32", packets=calls)
    assert len(ballast.holds(account)) == 30
    packets = shuffled(calls)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(radius.radclient, "acct", "-x", "-p", "8", packets=packets)
        wait_until(lambda: ballast.usage(account) != {})
        ballast.kill()
        output = sending.result()
    assert output.count("Received Accounting-Response") == len(packets)
    assert not has_ended(ballast, account)
    ballast.start()
    wait_until(lambda: has_ended(ballast, account))
    assert Decimal(ballast.balance(account)) == 1000 - PRICE * 30


PRICE = Decimal("0.225")
"""Of the 150 seconds of each call under load."""


def shuffled(calls: Sequence[dict]) -> list[dict]:
    """Return two of each packet of each call, in any order."""
    packets = [
        {**call, "Acct-Status-Type": kind, "Acct-Session-Time": seconds}
        for kind, seconds in (("Interim-Update", 60), ("Interim-Update", 120), ("Stop", 150))
        for call in calls
    ]
    return random.Random(1).sample(packets * 2, len(packets) * 2)


def has_ended(ballast: Ballast, account: str) -> bool:
    return {state for state, _ in ballast.holds(account).values()} == {"ended"}


def test_the_set_up_of_the_page_passes_freeradius_own_check(tmp_path):
    """docs/integrations/freeradius.md, on a copy of the distribution's configuration."""
    check = program("freeradius")
    installed = Path("/etc/freeradius/3.0")
    if not os.access(installed / "radiusd.conf", os.R_OK):
        pytest.skip(f"{installed} cannot be read")
    copy = tmp_path / "raddb"
    subprocess.run(["cp", "-a", installed, copy], check=True)
    page = (ROOT / "docs" / "integrations" / "freeradius.md").read_text()
    (commands,) = re.findall(r"^```sh\n(RADDB=.*?)^```", page, re.MULTILINE | re.DOTALL)
    commands = commands.replace(f"RADDB={installed}\n", f"RADDB={copy}\n")
    subprocess.run(["sh", "-euc", commands], cwd=RECIPE, check=True)
    main = copy / "radiusd.conf"
    text = main.read_text().replace(f"= {installed}\n", f"= {copy}\n")
    # Its own user cannot read a test's folder.
    main.write_text(re.sub(r"^\t(user|group) = freerad$", "", text, flags=re.MULTILINE))
    done = subprocess.run(
        [check, "-XC", "-d", str(copy)],
        env={**host.environ(), "BALLAST_KEY": "bk_test"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert f"including configuration file {copy}/ballast.conf" in done.stdout
