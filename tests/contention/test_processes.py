"""The same thing from many windows and processes at once: one effect, and nobody sees an error.

Real web processes and two schedulers share one installation. After all tests the books are compared
as after a chaos run: no charge twice, no debit lost, every mail sent, no trouble in any log. What
threads of one process can do to each other is asked in `tests/contention/test_actions.py`.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from random import Random
from threading import Event

import pytest
from flask import Flask

from tests.chaos.browser import MAIN, Browser, bank_of
from tests.chaos.client import Client
from tests.chaos.comparison import differences
from tests.chaos.databases import database
from tests.chaos.found import Charge, Found
from tests.chaos.installation import PASSWORD, Account, Installation
from tests.chaos.journal import ByHand, Debit, Journal
from tests.chaos.mail_server import MailServer, Mood
from tests.chaos.processes import FLASK, WEB
from tests.chaos.receiver import Receiver
from tests.chaos.traces import is_at_rest
from tests.factories import START
from tests.host import free_port
from tests.postgres import server
from webapp.actions.accounts.create_account import create_account
from webapp.app import create_app
from webapp.domain.accounts.audit import Actor
from webapp.domain.top_ups.top_up import BURST
from webapp.extensions import db
from webapp.settings import Settings

MANY = 8
PATIENCE = 20.0
"""Seconds; it takes about one, and a busy machine is forgiven."""

MANY_CHARGES = 120.0
"""Seconds for a whole day's refills, one after the other; they take about three."""

HUNDRED = 100_000_000
"""Micros: the opening balance, and the refill amount."""

VISA, MASTERCARD, AMEX = "4242424242424242", "5555555555554444", "378282246310005"
ASKS_EACH_TIME = "4000002760003184"

NUMBERS = count(1)


@dataclass(frozen=True)
class House:
    installation: Installation
    journal: Journal
    accounts: list[Account]
    addresses: list[str]
    app: Flask
    """In this process, on the same tables: quicker than a command for each account."""

    def account(self) -> Account:
        name = f"harbour-{next(NUMBERS)}"
        who = {"name": name, "owner_name": "Ana Ruiz", "email": f"{name}@chaos.test"}
        more = {"password": PASSWORD, "balance": HUNDRED, "actor": Actor(), "now": START}
        # Its midnight is hours away, so that no daily limit starts anew during a test.
        more["time_zone"] = "UTC" if 6 <= self.installation.now.hour < 18 else "Pacific/Auckland"
        with self.app.app_context():
            made = create_account(db.session(), **who, **more)
        account = Account(made.account_id, name, who["email"], made.api_key, HUNDRED)
        self.accounts.append(account)
        return account

    def client(self, **headers: str) -> Client:
        return Client(self.addresses, self.journal, Random(1), Event(), headers)

    @property
    def found(self) -> Found:
        return self.installation.found


@dataclass(frozen=True)
class Harbour:
    """An account, its owner at a browser, and its meter."""

    house: House
    account: Account
    owner: Browser
    meter: Client

    def use(self, *amounts: str) -> list[dict[str, str]]:
        """Records to post, which the comparison then expects."""
        records = [{"reference": f"call-{next(NUMBERS)}", "amount": a} for a in amounts]
        for record in records:
            micros = int(record["amount"].replace(".", "")) * 10_000
            self.house.journal.debits[record["reference"]] = Debit(self.account.id, micros, True)
        return records

    def refill(self, *numbers: str, threshold: str = "50.00") -> None:
        """Cards that may be charged, and the wish to be refilled by 100.00."""
        for number in numbers:
            self.owner.add_card(number, consent=True)
        self.apply(self.owner, threshold)

    def apply(self, window: Browser, threshold: str, **more: str):
        chosen = {"refill_on": "1", "refill_amount": "100.00", "threshold": threshold, **more}
        seen = window.look().version
        return window.press("/billing/low-balance-settings", seen=seen, **chosen)

    def rows(self, table: str, columns: str, where: str = "1 = 1"):
        """The account's rows of a table, in the order in which they were written."""
        found, mine = self.house.found, f"account_id = {self.account.id} AND {where}"
        return found.rows(f"SELECT {columns} FROM {table} WHERE {mine} ORDER BY id")

    @property
    def day_limits(self) -> dict[int, int]:
        """Of each version of the settings, in micros."""
        limits, limit = {}, 0
        for settings in self.house.found.audited("settings", account_id=self.account.id):
            limit = settings["changed"].get("day_limit", (0, limit))[1]
            limits[settings["version"]] = limit
        return limits

    def ask_for(self, amount: str, kind: str = "instant"):
        """Add Funds with the first method."""
        key = self.owner.form_key("/billing/funds/new")
        method = str(self.owner.look().methods[0])
        return {"request_key": key, "amount": amount, "kind": kind, "method": method}

    @property
    def methods(self) -> list[tuple[int, bool]]:
        """Position and consent of the listed."""
        return [
            (position, bool(consent))
            for position, consent in self.house.found.rows(
                "SELECT position, auto_charge FROM payment_method WHERE removed_at IS NULL "
                f"AND account_id = {self.account.id} ORDER BY position"
            )
        ]

    @property
    def taken(self) -> list[Charge]:
        """What the processor has taken."""
        found = self.house.found
        mine = {key for key, a in found.attempts.items() if a.account_id == self.account.id}
        return [charge for charge in found.charges if charge.key in mine]

    @property
    def charges(self) -> list[int]:
        """The same, in whole units."""
        return [charge.amount // 1_000_000 for charge in self.taken]

    def wait_for_charges(self, *amounts: int) -> None:
        end = time.monotonic() + PATIENCE
        while self.charges != list(amounts) and time.monotonic() < end:
            time.sleep(0.05)
        assert self.charges == list(amounts)

    def wait_until_at_rest(self) -> None:
        """No refill and no attempt of the account is open."""
        end = time.monotonic() + PATIENCE
        states = "state IN ('open', 'started')"
        while any(self.rows(table, "id", states) for table in ("top_up", "attempt")):
            assert time.monotonic() < end
            time.sleep(0.05)


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(scope="module", params=["sqlite", POSTGRES])
def house(request, tmp_path_factory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with ExitStack() as stack:
        try:
            base = stack.enter_context(database(request.param, folder))
        except server.NoServer as reason:
            pytest.skip(f"No PostgreSQL here: {reason}")
        mails = MailServer(port := free_port())
        stack.callback(mails.stop)
        receiver = Receiver(Random(1))
        stack.callback(receiver.stop)
        mails.be(Mood.UP)
        installation = Installation(folder, base, port)
        stack.callback(installation.books.close)
        ports = [free_port() for _ in range(2 if request.param == "postgres" else 1)]
        lives = [
            installation.start(WEB, f"web-{port}", PORT=str(port), RUN_JOBS=str(int(n == 0)))
            for n, port in enumerate(ports)
        ]
        lives.append(installation.start((*FLASK, "jobs", "start"), "jobs"))
        for life in lives:
            stack.callback(life.kill)
        journal = Journal()
        app = create_app(Settings.from_environment(installation.environ).ensure_home())
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        house = House(installation, journal, [], addresses, app)
        yield house
        with app.app_context():
            db.engine.dispose()
        end = time.monotonic() + PATIENCE
        while not is_at_rest(installation.found) and time.monotonic() < end:
            time.sleep(0.1)
        around = (journal, house.accounts, mails.received, receiver)
        assert differences(installation.found, *around) == []
        assert installation.command("ledger", "check").code == 0


@pytest.fixture
def harbour(house) -> Harbour:
    """A fresh account with 100.00."""
    account = house.account()
    owner = Browser(house.client())
    owner.sign_in(account.email)
    return Harbour(house, account, owner, house.client(Authorization=f"Bearer {account.api_key}"))


def statuses(answers) -> set[int]:
    return {answer.status_code for answer in answers}


def test_the_same_batch_from_eight_meters_l12(harbour):
    """L12: each is told 201, and each record is posted once."""
    records = harbour.use(*["0.50"] * 20)
    meters = [Browser(harbour.meter).twin() for _ in range(MANY)]

    def post(window):
        return window.client.post("/api/v1/usage", json={"records": records})

    answers = meters[0].at_once([post] * MANY)
    assert statuses(answers) == {201}
    told = Counter(record["status"] for answer in answers for record in answer.json()["records"])
    assert told == {"posted": 20, "duplicate": 20 * (MANY - 1)}


def test_two_schedulers_and_eight_debits_below_the_threshold_t8(harbour):
    """T8, T4: whoever finds it first, it is one charge."""
    harbour.refill(VISA, MASTERCARD)
    records = harbour.use(*["7.00"] * MANY)
    posts = [lambda w, r=record: w.client.post("/api/v1/usage", json=r) for record in records]
    assert statuses(Browser(harbour.meter).at_once(posts)) == {201}
    harbour.wait_for_charges(100)


@pytest.mark.parametrize("kind", ["instant", "auto_charge"])
def test_confirm_pressed_eight_times_l4(harbour, kind):
    """L4: one form is one payment."""
    harbour.owner.add_card(VISA, consent=True)
    form = harbour.ask_for("30.00", kind)
    answers = harbour.owner.at_once([lambda w: w.press("/billing/funds", **form)] * MANY)
    assert statuses(answers) == {303}
    harbour.wait_for_charges(30)


@pytest.mark.parametrize("windows", [1, MANY])
def test_retry_pressed_eight_times_f4(harbour, windows):
    """F4: in one window, or in eight."""
    harbour.owner.add_card(VISA, consent=True)
    harbour.house.installation.books.queue_answer("decline", decline_code="insufficient_funds")
    harbour.owner.press("/billing/funds", **harbour.ask_for("30.00"))
    (dialog,) = set(harbour.owner.look().failed)
    keys = [harbour.owner.form_key(dialog) for _ in range(windows)] * (MANY // windows)
    path = dialog.removesuffix("retry") + "retries"
    answers = harbour.owner.at_once([lambda w, k=key: w.press(path, request_key=k) for key in keys])
    assert statuses(answers) <= ({303} if windows == 1 else {303, 409})
    harbour.wait_for_charges(30)


def test_back_from_the_bank_ten_times_f4(harbour):
    """F4, L3: the nearest to a webhook that arrives ten times."""
    saving = harbour.owner.add_card(ASKS_EACH_TIME, consent=True)
    home = harbour.owner.answer_bank(saving, "complete")
    assert statuses(harbour.owner.at_once([lambda w: w.client.get(home)] * 10)) <= {200, 303}
    assert harbour.methods == [(1, True)]

    paying = harbour.owner.press("/billing/funds", **harbour.ask_for("45.00"))
    assert bank_of(paying)
    home = harbour.owner.answer_bank(paying, "complete")
    assert statuses(harbour.owner.at_once([lambda w: w.client.get(home)] * 10)) == {303}
    harbour.wait_for_charges(45)


def test_the_same_first_card_from_eight_windows_m8(harbour):
    """M8, M4: one row, with auto-charge on."""
    answers = harbour.owner.at_once([lambda w: w.add_card(VISA, consent=False)] * MANY)
    assert statuses(answers) == {303}
    assert harbour.methods == [(1, True)]


def test_three_first_cards_at_once_m4(harbour):
    """M4: only one of them is the first."""
    numbers = (VISA, MASTERCARD, AMEX)
    adding = [lambda w, n=number: w.add_card(n, consent=False) for number in numbers]
    assert statuses(harbour.owner.at_once(adding)) == {303}
    assert harbour.methods == [(1, True), (2, False), (3, False)]


def test_reordering_against_removing_m5(harbour):
    """M5, M10: a valid order, and whoever saw another list is told so."""
    harbour.refill(VISA, MASTERCARD, AMEX)
    seen = harbour.owner.look().methods
    wished = ",".join(map(str, reversed(seen)))
    listed = ",".join(map(str, seen))
    answers = harbour.owner.at_once(
        [
            *[lambda w: w.press(f"{MAIN}/order", order=wished, seen=listed)] * 4,
            *[lambda w: w.press(f"{MAIN}/{seen[0]}/removal")] * 4,
        ]
    )
    assert statuses(answers) <= {303, 404, 409}
    assert [position for position, _ in harbour.methods] == [1, 2]


def test_applying_against_a_top_up_t14(harbour):
    """T14, T1: charged by settings that stood, once, and no page is an error."""
    harbour.refill(VISA)
    records = harbour.use(*["15.00"] * 4)
    posts = [lambda w, r=record: w.client.post("/api/v1/usage", json=r) for record in records]
    meter = Browser(harbour.meter)
    owner = harbour.owner
    applying = [lambda w: harbour.apply(owner.twin(), "20.00")] * 4
    answers = meter.at_once([*posts, *applying])
    assert statuses(answers) <= {201, 303, 409}
    time.sleep(1.5)
    assert harbour.charges in ([], [100])


def test_resume_and_apply_against_usage_t10(harbour):
    """T10, T14, T8, T9: the burst breaker, the daily limit and the final check hold at once.

    The race ends when the highest of the daily limits is used up, so each run takes at least seven
    charges, and therefore two resumptions.
    """
    harbour.refill(VISA)
    over, most_open = Event(), 0
    confirmed = str(HUNDRED)

    def repeated(press):
        def repeat(window):
            answers = []
            while not over.is_set():
                answers.append(press(window))
                time.sleep(0.05)  # leave the processor to the charges
            return answers

        return repeat

    def use(window):
        (record,) = harbour.use("30.00")
        return harbour.meter.twin().post("/api/v1/usage", json=record)

    def resume(window):
        return window.press("/billing/automatic-payments/resumptions", confirmed=confirmed)

    def apply_limit(day_limit):
        more = {"day_limit": day_limit, "confirmed": confirmed}
        return lambda window: harbour.apply(window, "50.00", **more)

    def watch(window):
        nonlocal most_open
        end = time.monotonic() + MANY_CHARGES
        while sum(harbour.charges) < 650 and time.monotonic() < end:
            most_open = max(most_open, len(harbour.rows("top_up", "id", "state = 'open'")))
            time.sleep(0.05)
        over.set()
        return []

    presses = [use, use, resume, resume, apply_limit("250.00"), apply_limit("650.00")]
    told = harbour.owner.at_once([watch, *map(repeated, presses)])
    assert [statuses(answers) <= {201, 303, 409} for answers in told] == [True] * len(told)
    assert most_open <= 1
    harbour.wait_until_at_rest()

    attempts = harbour.rows("attempt", "settings_version, amount, key", "automatic")
    versions = [version for version, _, _ in attempts]
    assert versions == sorted(versions)
    limits, spent = harbour.day_limits, 0
    for version, amount, _ in attempts:
        assert amount == min(HUNDRED, limits[version] - spent)
        spent += amount
    assert spent == 650_000_000

    charged = [(charge.key, charge.amount) for charge in harbour.taken]
    assert sorted(charged) == sorted((key, amount) for _, amount, key in attempts)
    credited = harbour.rows("ledger_entry", "amount", "kind = 'payment'")
    assert [amount for (amount,) in credited] == [amount for _, amount, _ in attempts]

    wanted = "code IN ('charging', 'charged', 'resumed')"
    timeline = [code for (code,) in harbour.rows("decision", "code", wanted)]
    charges = [code for code in timeline if code != "resumed"]
    assert charges == ["charging", "charged"] * len(attempts)
    between = " ".join(timeline).split("resumed")
    assert max(part.count("charging") for part in between) <= BURST


def test_a_wire_completed_by_two_operators_l5(harbour):
    """L5, L11: credited once; the second is told that it was."""
    key = harbour.owner.form_key("/billing/wire-transfers/new")
    form = {"request_key": key, "amount": "250.00", "currency": "USD"}
    asked = harbour.owner.at_once([lambda w: w.press("/billing/wire-transfers", **form)] * MANY)
    (there,) = {answer.headers["Location"] for answer in asked}
    wire_id = int(there.rpartition("/")[2])
    harbour.house.journal.wires[wire_id] = ByHand(harbour.account.id, 250_000_000, True)

    installation = harbour.house.installation
    words = ("wires", "complete", str(wire_id), "--amount", "250.00", "--json")
    lives = [installation.start_command(*words) for _ in range(2)]
    said = [installation.end_command(life).json for life in lives]
    assert sorted(one["changed"] for one in said) == [False, True]


def test_one_address_for_two_new_accounts(house):
    """P1: whoever comes second is told so, in a sentence."""
    name = f"twin-{next(NUMBERS)}"
    who = ("--name", name, "--email", f"{name}@chaos.test", "--password", "long-enough-for-both")
    who += ("--balance", "7.00")
    lives = [house.installation.start_command("accounts", "create", *who) for _ in range(4)]
    said = [house.installation.end_command(life) for life in lives]
    assert sorted(one.code for one in said) == [0, 1, 1, 1]
    told = {one.text.splitlines()[-1] for one in said if one.code}
    assert told == {"Error: email: This email address is already in use"}
    (row,) = house.found.rows(f"SELECT id FROM account WHERE name = '{name}'")
    house.accounts.append(Account(row[0], name, "", "", 7_000_000))
