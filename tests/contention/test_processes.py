"""Concurrent requests from windows and processes: each has one effect and causes no error.

Real web processes and two schedulers share one installation. After all tests the books are compared
as after a chaos run. Threads of one process are tested in `tests/contention/test_actions.py`.
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

from tests.chaos.browser import MAIN, Browser, challenge_url
from tests.chaos.client import Client
from tests.chaos.comparison import differences
from tests.chaos.databases import database
from tests.chaos.installation import PASSWORD, Account, Installation
from tests.chaos.journal import Debit, Hold, Journal, OperatorPosting
from tests.chaos.mail_server import MailServer, ServerState
from tests.chaos.processes import FLASK, WEB
from tests.chaos.receiver import Receiver
from tests.chaos.records import is_settled
from tests.chaos.snapshot import Charge, Snapshot
from tests.factories import context
from tests.host import free_port
from tests.postgres import server
from webapp.actions.accounts.create_account import create_account
from webapp.app import create_app
from webapp.domain.accounts.account import Account as AccountRow
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.api_keys.api_key import OF_ACCOUNT
from webapp.domain.top_ups.top_up import BURST
from webapp.domain.users.owner import OwnerChoice
from webapp.extensions import db
from webapp.settings import Settings

MANY = 8
PATIENCE = 20.0
"""In seconds. About one is usual; the rest is for a busy machine."""

MANY_CHARGES = 120.0
"""Seconds for a day's refills in sequence; about three are usual."""

HUNDRED = 100_000_000
"""Micros; the opening balance and the refill amount."""

VISA, MASTERCARD, AMEX = "4242424242424242", "5555555555554444", "378282246310005"
ASKS_EACH_TIME = "4000002760003184"

NUMBERS = count(1)


@dataclass(frozen=True)
class SharedInstallation:
    installation: Installation
    journal: Journal
    accounts: list[Account]
    addresses: list[str]
    app: Flask
    """Creates accounts in this process, because a command per account would be slow."""

    def account(self) -> Account:
        name = f"harbour-{next(NUMBERS)}"
        owner = OwnerChoice(f"{name}@chaos.test", "Ana Ruiz", PASSWORD)
        # Midnight is hours away in its time zone, so no daily limit resets during a test.
        zone = "UTC" if 6 <= self.installation.now.hour < 18 else "Pacific/Auckland"
        choice = AccountChoice(name, time_zone=zone, own_metering=True)
        with self.app.app_context():
            ctx = context(db.session())
            made = create_account(ctx, choice, owner, balance=HUNDRED, scopes=OF_ACCOUNT)
        account = Account(made.account_id, name, owner.email, made.api_key, HUNDRED)
        self.accounts.append(account)
        return account

    def client(self, **headers: str) -> Client:
        return Client(self.addresses, self.journal, Random(1), Event(), headers)

    @property
    def snapshot(self) -> Snapshot:
        return self.installation.snapshot


@dataclass(frozen=True)
class Harbour:
    """An account, its owner's browser and its meter."""

    shared: SharedInstallation
    account: Account
    owner: Browser
    meter: Client

    def use(self, *amounts: str) -> list[dict[str, str]]:
        """Create usage records to post, which the comparison then expects."""
        records = [{"reference": f"call-{next(NUMBERS)}", "amount": a} for a in amounts]
        for record in records:
            micros = int(record["amount"].replace(".", "")) * 10_000
            self.shared.journal.debits[record["reference"]] = Debit(self.account.id, micros, True)
        return records

    def set_credit_limit(self, units: int) -> None:
        with self.shared.app.app_context():
            account = AccountRow.locked(db.session(), self.account.id)
            account.credit_limit = units * 1_000_000
            db.session.commit()

    def refill(self, *numbers: str, threshold: str = "50.00") -> None:
        """Save cards with consent and switch on refills of 100.00."""
        for number in numbers:
            self.owner.add_card(number, consent=True)
        self.apply(self.owner, threshold)

    def apply(self, window: Browser, threshold: str, **fields: str):
        chosen = {"refill_on": "1", "refill_amount": "100.00", "threshold": threshold, **fields}
        seen = window.load_screen().version
        return window.press("/billing/low-balance-settings", seen=seen, **chosen)

    def rows(self, table: str, columns: str, where: str = "1 = 1"):
        """Return the account's rows of a table in the order written."""
        found, mine = self.shared.snapshot, f"account_id = {self.account.id} AND {where}"
        return found.rows(f"SELECT {columns} FROM {table} WHERE {mine} ORDER BY id")

    @property
    def day_limits(self) -> dict[int, int]:
        """Daily limits in micros, by version of the settings."""
        limits, limit = {}, 0
        for settings in self.shared.snapshot.audited("settings", account_id=self.account.id):
            limit = settings["changed"].get("day_limit", (0, limit))[1]
            limits[settings["version"]] = limit
        return limits

    def ask_for(self, amount: str, kind: str = "instant"):
        """Return an Add Funds form with the first method."""
        key = self.owner.form_key("/billing/funds/new")
        method = str(self.owner.load_screen().methods[0])
        return {"request_key": key, "amount": amount, "kind": kind, "method": method}

    @property
    def methods(self) -> list[tuple[int, bool]]:
        """Position and consent of each listed method."""
        return [
            (position, bool(consent))
            for position, consent in self.shared.snapshot.rows(
                "SELECT position, auto_charge FROM payment_method WHERE removed_at IS NULL "
                f"AND account_id = {self.account.id} ORDER BY position"
            )
        ]

    @property
    def taken_charges(self) -> list[Charge]:
        """Charges of the account at the processor."""
        found = self.shared.snapshot
        mine = {key for key, a in found.attempts.items() if a.account_id == self.account.id}
        return [charge for charge in found.charges if charge.key in mine]

    @property
    def charges(self) -> list[int]:
        """Amounts of the account's charges, in whole units."""
        return [charge.amount // 1_000_000 for charge in self.taken_charges]

    def wait_for_charges(self, *amounts: int) -> None:
        end = time.monotonic() + PATIENCE
        while self.charges != list(amounts) and time.monotonic() < end:
            time.sleep(0.05)
        assert self.charges == list(amounts)

    def wait_until_settled(self) -> None:
        """Wait until no refill or attempt of the account is open."""
        end = time.monotonic() + PATIENCE
        states = "state IN ('open', 'started')"
        while any(self.rows(table, "id", states) for table in ("top_up", "attempt")):
            assert time.monotonic() < end
            time.sleep(0.05)


POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(scope="module", params=["sqlite", POSTGRES])
def shared_installation(request, tmp_path_factory) -> Iterator[SharedInstallation]:
    folder = tmp_path_factory.mktemp("installation")
    with ExitStack() as stack:
        try:
            base = stack.enter_context(database(request.param, folder))
        except server.NoServer as reason:
            pytest.skip(f"No PostgreSQL here: {reason}")
        mails = MailServer(port := free_port())
        stack.callback(mails.stop)
        receiver = Receiver(Random(1))
        stack.callback(receiver.stop)
        mails.set_state(ServerState.UP)
        installation = Installation(folder, base, port)
        stack.callback(installation.books.close)
        ports = [free_port() for _ in range(2)]
        processes = [
            installation.start(WEB, f"web-{port}", PORT=str(port), RUN_JOBS=str(int(n == 0)))
            for n, port in enumerate(ports)
        ]
        processes.append(installation.start((*FLASK, "jobs", "start"), "jobs"))
        for process in processes:
            stack.callback(process.kill)
        journal = Journal()
        app = create_app(Settings.from_environment(installation.environ).ensure_home())
        addresses = [f"http://127.0.0.1:{port}" for port in ports]
        shared = SharedInstallation(installation, journal, [], addresses, app)
        yield shared
        with app.app_context():
            db.engine.dispose()
        end = time.monotonic() + PATIENCE
        while not is_settled(installation.snapshot) and time.monotonic() < end:
            time.sleep(0.1)
        books = (journal, shared.accounts, mails.received, receiver)
        assert differences(installation.snapshot, *books) == []
        assert installation.command("ledger", "check").code == 0


@pytest.fixture
def harbour(shared_installation) -> Harbour:
    """A fresh account with 100.00."""
    account = shared_installation.account()
    owner = Browser(shared_installation.client())
    owner.sign_in(account.email)
    return Harbour(
        shared_installation,
        account,
        owner,
        shared_installation.client(Authorization=f"Bearer {account.api_key}"),
    )


def statuses(answers) -> set[int]:
    return {answer.status_code for answer in answers}


def test_the_same_batch_from_eight_meters_is_posted_once_l12(harbour):
    """L12: each request is answered 201."""
    records = harbour.use(*["0.50"] * 20)
    meters = [Browser(harbour.meter).clone() for _ in range(MANY)]

    def post(window):
        return window.client.post("/api/v1/usage", json={"records": records})

    answers = meters[0].at_once([post] * MANY)
    assert statuses(answers) == {201}
    statuses_of_records = Counter(
        record["status"] for answer in answers for record in answer.json()["records"]
    )
    assert statuses_of_records == {"posted": 20, "duplicate": 20 * (MANY - 1)}


@pytest.mark.parametrize(
    ("asked", "credit", "granted"),
    [
        ({"amount": "60.00"}, 0, ["60.00"]),
        ({"amount": "60.00"}, 20, ["60.00", "60.00"]),
        ({"amount": "60.00", "minimum": "0.01"}, 0, ["40.00", "60.00"]),
        ({"amount": "12.50"}, 0, ["12.50"] * 8),
        (
            {"rate_per_minute": "7.00", "increment": 60, "expires_in": 300},
            0,
            ["28.00", *["35.00"] * 2],
        ),
    ],
)
def test_sixteen_calls_at_once_get_no_more_than_there_is_v5(harbour, asked, credit, granted):
    """V5: to the last cent, from two web processes on either database."""
    harbour.set_credit_limit(credit)
    calls = [f"call-{next(NUMBERS)}" for _ in range(16)]
    holds = harbour.shared.journal.holds
    holds |= {call: Hold(harbour.account.id) for call in calls}

    def ask(call):
        sent = {"reference": call, **asked}
        return lambda window: window.client.post("/api/v1/holds", json=sent)

    answers = Browser(harbour.meter).at_once([ask(call) for call in calls])
    assert sorted(a.json()["granted"] for a in answers if a.status_code == 201) == granted
    refused = [a for a in answers if a.status_code != 201]
    assert statuses(refused) == {402}
    assert len(refused) == 16 - len(granted)
    for call, answer in zip(calls, answers, strict=True):
        holds[call].answered, holds[call].given_up = answer.status_code == 201, True
        harbour.meter.ask("DELETE", f"/api/v1/holds/{call}")


def test_reports_and_holds_at_once_never_hold_more_than_there_is_v6(harbour):
    """V6: eight calls report use and ask for more, while others start."""
    running = [f"call-{next(NUMBERS)}" for _ in range(MANY)]
    others = [f"call-{next(NUMBERS)}" for _ in range(MANY)]
    holds, debits = harbour.shared.journal.holds, harbour.shared.journal.debits
    holds |= {call: Hold(harbour.account.id, given_up=True) for call in running + others}
    for call in running:
        sent = {"reference": call, "amount": "10.00"}
        holds[call].answered = harbour.meter.post("/api/v1/holds", json=sent).status_code == 201
        debits[f"{call}#1"] = Debit(harbour.account.id, 5_000_000, answered=True)

    def report(call):
        sent = {"used": "5.00", "amount": "12.00"}
        return lambda window: window.client.ask("PATCH", f"/api/v1/holds/{call}", json=sent)

    def start(call):
        sent = {"reference": call, "amount": "7.00", "minimum": "0.01"}
        return lambda window: window.client.post("/api/v1/holds", json=sent)

    actions = [act for pair in zip(running, others, strict=True)
               for act in (report(pair[0]), start(pair[1]))]  # fmt: skip
    answers = Browser(harbour.meter).at_once(actions)
    assert statuses(answers) <= {200, 201, 402}
    balance = harbour.meter.get("/api/v1/balance").json()
    assert balance["balance"] == "60.00"
    assert float(balance["held"]) <= 60
    assert float(balance["available"]) == 60 - float(balance["held"])
    for call in running + others:
        harbour.meter.ask("DELETE", f"/api/v1/holds/{call}")


def test_eight_debits_with_two_schedulers_cause_one_charge_t8(harbour):
    """T8, T4: whichever scheduler finds the top-up first."""
    harbour.refill(VISA, MASTERCARD)
    records = harbour.use(*["7.00"] * MANY)
    posts = [lambda w, r=record: w.client.post("/api/v1/usage", json=r) for record in records]
    assert statuses(Browser(harbour.meter).at_once(posts)) == {201}
    harbour.wait_for_charges(100)


@pytest.mark.parametrize("kind", ["instant", "auto_charge"])
def test_confirm_pressed_eight_times_pays_once_l4(harbour, kind):
    """L4: one form makes one payment."""
    harbour.owner.add_card(VISA, consent=True)
    form = harbour.ask_for("30.00", kind)
    answers = harbour.owner.at_once([lambda w: w.press("/billing/funds", **form)] * MANY)
    assert statuses(answers) == {303}
    harbour.wait_for_charges(30)


@pytest.mark.parametrize("windows", [1, MANY])
def test_retry_pressed_eight_times_pays_once_f4(harbour, windows):
    """F4: in one window, or in eight."""
    harbour.owner.add_card(VISA, consent=True)
    harbour.shared.installation.books.queue_answer("decline", decline_code="insufficient_funds")
    harbour.owner.press("/billing/funds", **harbour.ask_for("30.00"))
    (dialog,) = set(harbour.owner.load_screen().failed)
    keys = [harbour.owner.form_key(dialog) for _ in range(windows)] * (MANY // windows)
    path = dialog.removesuffix("retry") + "retries"
    answers = harbour.owner.at_once([lambda w, k=key: w.press(path, request_key=k) for key in keys])
    assert statuses(answers) <= ({303} if windows == 1 else {303, 409})
    harbour.wait_for_charges(30)


def test_returning_from_the_bank_ten_times_pays_once_f4(harbour):
    """F4, L3: for saving a card and for a payment."""
    saving = harbour.owner.add_card(ASKS_EACH_TIME, consent=True)
    home = harbour.owner.answer_bank(saving, "complete")
    assert statuses(harbour.owner.at_once([lambda w: w.client.get(home)] * 10)) <= {200, 303}
    assert harbour.methods == [(1, True)]

    paying = harbour.owner.press("/billing/funds", **harbour.ask_for("45.00"))
    assert challenge_url(paying)
    home = harbour.owner.answer_bank(paying, "complete")
    assert statuses(harbour.owner.at_once([lambda w: w.client.get(home)] * 10)) == {303}
    harbour.wait_for_charges(45)


def test_the_same_first_card_from_eight_windows_is_saved_once_m8(harbour):
    """M8, M4: with auto-charge on."""
    answers = harbour.owner.at_once([lambda w: w.add_card(VISA, consent=False)] * MANY)
    assert statuses(answers) == {303}
    assert harbour.methods == [(1, True)]


def test_of_three_concurrent_first_cards_one_has_auto_charge_m4(harbour):
    """M4: only one of them is the first."""
    numbers = (VISA, MASTERCARD, AMEX)
    adding = [lambda w, n=number: w.add_card(n, consent=False) for number in numbers]
    assert statuses(harbour.owner.at_once(adding)) == {303}
    assert harbour.methods == [(1, True), (2, False), (3, False)]


def test_reordering_during_a_removal_keeps_a_valid_order_m5(harbour):
    """M5, M10: requests based on a stale list are refused."""
    harbour.refill(VISA, MASTERCARD, AMEX)
    seen = harbour.owner.load_screen().methods
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


def test_applying_settings_during_usage_charges_at_most_once_t14(harbour):
    """T14, T1: by valid settings, and without an error page."""
    harbour.refill(VISA)
    records = harbour.use(*["15.00"] * 4)
    posts = [lambda w, r=record: w.client.post("/api/v1/usage", json=r) for record in records]
    meter = Browser(harbour.meter)
    owner = harbour.owner
    applying = [lambda w: harbour.apply(owner.clone(), "20.00")] * 4
    answers = meter.at_once([*posts, *applying])
    assert statuses(answers) <= {201, 303, 409}
    time.sleep(1.5)
    assert harbour.charges in ([], [100])


def test_resuming_and_applying_during_usage_respects_all_limits_t10(harbour):
    """T10, T14, T8, T9: the burst limit, the daily limit and the final check hold together.

    The race ends when the highest daily limit is used up, so each run takes at least seven charges,
    and therefore two resumptions.
    """
    harbour.refill(VISA)
    over, most_open = Event(), 0
    confirmed = str(HUNDRED)

    def repeated(press):
        def repeat(window):
            answers = []
            while not over.is_set():
                answers.append(press(window))
                time.sleep(0.05)  # leaves time for the charges
            return answers

        return repeat

    def use(window):
        (record,) = harbour.use("30.00")
        return harbour.meter.clone().post("/api/v1/usage", json=record)

    def resume(window):
        return window.press("/billing/automatic-payments/resumptions", confirmed=confirmed)

    def apply_limit(day_limit):
        fields = {"day_limit": day_limit, "confirmed": confirmed}
        return lambda window: harbour.apply(window, "50.00", **fields)

    def watch(window):
        nonlocal most_open
        end = time.monotonic() + MANY_CHARGES
        while sum(harbour.charges) < 650 and time.monotonic() < end:
            most_open = max(most_open, len(harbour.rows("top_up", "id", "state = 'open'")))
            time.sleep(0.05)
        over.set()
        return []

    presses = [use, use, resume, resume, apply_limit("250.00"), apply_limit("650.00")]
    results = harbour.owner.at_once([watch, *map(repeated, presses)])
    assert [statuses(answers) <= {201, 303, 409} for answers in results] == [True] * len(results)
    assert most_open <= 1
    harbour.wait_until_settled()

    attempts = harbour.rows("attempt", "settings_version, amount, key", "automatic")
    versions = [version for version, _, _ in attempts]
    assert versions == sorted(versions)
    limits, spent = harbour.day_limits, 0
    for version, amount, _ in attempts:
        assert amount == min(HUNDRED, limits[version] - spent)
        spent += amount
    assert spent == 650_000_000

    charged = [(charge.key, charge.amount) for charge in harbour.taken_charges]
    assert sorted(charged) == sorted((key, amount) for _, amount, key in attempts)
    credited = harbour.rows("ledger_entry", "amount", "kind = 'payment'")
    assert [amount for (amount,) in credited] == [amount for _, amount, _ in attempts]

    wanted = "timeline IN ('charging', 'charged', 'resumed')"
    timeline = [code for (code,) in harbour.rows("event", "timeline", wanted)]
    charges = [code for code in timeline if code != "resumed"]
    assert charges == ["charging", "charged"] * len(attempts)
    between = " ".join(timeline).split("resumed")
    assert max(part.count("charging") for part in between) <= BURST


def test_a_wire_completed_by_two_operators_is_credited_once_l5(harbour):
    """L5, L11: the second command reports that it was completed before."""
    key = harbour.owner.form_key("/billing/wire-transfers/new")
    form = {"request_key": key, "amount": "250.00", "currency": "USD"}
    asked = harbour.owner.at_once([lambda w: w.press("/billing/wire-transfers", **form)] * MANY)
    (there,) = {answer.headers["Location"] for answer in asked}
    wire_id = int(there.rpartition("/")[2])
    harbour.shared.journal.wires[wire_id] = OperatorPosting(harbour.account.id, 250_000_000, True)

    installation = harbour.shared.installation
    words = ("wires", "complete", str(wire_id), "--amount", "250.00", "--json")
    processes = [installation.start_command(*words) for _ in range(2)]
    results = [installation.end_command(process).json for process in processes]
    assert sorted(result["changed"] for result in results) == [False, True]


def test_one_email_for_concurrent_new_accounts_is_used_once(shared_installation):
    """P1: later commands are refused with a sentence."""
    name = f"twin-{next(NUMBERS)}"
    who = ("--name", name, "--email", f"{name}@chaos.test", "--password", "long-enough-for-both")
    who += ("--balance", "7.00")
    processes = [
        shared_installation.installation.start_command("accounts", "create", *who) for _ in range(4)
    ]
    results = [shared_installation.installation.end_command(process) for process in processes]
    assert sorted(result.code for result in results) == [0, 1, 1, 1]
    messages = {result.text.splitlines()[-1] for result in results if result.code}
    assert messages == {"Error: email: This email address is already in use"}
    (row,) = shared_installation.snapshot.rows(f"SELECT id FROM account WHERE name = '{name}'")
    shared_installation.accounts.append(Account(row[0], name, "", "", 7_000_000))
