"""Shared environment of the figures: sizes, installations and the load generator."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

import requests

from benchmarks import copies, customers, homes
from benchmarks.load import Generator, Load, Plan
from benchmarks.servers import BALLAST, BARE, Server
from webapp.cli.demo import commands
from webapp.cli.demo.story import PASSWORD
from webapp.domain.payment_methods.payment_method import listed
from webapp.extensions import db
from webapp.reads.system.installation import DEMO_EMAIL

Ours = TypeVar("Ours")
Bound = TypeVar("Bound")

CONNECTIONS = 8
"""Concurrent connections, for ours and the bound; the server has 16 threads."""

ACCOUNTS = 100
"""Accounts that the provider meters."""


@dataclass(frozen=True)
class Sizes:
    name: str
    rounds: int
    seconds: float
    """Seconds of load per round."""
    warm_up: float
    accounts: int
    """Accounts of the large installation; each has ten ledger entries."""
    few: int
    """Accounts of the small installation whose page is compared."""
    fewer_due: int
    """Accounts of the small installation whose sweep is compared."""
    due: int
    """Accounts that a sweep finds."""
    debits: int
    """Debits whose time until the processor call is measured."""
    at_once: int
    """Accounts due at once."""
    at_once_rounds: int
    emails: int
    """Emails queued at once."""
    lines: int
    """Lines of the imported file."""
    import_rounds: int


FULL = Sizes(
    name="full",
    rounds=5,
    seconds=3,
    warm_up=1,
    accounts=1_000_000,
    few=1_000,
    fewer_due=10_000,
    due=100,
    debits=300,
    at_once=2_000,
    at_once_rounds=1,
    emails=5_000,
    lines=1_000_000,
    import_rounds=1,
)
SHORT = Sizes(
    name="short",
    rounds=3,
    seconds=1,
    warm_up=0.5,
    accounts=100_000,
    few=1_000,
    fewer_due=10_000,
    due=20,
    debits=60,
    at_once=200,
    at_once_rounds=1,
    emails=1_000,
    lines=50_000,
    import_rounds=1,
)


class Bench:
    """One run. Objects shared by several figures are created at the first use."""

    def __init__(self, sizes: Sizes, folder: Path, generator: Generator) -> None:
        self.sizes = sizes
        self.folder = folder
        self.memory: dict[str, int] = {}
        """Memory of each installation in bytes when it was stopped."""
        self._generator = generator
        self._crowds: dict[int, Path] = {}
        self._shared = ExitStack()

    def close(self) -> None:
        self._shared.close()

    @cached_property
    def default(self) -> "Installation":
        """The default installation: the demo account with ten methods, and all jobs."""
        home = homes.new_home(self.folder)
        with homes.application(home) as it:
            demo = commands.make(db.engine, it)
            if demo is None:
                raise RuntimeError("the demo account was expected in a fresh home")
            account = demo.account
            have = len(listed(db.session(), account.account_id))
            customers.add_cards(it, account.account_id, customers.METHODS - have)
            methods = tuple(method.id for method in listed(db.session(), account.account_id))
        server = self._shared.enter_context(self.serving(home, "default installation"))
        browser = customers.sign_in(server.url, DEMO_EMAIL, PASSWORD)
        return Installation(home, server, browser, account.account_id, methods)

    @cached_property
    def provider(self) -> "Provider":
        """The provider of the default installation."""
        with homes.application(self.default.home) as it:
            return Provider(customers.provider_key(it), tuple(customers.accounts(it, ACCOUNTS)))

    @cached_property
    def bare(self) -> Server:
        """The bare Flask views."""
        home = Path(mkdtemp(prefix="bare-", dir=self.folder))
        server = Server(BARE, home)
        self._shared.callback(server.stop)
        return server

    @contextmanager
    def serving(self, home: Path, name: str, **more: str) -> Iterator[Server]:
        server = Server(BALLAST, home, **more)
        try:
            yield server
            self.memory[name] = server.memory
        finally:
            server.stop()

    def crowd(self, accounts: int) -> Path:
        """A home with this many accounts, each with a card and ten ledger entries."""
        if accounts not in self._crowds:
            home = homes.new_home(self.folder)
            with homes.application(home) as it:
                customers.sign_up(it)
            copies.multiply(home, accounts)
            self._crowds[accounts] = home
        return self._crowds[accounts]

    def drive(
        self,
        server: Server,
        requests: Sequence[Sequence[bytes]],
        expect: int = 200,
        per_second: float = 0.0,
    ) -> Load:
        """Run one round of load; each row of requests is one connection."""
        seconds, warm_up = self.sizes.seconds, self.sizes.warm_up
        plan = Plan(server.port, requests, expect, seconds, warm_up, per_second)
        before = server.processor_time
        load = self._generator.drive(plan)
        return replace(load, spent=(server.processor_time - before) / load.answered)


@dataclass(frozen=True)
class Provider:
    key: str
    """A key that posts usage and opens holds."""
    accounts: tuple[int, ...]


@dataclass(frozen=True)
class Installation:
    home: Path
    server: Server
    browser: requests.Session
    """Signed in to the demo account."""
    account_id: int
    methods: tuple[int, ...]


def alternate(
    rounds: int, ours: Callable[[], Ours], bound: Callable[[], Bound]
) -> tuple[list[Ours], list[Bound]]:
    """Measure ours and the bound in turn, so that a slower machine slows both."""
    pairs = [(ours(), bound()) for _ in range(rounds)]
    return [first for first, _ in pairs], [second for _, second in pairs]
