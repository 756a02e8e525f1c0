"""integrations/asterisk/ballast_ari.py, with a stand-in of Asterisk's ARI and the real Ballast."""

import base64
import hashlib
import json
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import host
from tests.integrations.conftest import INTEGRATIONS, PATIENCE, Ballast, wait_until
from webapp.domain.accounts.account import AccountState

RECIPE = INTEGRATIONS / "asterisk"
PASSWORD = "stasis-4182"
NUMBER = "353891234567"
DEAR = "900123456"
"""A number that costs 4000.00 a minute."""

numbers = count(1)


class Asterisk(ThreadingHTTPServer):
    """Speaks ARI as its documentation says: events by WebSocket, actions by REST."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ari)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.channels: set[str] = set()
        self.in_stasis: set[str] = set()
        self.application: Ari | None = None
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def enter(self, account: str, number: str = NUMBER) -> str:
        """A caller enters Stasis(ballast); returns the id of the channel."""
        channel = f"1764511200.{next(numbers)}"
        self.channels.add(channel)
        self.in_stasis.add(channel)
        plan = {"context": "ballast-ari", "exten": number, "priority": 1}
        facts = {"id": channel, "state": "Ring", "accountcode": account, "dialplan": plan}
        self.send("StasisStart", channel=facts, args=[])
        return channel

    def dialled(self) -> dict[str, str]:
        """Wait until the application dials, and return the parameters of its request."""
        return self.request("POST", "/channels")

    def answer(self) -> str:
        """The dialled phone answers; returns the id of its channel."""
        channel = self.dialled()["channelId"]
        self.in_stasis.add(channel)
        self.send("StasisStart", channel={"id": channel, "state": "Up"}, args=["callee"])
        self.request("POST", r"/bridges/[^/]+/addChannel")
        return channel

    def end(self, channel: str, cause: int = 16) -> None:
        """The channel hangs up, or is hung up."""
        self.channels.remove(channel)
        if channel in self.in_stasis:
            self.send("StasisEnd", channel={"id": channel})
        self.send("ChannelDestroyed", channel={"id": channel}, cause=cause, cause_txt="")

    def request(self, method: str, path: str) -> dict[str, str]:
        """Wait for a request, and return its parameters."""
        found = []

        def has_come() -> bool:
            sent = list(self.requests)
            found[:] = [
                it for how, where, it in sent if how == method and re.fullmatch(path, where)
            ]
            return bool(found)

        wait_until(has_come)
        return found[-1]

    def send(self, kind: str, **facts: object) -> None:
        wait_until(lambda: self.application is not None)
        event = {
            "type": kind,
            "application": "ballast",
            "timestamp": "2026-11-30T10:00:00.000+0000",
        }
        with self.lock:
            self.application.send_text(json.dumps(event | facts))


class Ari(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Asterisk

    def log_message(self, *words: object) -> None:
        pass

    def do_GET(self) -> None:
        given = base64.b64encode(f"ballast:{PASSWORD}".encode()).decode()
        address = urlsplit(self.path)
        if self.headers["Authorization"] != f"Basic {given}":
            self.reply(401)
        elif address.path == "/ari/events":
            assert parse_qs(address.query) == {"app": ["ballast"]}
            self.open_events()
        else:
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            self.act(self.command, address.path.removeprefix("/ari"), query)

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def act(self, method: str, path: str, query: dict[str, str]) -> None:
        self.server.requests.append((method, path, query))
        _, kind, *names = path.split("/")
        if kind == "channels" and names and names[0] not in self.server.channels:
            self.reply(404)
        elif (method, kind) == ("DELETE", "channels"):
            self.reply(204)
            self.server.end(names[0], int(query["reason_code"]))
        elif method == "POST" and not names:
            if kind == "channels":
                self.server.channels.add(query["channelId"])
            self.reply(200, b"{}")
        else:
            self.reply(204)

    def reply(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def open_events(self) -> None:
        """Speak WebSocket (RFC 6455) until the application closes."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        accepted = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accepted)
        self.end_headers()
        self.server.application = self
        with suppress(OSError, struct.error):
            while True:
                kind, size = struct.unpack("!BB", self.rfile.read(2))
                mask, text = self.rfile.read(4), self.rfile.read(size & 0x7F)
                if kind == 0x89:  # ping
                    plain = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
                    self.send_frame(0x8A, plain)
        self.server.application = None
        self.close_connection = True

    def send_text(self, text: str) -> None:
        self.send_frame(0x81, text.encode())

    def send_frame(self, kind: int, content: bytes) -> None:
        size = len(content)
        head = (
            struct.pack("!BB", kind, size) if size < 126 else struct.pack("!BBH", kind, 126, size)
        )
        self.wfile.write(head + content)
        self.wfile.flush()


class Program:
    def __init__(self, folder: Path, ballast: Ballast, asterisk: Asterisk) -> None:
        self.asterisk, self.spool, self.ini = asterisk, folder / "spool", folder / "ballast.ini"
        text = (RECIPE / "ballast.ini").read_text()
        changes = {
            "http://127.0.0.1:8000": ballast.url,
            "bk_...": ballast.key,
            "http://127.0.0.1:8088": asterisk.url,
            "password =": f"password = {PASSWORD}",
            "timeout = 4": f"timeout = {PATIENCE}",
            "period = 120": "period = 15",
            "lead = 15": "lead = 14",  # the first extension is after a second
            "grace = 300": "grace = 1",
            "ring = 60": "ring = 1",  # with these, a hold lasts for 17 seconds
            "353 = ": f"{DEAR[:3]} = 4000 1\n353 = ",
            "/var/spool/asterisk/ballast": str(self.spool),
        }
        for old, new in changes.items():
            text = text.replace(old, new)
        self.ini.write_text(text)
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, str(RECIPE / "ballast_ari.py"), "run", str(self.ini)]
        self.process = subprocess.Popen(command, env=host.environ())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        wait_until(lambda: self.asterisk.application is None)

    def flush(self) -> None:
        command = [sys.executable, str(RECIPE / "ballast.py"), "flush", str(self.ini)]
        subprocess.run(command, check=True)

    def kept(self) -> list[str]:
        return [file.name for file in self.spool.iterdir()] if self.spool.exists() else []


@pytest.fixture
def asterisk() -> Iterator[Asterisk]:
    with Asterisk() as asterisk:
        thread = threading.Thread(target=asterisk.serve_forever)
        thread.start()
        yield asterisk
        asterisk.shutdown()
        thread.join()


@pytest.fixture
def application(ballast: Ballast, asterisk: Asterisk, tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, ballast, asterisk)
    program.start()
    yield program
    program.kill()


def ended(ballast: Ballast, account: str) -> bool:
    return {state for state, _ in ballast.holds(account).values()} <= {"ended", "released"}


def debited(ballast: Ballast, account: str) -> Decimal:
    return sum(map(Decimal, ballast.usage(account).values()), Decimal(0))


def test_a_call_is_authorised_bridged_extended_and_debited_v6(ballast, asterisk, application):
    """V5, V6: 15 seconds at a time, at 0.0015."""
    account = ballast.account()
    caller = asterisk.enter(account)
    dialled = asterisk.dialled()
    assert dialled["endpoint"] == f"PJSIP/{NUMBER}@trunk"
    assert (dialled["app"], dialled["originator"]) == ("ballast", caller)
    ((reference, hold),) = ballast.holds(account).items()
    assert hold == ("open", "0.0225")

    callee = asterisk.answer()

    assert asterisk.request("POST", f"/channels/{caller}/answer") == {}
    assert asterisk.request("POST", "/bridges") == {"type": "mixing", "bridgeId": reference}
    both = asterisk.request("POST", f"/bridges/{reference}/addChannel")
    assert both == {"channel": f"{caller},{callee}"}
    wait_until(lambda: debited(ballast, account) > 0)
    assert ballast.holds(account)[reference] == ("open", "0.0225")

    asterisk.end(caller)

    assert asterisk.request("DELETE", f"/channels/{callee}") == {"reason_code": "16"}
    wait_until(lambda: ended(ballast, account))
    assert debited(ballast, account) % Decimal("0.0015") == 0
    assert debited(ballast, account) == 10 - Decimal(ballast.balance(account))
    assert not asterisk.channels
    wait_until(lambda: application.kept() == [])


def test_a_call_is_cut_when_the_balance_is_used_up_v6(ballast, asterisk, application):
    """V6: a credit of 0.003 pays for exactly two seconds."""
    account = ballast.account("0.00", credit_limit=3_000)
    caller = asterisk.enter(account)
    asterisk.answer()
    assert asterisk.request("DELETE", f"/channels/{caller}") == {"reason_code": "16"}
    wait_until(lambda: ended(ballast, account))
    assert ballast.balance(account) == "-0.003"


def test_a_call_runs_on_while_there_is_money_v6(ballast, asterisk, application):
    """V6: longer than a hold lasts, and dearer than USAGE_MAX, which is 1000.00."""
    account = ballast.account("5000.00")
    caller = asterisk.enter(account, DEAR)
    asterisk.answer()
    wait_until(lambda: debited(ballast, account) >= 1200 or caller not in asterisk.channels)
    assert caller in asterisk.channels
    asterisk.end(caller)
    wait_until(lambda: ended(ballast, account) and application.kept() == [])
    assert debited(ballast, account) == 5000 - Decimal(ballast.balance(account))
    assert debited(ballast, account) >= 1200


def test_an_account_that_is_suspended_during_the_call_is_cut(ballast, asterisk, application):
    account = ballast.account()
    caller = asterisk.enter(account)
    asterisk.dialled()
    ballast.change(account, state=AccountState.SUSPENDED)
    asterisk.answer()
    assert asterisk.request("DELETE", f"/channels/{caller}") == {"reason_code": "16"}
    wait_until(lambda: ended(ballast, account) and application.kept() == [])
    assert len(ballast.usage(account)) == 1  # nothing after the report that was refused more
    assert 0 < debited(ballast, account) == 10 - Decimal(ballast.balance(account))


def test_a_call_is_refused_v5(ballast, asterisk, application):
    """V5: without balance, or to a number without a rate or with another channel in it."""
    for balance, number in (("0.00", NUMBER), ("10.00", "999"), ("10.00", f"{NUMBER}&PJSIP/1")):
        account = ballast.account(balance)
        caller = asterisk.enter(account, number)
        assert asterisk.request("DELETE", f"/channels/{caller}") == {"reason_code": "21"}
        assert ballast.holds(account) == {}


def test_a_call_that_is_not_answered_costs_nothing(ballast, asterisk, application):
    account = ballast.account()
    caller = asterisk.enter(account)
    asterisk.end(asterisk.dialled()["channelId"], cause=17)
    assert asterisk.request("DELETE", f"/channels/{caller}") == {"reason_code": "17"}
    wait_until(lambda: ended(ballast, account))
    assert ballast.usage(account) == {}


def test_a_call_is_debited_once_though_the_program_is_killed(ballast, asterisk, application):
    """After its start it ends the calls that it has not watched, at most at the granted second."""
    account = ballast.account("0.00", credit_limit=3_000)
    caller = asterisk.enter(account)
    asterisk.answer()
    wait_until(lambda: application.kept() != [])
    application.kill()
    ballast.kill()
    application.start()
    asterisk.request("DELETE", f"/channels/{caller}")
    wait_until(lambda: [name for name in application.kept() if name.endswith(".json")] != [])
    ballast.start()
    for _ in range(2):
        application.flush()
    assert len(ballast.usage(account)) == 1
    assert Decimal(ballast.balance(account)) in (Decimal("-0.0015"), Decimal("-0.003"))
    assert ended(ballast, account)


def test_the_rest_of_a_reported_call_is_debited_once_after_a_kill_v6(
    ballast, asterisk, application
):
    """V6: by what reports have debited, also when the program was killed after its last request."""
    account = ballast.account()
    caller = asterisk.enter(account)
    asterisk.answer()
    wait_until(lambda: debited(ballast, account) > 0)
    application.kill()
    ballast.kill()
    application.start()
    asterisk.request("DELETE", f"/channels/{caller}")
    wait_until(lambda: application.spool.exists() and list(application.spool.glob("*.json")))
    (file,) = application.spool.glob("*.json")
    text = file.read_text()
    ballast.start()
    for _ in range(2):
        application.flush()
        assert application.kept() == []
        assert debited(ballast, account) == Decimal(json.loads(text)["amount"])
        file.write_text(text)
    assert ended(ballast, account)
