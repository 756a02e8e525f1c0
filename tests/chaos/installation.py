"""An installation of Ballast in a temporary folder."""

import json
import secrets
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests import host
from tests.chaos.databases import Database
from tests.chaos.processes import FLASK, Process
from tests.chaos.snapshot import Snapshot
from tests.chaos.stripe import StripeBooks
from webapp.clock import Clock
from webapp.processors.sandbox.books import SandboxBooks

PASSWORD = "keep-it-afloat-at-sea"


@dataclass(frozen=True)
class Account:
    id: int
    name: str
    email: str
    api_key: str
    opening: int
    """In micros."""


@dataclass(frozen=True)
class CommandResult:
    """A command's exit code and output; the code is None if it was killed."""

    code: int | None
    text: str

    @property
    def json(self) -> object:
        """Parse the last line that is JSON; other lines are log output."""
        lines = [line for line in self.text.splitlines() if line[:1] in ("{", "[")]
        if self.code != 0 or not lines:
            raise ValueError(f"a command failed:\n{self.text}")
        return json.loads(lines[-1])


class Installation:
    def __init__(
        self,
        folder: Path,
        database: Database,
        mail_port: int,
        stripe: StripeBooks | None = None,
    ) -> None:
        """With `stripe`, cards are charged there instead of in the sandbox."""
        self.stripe = stripe
        self.folder, self.database = folder, database
        self.home = folder / "home"
        self.logs, self.traces = folder / "logs", folder / "traces"
        for made in (self.logs, self.traces):
            made.mkdir()
        self.environ = {
            **host.environ(),
            "BALLAST_HOME": str(self.home),
            "DATABASE_URL": database.url,
            "SECRET_KEY": secrets.token_hex(32),
            "RUN_JOBS": "0",
            "DEMO": "0",
            "RATE_LIMITS": "0",
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(mail_port),
            "PYTHONUNBUFFERED": "1",
            **(stripe.environ if stripe else {}),
        }
        if (created := self.command("db", "upgrade")).code != 0:
            raise ValueError(f"the tables cannot be created:\n{created.text}")
        self.books = SandboxBooks(self.home / "sandbox.db")

    def start(
        self,
        command: Sequence[str],
        name: str,
        armed: Mapping[str, int] | None = None,
        **environ: str,
    ) -> Process:
        trace = self.traces / f"{name}-{secrets.token_hex(6)}" if armed is not None else None
        environ = {**self.environ, **environ}
        return Process(command, environ, self.logs / f"{name}.log", armed=armed, trace=trace)

    def command(self, *words: str, armed: Mapping[str, int] | None = None) -> CommandResult:
        """Run an operator's command until it ends or is killed."""
        process = self.start_command(*words, armed=armed)
        return self.end_command(process)

    def start_command(self, *words: str, armed: Mapping[str, int] | None = None) -> Process:
        name = f"command-{'-'.join(words[:2])}-{secrets.token_hex(6)}"
        return self.start([*FLASK, *words], name, armed)

    def end_command(self, process: Process) -> CommandResult:
        code = process.wait()
        return CommandResult(None if process.was_killed else code, process.log.read_text())

    def account(self, name: str, opening: str = "100.00") -> Account:
        email = f"{name}@chaos.test"
        who = ("--name", name, "--email", email, "--password", PASSWORD)
        words = (*who, "--balance", opening, "--own-metering", "--json")
        made = self.command("accounts", "create", *words).json
        return Account(made["account"], name, email, made["api_key"], micros(opening))

    @property
    def snapshot(self) -> Snapshot:
        """A snapshot of the databases."""
        return Snapshot(self.database, self.home, self.logs, self.stripe)

    @property
    def now(self) -> datetime:
        """The product's time: the wall clock plus the sandbox's offset."""
        return Clock(self.books.clock_offset).now()

    def advance_clock(self, by: timedelta) -> None:
        self.books.advance_clock(by)


def micros(text: str) -> int:
    """Convert a decimal with at most six places to micros."""
    whole, _, rest = text.partition(".")
    return int(whole) * 1_000_000 + int(rest.ljust(6, "0")[:6] or 0)


def wait_until_free(port: int) -> None:
    """Wait until a killed process has released the port."""
    end = time.monotonic() + 10
    while True:
        with socket.socket() as held, suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind(("127.0.0.1", port))
            return
        if time.monotonic() > end:
            raise TimeoutError(f"port {port} is still in use")
        time.sleep(0.01)
