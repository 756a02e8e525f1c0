"""integrations/kamailio, with the real Kamailio, Ballast and PostgreSQL, and calls by SIPp."""

import os
import signal
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from tests import host
from tests.integrations.conftest import INTEGRATIONS, PATIENCE, program, wait_until
from webapp.domain.accounts.account import AccountState

KAMAILIO = INTEGRATIONS / "kamailio"
TABLES = Path("/usr/share/kamailio/postgres")
PASSWORD = "phone-7391"

CENT_A_SECOND, DOLLAR_A_SECOND = "353891234567", "881612345678"
"""Numbers, by what they cost. Each second begun is charged."""

GRANT = 8
"""Seconds of a grant. The next one is asked for after half of it, which leaves a slow machine the
other half."""


class Kamailio:
    """Kamailio as integrations/kamailio sets it up, a gateway that answers, and callers."""

    def __init__(self, folder, ballast, database):
        """`database` is the URL of an empty PostgreSQL database."""
        self.folder = folder
        self.port, self.gateway = host.free_port(), host.free_port()
        self.database = psycopg.connect(database, autocommit=True)
        info = self.database.info
        self.environ = {
            **host.environ(),
            **example_settings(),
            "BALLAST_URL": ballast.url,
            "BALLAST_KEY": ballast.key,
            "BALLAST_PATCH": str(KAMAILIO / "patch.sh"),
            "LISTEN": f"udp:127.0.0.1:{self.port}",
            "GATEWAY": f"sip:127.0.0.1:{self.gateway}",
            "DATABASE": f"postgres://{info.user}@/{info.dbname}",
            "PGHOST": info.host,
            "GRANT_SECONDS": str(GRANT),
            "EXTEND_BEFORE": str(GRANT // 2),
        }
        for name in ("standard", "dialog", "auth_db"):
            self.database.execute((TABLES / f"{name}-create.sql").read_text())
        self.database.execute((KAMAILIO / "schema.sql").read_text())
        self.database.execute(
            "INSERT INTO ballast.rates (prefix, rate_per_minute) VALUES (%s, 0.60), (%s, 60)",
            (CENT_A_SECOND[:3], DOLLAR_A_SECOND[:3]),
        )
        self._running = []

    def start(self):
        command = [program("kamailio"), "-DD", "-E", "-m", "64", "-f", KAMAILIO / "kamailio.cfg"]
        self._kamailio = self._start("kamailio", *command)

    def kill(self):
        os.killpg(self._kamailio.pid, signal.SIGKILL)
        self._kamailio.wait()

    def restart(self):
        self.kill()
        self.start()

    def start_gateway(self):
        port = str(self.gateway)
        self._sipp("gateway", KAMAILIO / "sipp" / "answer.xml", "-p", port)

    def stop(self):
        for process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.database.close()

    def call(self, *callers, seconds, number=CENT_A_SECOND, password=PASSWORD, a_second=1):
        """Start one call by each caller, who hangs up after `seconds` unless the call is cut."""
        lines = [f"{name};[authentication username={name} password={password}]" for name in callers]
        (self.folder / "callers.csv").write_text("\n".join(["SEQUENTIAL", *lines, ""]))
        scenario = (KAMAILIO / "sipp" / "call.xml").read_text()
        assert 'timeout="20000"' in scenario
        changed = scenario.replace('timeout="20000"', f'timeout="{seconds * 1000:.0f}"')
        (self.folder / "call.xml").write_text(changed)
        for log in ("answered", "messages"):
            (self.folder / log).unlink(missing_ok=True)
        return self._sipp(
            "callers",
            self.folder / "call.xml",
            *(f"127.0.0.1:{self.port}", "-s", number, "-p", str(host.free_port())),
            *("-inf", self.folder / "callers.csv", "-m", str(len(callers)), "-r", str(a_second)),
            *("-default_behaviors", "all,-bye", "-recv_timeout", "20000"),
            *("-trace_msg", "-message_file", self.folder / "messages"),
            *("-trace_logs", "-log_file", self.folder / "answered"),
        )

    def finish_call(self, *callers, **options):
        """Call, and return the callers' messages after the end."""
        self.call(*callers, **options).wait(PATIENCE)
        return self.messages()

    def messages(self):
        return self._read("messages")

    def answered(self):
        """Call-IDs of the calls that SIPp counts as answered."""
        return self._read("answered").split()

    def has_reported(self):
        query = "SELECT count(*) FROM ballast.calls WHERE reported > 0 AND ended_at IS NULL"
        return self.database.execute(query).fetchone() > (0,)

    def settle(self):
        """Wait until Ballast has answered for all calls."""
        unsettled = "SELECT count(*) FROM ballast.calls WHERE settled_at IS NULL"
        wait_until(lambda: self.database.execute(unsettled).fetchone() == (0,))

    def calls(self, external_id):
        """Return the charged seconds by reference."""
        query = "SELECT reference, seconds FROM ballast.calls WHERE external_id = %s"
        return dict(self.database.execute(query, (external_id,)).fetchall())

    def leave_report_unanswered(self):
        """Let Ballast debit a report after a second, as if its answer were lost."""
        due = (
            "UPDATE ballast.calls SET extend_at = now() WHERE answered_at < now() - interval '1 s'"
        )
        wait_until(lambda: self.database.execute(f"{due} AND ended_at IS NULL").rowcount == 1)
        report = """SELECT report.*
            FROM ballast.calls AS call, ballast.report(call.reference, 1, 60) AS report
            WHERE ended_at IS NULL"""
        path, body = self.database.execute(report).fetchone()
        patch = [KAMAILIO / "patch.sh", path, body]
        sent = subprocess.run(patch, env=self.environ, capture_output=True, text=True)
        assert sent.stdout[:3] in ("200", "402"), sent.stdout  # 402: debited, and nothing is left

    def call_id(self, reference):
        query = "SELECT call_id FROM ballast.calls WHERE reference = %s"
        return self.database.execute(query, (reference,)).fetchone()[0]

    def add_phone(self, external_id):
        query = "INSERT INTO subscriber (username, ha1) VALUES (%s, md5(%s))"
        self.database.execute(query, (external_id, f"{external_id}:127.0.0.1:{PASSWORD}"))

    def _read(self, log):
        path = self.folder / log
        return path.read_text() if path.exists() else ""

    def _sipp(self, name, scenario, *arguments):
        command = ["-sf", scenario, "-i", "127.0.0.1", "-nostdin", *arguments]
        return self._start(name, program("sipp"), *command)

    def _start(self, name, *command):
        with (self.folder / f"{name}.log").open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process


def example_settings():
    lines = (KAMAILIO / "ballast.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def switch(server, postgres, tmp_path_factory):
    for name in ("kamailio", "sipp", "curl"):
        program(name)
    if not (TABLES / "dialog-create.sql").exists():
        pytest.skip("Kamailio's PostgreSQL module is not installed")
    with postgres.database() as url:
        folder = tmp_path_factory.mktemp("kamailio")
        switch = Kamailio(folder, server, url.replace("+psycopg", ""))
        try:
            switch.start()
            switch.start_gateway()
            yield switch
        finally:
            switch.stop()


@pytest.fixture
def customer(ballast, switch):
    """Creates an account with a balance and a phone; returns its external id."""

    def create(balance, **values):
        external_id = ballast.account(balance, **values)
        switch.add_phone(external_id)
        return external_id

    return create


def test_a_call_is_authorised_and_debited_at_its_end(ballast, switch, customer):
    """V5, V6."""
    caller = customer("10.00")

    switch.finish_call(caller, seconds=1.2)
    switch.settle()

    ((reference, seconds),) = switch.calls(caller).items()
    assert seconds >= 2
    assert sum(map(Decimal, ballast.usage(caller).values())) == Decimal(seconds) / 100
    assert ballast.holds(caller)[reference][0] == "ended"


def test_a_call_without_balance_is_refused_with_402(ballast, switch, customer):
    """V5."""
    caller = customer("0.99")

    messages = switch.finish_call(caller, seconds=1, number=DOLLAR_A_SECOND)

    assert "SIP/2.0 402 Payment Required" in messages
    assert ballast.holds(caller) == switch.calls(caller) == {}


@dataclass
class LongCalls:
    """Calls that were made at once, because each lasts longer than a grant."""

    rich: str
    """The external id of a caller with balance for hours."""
    poor: str
    """Of one with balance for 6 seconds."""
    released: str
    """Of one whose hold was released during the call."""
    messages: str


@pytest.fixture(scope="module")
def long_calls(server, switch):
    server.start()
    rich, poor, released = (server.account(balance) for balance in ("10.00", "0.06", "10.00"))
    for caller in (rich, poor, released):
        switch.add_phone(caller)
    load = switch.call(rich, poor, released, seconds=GRANT + 2, a_second=50)
    wait_until(lambda: len(switch.answered()) == 3)
    server.release(released)
    load.wait(PATIENCE)
    switch.settle()
    return LongCalls(rich, poor, released, switch.messages())


def test_a_call_lasts_longer_than_its_first_grant(ballast, switch, long_calls):
    """V6: what is used is debited during the call."""
    ((reference, seconds),) = switch.calls(long_calls.rich).items()
    assert seconds > GRANT
    usage = ballast.usage(long_calls.rich)
    assert list(usage)[-1] == reference
    assert len(usage) > 1
    assert sum(map(Decimal, usage.values())) == Decimal(seconds) / 100
    assert f"BYE sip:{long_calls.rich}@" not in long_calls.messages


def test_a_call_is_cut_when_the_granted_seconds_are_over(ballast, switch, long_calls):
    """V5, V6: the balance pays for 6 seconds, and nobody can use more."""
    assert f"BYE sip:{long_calls.poor}@" in long_calls.messages
    assert list(switch.calls(long_calls.poor).values()) == [6]
    assert ballast.balance(long_calls.poor) == "0.00"
    assert {state for state, _ in ballast.holds(long_calls.poor).values()} == {"ended"}


def test_a_call_whose_hold_is_released_is_cut_and_debited_once(ballast, switch, long_calls):
    """V6: its report is debited and answered 409 `hold_closed`."""
    assert f"BYE sip:{long_calls.released}@" in long_calls.messages
    ((reference, seconds),) = switch.calls(long_calls.released).items()
    assert 1 <= seconds < GRANT
    usage = ballast.usage(long_calls.released)
    assert next(iter(usage)) == f"{reference}#1"
    assert sum(map(Decimal, usage.values())) == Decimal(seconds) / 100


def test_a_call_of_a_suspended_account_is_refused(ballast, switch, customer):
    """V4, V5."""
    caller = customer("10.00", state=AccountState.SUSPENDED)

    assert "SIP/2.0 403 Forbidden" in switch.finish_call(caller, seconds=1)
    assert switch.calls(caller) == {}


def test_a_caller_without_the_password_cannot_use_a_balance(ballast, switch, customer):
    caller = customer("10.00")

    attempt = switch.call(caller, seconds=1, password="wrong")
    wait_until(lambda: switch.messages().count("SIP/2.0 407 Proxy Authentication Required") > 1)
    attempt.kill()

    assert switch.calls(caller) == {}


def test_no_call_starts_while_ballast_does_not_answer(ballast, switch, customer):
    """The hold may exist, because its answer may be lost: it is ended without usage."""
    caller = customer("10.00")
    ballast.kill()

    messages = switch.finish_call(caller, seconds=1)
    ballast.start()
    switch.settle()

    assert "SIP/2.0 503 Cannot Be Authorised Now" in messages
    assert list(switch.calls(caller).values()) == [0]
    assert ballast.usage(caller) == ballast.holds(caller) == {}


def test_every_answered_call_is_debited_once_though_both_are_killed(ballast, switch, customer):
    """V5, V6: 50 calls at once. Kamailio is killed while calls start, both while calls run."""
    callers = [customer("1.00") for _ in range(50)]
    load = switch.call(*callers, seconds=GRANT - 1, a_second=25)
    wait_until(lambda: len(switch.answered()) >= 20)
    switch.restart()
    wait_until(switch.has_reported)
    ballast.kill()
    switch.restart()
    ballast.start()
    load.wait(PATIENCE)
    switch.settle()

    answered = switch.answered()
    assert len(answered) == len(set(answered)) >= 20
    debited = []
    for caller in callers:
        for reference, seconds in switch.calls(caller).items():
            parts = ballast.usage(caller)
            assert {part.partition("#")[0] for part in parts} <= {reference}
            assert sum(map(Decimal, parts.values())) == Decimal(seconds) / 100
            debited += [switch.call_id(reference)] if parts else []
        assert "open" not in {state for state, _ in ballast.holds(caller).values()}
    assert sorted(debited) == sorted(answered)


def test_calls_are_debited_though_kamailio_does_not_run_again(ballast, switch, customer):
    """settle.sh charges a call in progress at most for what was granted, after an open report."""
    caller = customer("0.03")
    load = switch.call(caller, seconds=40)
    wait_until(switch.answered)
    switch.kill()
    switch.leave_report_unanswered()

    settle = [KAMAILIO / "settle.sh", "--end-calls"]
    for _ in range(2):
        run = subprocess.run(settle, env=switch.environ, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    load.kill()

    ((reference, seconds),) = switch.calls(caller).items()
    assert 1 <= seconds <= 3
    assert sum(map(Decimal, ballast.usage(caller).values())) == Decimal(seconds) / 100
    assert ballast.holds(caller)[reference][0] == "ended"
    switch.start()
