"""integrations/nginx with the distribution's nginx and the real Ballast."""

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from tests import host
from tests.integrations.conftest import INTEGRATIONS, PATIENCE, Ballast, program, wait_until
from webapp.domain.accounts.account import AccountState
from webapp.settings import ROOT

RECIPE = INTEGRATIONS / "nginx"

MAIN = """
daemon off;
pid {home}/pid;
error_log {home}/error.log;
user {user};
events {{
}}
http {{
    access_log off;
    client_body_temp_path {home}/temp;
    proxy_temp_path {home}/temp;
    fastcgi_temp_path {home}/temp;
    uwsgi_temp_path {home}/temp;
    scgi_temp_path {home}/temp;
    include {home}/ballast.conf;
    server {{
        listen 127.0.0.1:{api};
        location / {{
            return 200 "Hello";
        }}
        location /fails {{
            return 500;
        }}
    }}
}}
"""


class Gateway:
    """nginx, the API behind it, and customers."""

    def __init__(self, home: Path, ballast: Ballast, customers: Sequence[str]) -> None:
        self.home, self.spool, self.ballast = home, home / "spool", ballast
        port, api = host.free_port(), host.free_port()
        self.url = f"http://127.0.0.1:{port}"
        changes = {
            "127.0.0.1:8000": f"127.0.0.1:{ballast.port}",
            "127.0.0.1:9000": f"127.0.0.1:{api}",
            "listen 8080": f"listen 127.0.0.1:{port}",
            "_timeout 1s": f"_timeout {PATIENCE}s",
            "_timeout 3s": f"_timeout {PATIENCE}s",
            "/var/spool/ballast": str(self.spool),
            "/var/cache/nginx/ballast": f"{home}/cache",
        }
        text = (RECIPE / "ballast.conf").read_text()
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        for folder in ("spool", "cache", "temp"):
            (home / folder).mkdir(parents=True)
        user = subprocess.check_output(["id", "-un"], text=True).strip()
        files = {
            "nginx.conf": MAIN.format(home=home, api=api, user=user),
            "ballast.conf": text,
            "ballast-key.map": f'map "" $ballast_key {{ default {ballast.key}; }}\n',
            "ballast-customers.map": "".join(f"key-{it} {it};\n" for it in customers),
        }
        for name, text in files.items():
            (home / name).write_text(text)
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [program("nginx"), "-p", str(self.home), "-c", str(self.home / "nginx.conf")]
        with (self.home / "output").open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        wait_until(self._answers)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def call(self, customer: str, path: str = "/") -> int:
        headers = {"X-Api-Key": f"key-{customer}"}
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    def call_often(self, customer: str, times: int) -> Counter[int]:
        """Call at once, and return the number of answers by status."""
        with ThreadPoolExecutor(16) as pool:
            return Counter(pool.map(lambda _: self.call(customer), range(times)))

    def minutes(self, folder: str = ".") -> list[str]:
        """Return the minutes that are to be posted."""
        return sorted(file.stem for file in (self.spool / folder).glob("*.log"))

    def post_usage(self) -> subprocess.CompletedProcess:
        """Run the script an hour later."""
        environ = {
            **host.environ(),
            "BALLAST_KEY": self.ballast.key,
            "CLOCK": "+1h",
            "PYTHONPATH": str(ROOT / "tests" / "moved_clock"),
        }
        options = ["--price", "0.001", "--url", self.ballast.url]
        script = RECIPE / "post_usage.py"
        return subprocess.run(
            [sys.executable, str(script), *options, str(self.spool)],
            env=environ,
            capture_output=True,
            text=True,
        )

    def reference(self, customer: str, minute: str) -> str:
        return f"gateway-{socket.gethostname()}-{customer}-{minute}"

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.home / "output").read_text()
        try:
            return self.call("nobody") == 401
        except OSError:
            return False


@pytest.fixture
def gateway_of(ballast: Ballast, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start a gateway for these accounts."""
    with ExitStack() as stack:

        def gateway_of(*accounts: str) -> Gateway:
            gateway = Gateway(tmp_path / "nginx", ballast, accounts)
            gateway.start()
            stack.callback(gateway.stop)
            return gateway

        yield gateway_of


def test_a_minute_is_authorised_once_and_debited_by_request_v5(ballast, gateway_of):
    """V5: the test can span two minutes."""
    account = ballast.account()
    gateway = gateway_of(account)
    assert gateway.call_often(account, 20) == {200: 20}
    assert gateway.call(account, "/fails") == 500
    minutes = gateway.minutes()
    references = [gateway.reference(account, minute) for minute in minutes]
    assert set(ballast.holds(account)) >= set(references)
    assert set(ballast.holds(account).values()) == {("open", "0.70")}
    assert len(ballast.holds(account)) <= 2

    done = gateway.post_usage()

    assert (done.returncode, done.stderr) == (0, "")
    assert list(ballast.usage(account)) == references
    assert ballast.balance(account) == "9.98"
    assert {ballast.holds(account)[reference][0] for reference in references} == {"ended"}
    assert (gateway.minutes(), gateway.minutes("posted")) == ([], minutes)


def test_a_minute_that_is_posted_again_is_debited_once(ballast, gateway_of):
    """Also where its hold was released meanwhile."""
    account = ballast.account()
    gateway = gateway_of(account)
    gateway.call(account)
    ballast.release(account)
    gateway.post_usage()
    for file in (gateway.spool / "posted").iterdir():
        file.rename(gateway.spool / file.name)
    assert gateway.post_usage().returncode == 0
    assert ballast.balance(account) == "9.999"


def test_a_customer_who_cannot_pay_is_refused_with_402(ballast, gateway_of):
    account = ballast.account("0.69")
    gateway = gateway_of(account)
    assert gateway.call_often(account, 10) == {402: 10}
    assert (ballast.holds(account), gateway.minutes()) == ({}, [])


def test_other_refusals(ballast, gateway_of):
    account = ballast.account(state=AccountState.SUSPENDED)
    gateway = gateway_of(account, "unknown")
    assert gateway.call(account) == 403
    assert gateway.call("unknown") == 503  # an account that Ballast does not know
    assert gateway.call("nobody") == 401
    assert gateway.minutes() == []


def test_more_requests_than_the_hold_pays_for_are_refused(ballast, gateway_of):
    """At least the burst of 100 passes; what does not pass costs nothing."""
    account = ballast.account()
    gateway = gateway_of(account)
    answers = gateway.call_often(account, 300)
    assert answers[200] + answers[429] == 300
    assert 100 <= answers[200] < 300
    gateway.post_usage()
    assert Decimal(ballast.balance(account)) == 10 - Decimal("0.001") * answers[200]


def test_while_ballast_is_down_only_authorised_minutes_are_served(ballast, gateway_of):
    """Their usage is posted when Ballast is back."""
    first, second = ballast.account(), ballast.account()
    gateway = gateway_of(first, second)
    minute = time.strftime("%H:%M")
    assert gateway.call(first) == 200
    ballast.kill()
    assert gateway.call(second) == 503
    assert gateway.call(first) == 200 or time.strftime("%H:%M") != minute
    minutes = gateway.minutes()
    failed = gateway.post_usage()
    assert failed.returncode != 0
    assert gateway.minutes() == minutes
    ballast.start()
    assert gateway.post_usage().returncode == 0
    assert gateway.minutes() == []
    assert ballast.balance(first) in ("9.998", "9.999")


def test_usage_that_ballast_refuses_is_reported_and_kept(ballast, gateway_of):
    account, closed = ballast.account(), ballast.account()
    gateway = gateway_of(account, closed)
    for customer in (account, closed):
        assert gateway.call(customer) == 200
    ballast.change(closed, state=AccountState.CLOSED)
    done = gateway.post_usage()
    assert done.returncode == 1
    assert closed in done.stderr
    assert f"-{account}-" not in done.stderr
    assert gateway.minutes("refused")
    assert (ballast.balance(account), ballast.balance(closed)) == ("9.999", "10.00")
