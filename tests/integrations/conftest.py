"""A running Ballast for the programs of integrations/, and what they need."""

import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from tests import host, processes
from tests.conftest import copy_home, settings_in
from tests.factories import PASSWORD
from webapp.actions.accounts.create_account import create_account
from webapp.actions.api_keys.create_key import create_key
from webapp.actions.usage.change_hold import change_hold
from webapp.actions.usage.expire_holds import expire_holds
from webapp.actions.usage.post_usage import post_usage
from webapp.actions.usage.release_hold import release_hold
from webapp.app import create_app
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.api_keys.api_key import KeyChoice, Scope
from webapp.domain.ledger import LedgerEntry
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.money import MICROS, decimal_text
from webapp.domain.usage.hold_request import HoldChange
from webapp.domain.usage.holds import Hold, HoldState
from webapp.domain.usage.record import Usage
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import Right
from webapp.extensions import db, make_context
from webapp.settings import ROOT

INTEGRATIONS = ROOT / "integrations"

PATIENCE = 120
"""Seconds. A slow machine makes a test slow but does not fail it."""


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_done():
        assert time.monotonic() < deadline, "nothing happened in time"
        time.sleep(0.05)


def program(name: str) -> str:
    """Return the path of an installed program; the test is skipped if there is none."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


class Ballast:
    """Ballast in processes of its own, which can be killed, and its database."""

    def __init__(self, app: Flask, home: Path, log: Path, key: str) -> None:
        self.app, self.log = app, log
        self.key = key
        """A provider key with the scopes of a switch."""
        self.port = host.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {
            **host.environ(),
            "BALLAST_HOME": str(home),
            "SECRET_KEY": app.config["SECRET_KEY"],
            "DEMO": "auto",
            "PORT": str(self.port),
            "RUN_JOBS": "0",
            "RATE_LIMITS": "0",
        }
        self._process: processes.Process | None = None
        self._accounts = count(1)

    def start(self) -> None:
        """Start it, and wait until it answers. Does nothing if it is running."""
        if self._process is not None:
            return
        self._process = processes.Process(processes.WEB, self.environ, self.log)
        wait_until(self._answers)

    def kill(self) -> None:
        """Kill its processes."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _answers(self) -> bool:
        assert self._process.exit_code is None, self.log.read_text()
        try:
            urllib.request.urlopen(f"{self.url}/healthz", timeout=2).close()
        except OSError:
            return False
        return True

    def account(self, balance: str = "10.00", **values: object) -> str:
        """Create an account and return its external id; `values` are its further columns."""
        external_id = f"acme-{next(self._accounts)}"
        create_account(
            make_context(COMMAND_LINE),
            AccountChoice(external_id, external_id=external_id),
            OwnerChoice(f"{external_id}@example.com", "Ana Ruiz", PASSWORD),
            balance=int(Decimal(balance) * MICROS),
        )
        self.change(external_id, **values)
        return external_id

    def change(self, external_id: str, **values: object) -> None:
        """Set columns of the account."""
        account = self._account(external_id)
        for name, value in values.items():
            setattr(account, name, value)
        db.session.commit()

    def release(self, external_id: str) -> None:
        """Release the account's open holds, as the provider can by API."""
        account_id = self._account(external_id).id
        for reference, (state, _) in self.holds(external_id).items():
            if state == HoldState.OPEN:
                release_hold(make_context(COMMAND_LINE), account_id, reference)

    def report(self, external_id: str, used_total: str) -> None:
        """Report what the account's calls have used, as another program could."""
        ctx, account_id = make_context(COMMAND_LINE), self._account(external_id).id
        change = HoldChange(used_total=int(Decimal(used_total) * MICROS))
        for reference in self.holds(external_id):
            change_hold(ctx, account_id, reference, change)

    def end(self, external_id: str) -> None:
        """End the account's holds by final usage of zero, as another program could."""
        ctx, account_id = make_context(COMMAND_LINE), self._account(external_id).id
        for reference in self.holds(external_id):
            post_usage(ctx, account_id, [Usage(0, reference, ctx.now)])

    def expire(self, external_id: str) -> None:
        """Let the time of the account's open holds be over, and the job have noticed."""
        mine = (Hold.account_id == self._account(external_id).id, Hold.state == HoldState.OPEN)
        for hold in db.session.scalars(select(Hold).where(*mine)):
            hold.expires_at = hold.opened_at
        db.session.commit()
        expire_holds(make_context(COMMAND_LINE))

    def balance(self, external_id: str) -> str:
        return decimal_text(self._account(external_id).balance)

    def usage(self, external_id: str) -> dict[str, str]:
        """Return the debits by reference, in the order of posting."""
        mine = LedgerEntry.account_id == self._account(external_id).id
        query = select(LedgerEntry).where(mine, LedgerEntry.kind == "usage")
        entries = db.session.scalars(query.order_by(LedgerEntry.id))
        return {str(entry.reference): decimal_text(-entry.amount) for entry in entries}

    def holds(self, external_id: str) -> dict[str, tuple[str, str]]:
        """Return the state and the held amount of each hold, by reference."""
        mine = Hold.account_id == self._account(external_id).id
        found = db.session.scalars(select(Hold).where(mine).order_by(Hold.id))
        return {hold.reference: (str(hold.state), decimal_text(hold.amount)) for hold in found}

    def _account(self, external_id: str) -> Account:
        db.session.rollback()  # another process writes
        query = select(Account).where(Account.external_id == external_id)
        return db.session.execute(query).scalar_one()


@pytest.fixture(scope="module")
def server(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ballast]:
    """One Ballast per module, on the host's clock, since it takes seconds to start."""
    folder = tmp_path_factory.mktemp("ballast")
    app = create_app(settings_in(copy_home(migrated, folder / "home")))
    with app.app_context():
        choice = KeyChoice("Switch", (Scope.USAGE, Scope.HOLDS))
        key = create_key(make_context(COMMAND_LINE), None, choice, frozenset(Right)).key
        server = Ballast(app, folder / "home", folder / "log", key)
        try:
            yield server
        finally:
            server.kill()
            db.session.remove()
            db.engine.dispose()
            if books := app.extensions["ballast"].sandbox:
                books.close()


@pytest.fixture
def ballast(server: Ballast) -> Ballast:
    """Running, also after a test that killed it. Each test creates its own accounts."""
    server.start()
    return server
