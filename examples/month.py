#!/usr/bin/env python3
"""Play a month of three customers against a Ballast with a sandbox, by its API alone.

    python3 examples/month.py http://127.0.0.1:8000 PROVIDER_KEY

It needs only Python and a key with the scopes accounts, usage, holds, balances, events, sandbox.
It advances the clock of the whole installation by a month. It prints a table, and exits with status
1 if a sum does not agree.
"""

import json
import random
import re
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote
from uuid import uuid4

DAYS = 30
CALLS_A_DAY = 2
RATE, INCREMENT = Decimal("0.597"), 6
"""The price of a minute, charged in whole increments of so many seconds."""
PART = 600
"""Seconds that one hold covers. A longer call reports its use and asks for the next part."""
THRESHOLD, REFILL = "50.00", "100.00"
SUSPENSION = timedelta(hours=48)
DECLINED_ON = 10
"""The day before whose calls the bank begins to decline the next charge to `SCRIPTED`."""
PAYS, PAYS_TOO, SCRIPTED = "4242424242424242", "5555555555554444", "378282246310005"
DECLINES = "4000000000000341"


class Refused(Exception):
    """The API answered with a problem."""

    def __init__(self, status, problem):
        self.code = problem["code"]
        super().__init__(f"{status} {self.code}: {problem['detail']} {problem.get('errors', '')}")


@dataclass
class Api:
    address: str
    key: str

    def __call__(self, method, path, body=None):
        """Return the answer's JSON. Raises `Refused`."""
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        if method in ("POST", "PATCH"):
            headers["Idempotency-Key"] = str(uuid4())
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.address}/api/v1{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise Refused(error.code, json.load(error)) from None


@dataclass
class Customer:
    """A customer, and what the script knows of it without reading its statement."""

    name: str
    cards: tuple
    minutes: int
    """The longest of its calls."""
    external_id: str = ""
    email: str = ""
    calls: int = 0
    refused: int = 0
    cut: int = 0
    used: Decimal = Decimal(0)
    paid: list = field(default_factory=list)
    """Amounts of the payments that events reported."""
    declined: int = 0
    blocked_until: datetime | None = None
    """The end of the suspension, while no method can be charged."""

    @property
    def path(self):
        return f"/accounts/external:{self.external_id}"

    def is_released(self, now):
        """Whether the suspension of its methods has ended by now; then they can be charged."""
        if self.blocked_until is None or self.blocked_until > now:
            return False
        self.blocked_until = None
        return True


def main(address, key):
    api = Api(address.rstrip("/"), key)
    customers = [
        Customer("Harbour", (PAYS,), minutes=20),
        Customer("Pier", (DECLINES, PAYS_TOO), minutes=20),
        Customer("Quay", (SCRIPTED,), minutes=75),
    ]
    events = Events(api, customers)
    for customer in customers:
        sign_up(api, customer)
    settle(api, events, customers)
    for day in range(1, DAYS + 1):
        if sys.stderr.isatty():
            print(f"\rDay {day} of {DAYS}", end="", file=sys.stderr, flush=True)
        if day == DECLINED_ON:
            answer = {"kind": "decline", "decline_code": "insufficient_funds"}
            api("POST", "/sandbox/answers", {**answer, "last4": SCRIPTED[-4:]})
        for customer in customers:
            lengths = random.Random(f"{customer.name} {day}")
            for number in range(CALLS_A_DAY):
                call(api, customer, f"{day}-{number}", lengths.randint(60, customer.minutes * 60))
        settle(api, events, customers)
        now = datetime.fromisoformat(api("POST", "/sandbox/clock", {"hours": 24})["now"])
        settle(api, events, [it for it in customers if it.is_released(now)])
    return report(api, events, customers)


def sign_up(api, customer):
    """Create the account, read the owner's invitation, add the cards, and switch refill on."""
    customer.external_id = f"{customer.name.lower()}-{uuid4().hex[:12]}"
    customer.email = f"owner@{customer.external_id}.example"
    owner = {"name": f"Owner of {customer.name}", "email": customer.email}
    account = {"name": customer.name, "external_id": customer.external_id, "owner": owner}
    api("POST", "/accounts", account)
    [invitation] = api("GET", f"/sandbox/emails?to={quote(customer.email)}")["emails"]
    if not re.search(r"https?://\S+/invitations/\S+", invitation["text"]):
        sys.exit(f"The invitation of {customer.name} has no link")
    for number in customer.cards:
        card = {"card_number": number, "auto_charge": True}
        api("POST", f"{customer.path}/sandbox/payment-methods", card)
    settings = {"threshold": THRESHOLD, "refill_amount": REFILL, "notification_on": False}
    path = f"{customer.path}/sandbox/low-balance-settings"
    api("PUT", path, {"refill_on": True, **settings})


def call(api, customer, number, seconds):
    """Make a call that would last so many seconds; it starts and goes on only while it is paid."""
    which = {"external_id": customer.external_id}
    reference = f"{customer.external_id}-{number}"
    hold = {**which, "reference": reference, "rate_per_minute": str(RATE), "increment": INCREMENT}
    try:
        granted = api("POST", "/holds", {**hold, "expires_in": PART})["seconds"]
    except Refused as refused:
        if refused.code != "insufficient_balance":
            raise
        customer.refused += 1
        return
    customer.calls += 1
    while seconds > granted:
        used, seconds = cost(granted), seconds - granted
        customer.used += used
        try:
            report = {**which, "used": f"{used:f}"}
            granted = api("PATCH", f"/holds/{reference}", report)["seconds"]
        except Refused as refused:
            if refused.code != "insufficient_balance":
                raise
            customer.cut += 1
            seconds = granted = 0
    rest = cost(seconds)
    customer.used += rest
    api("POST", "/usage", {**which, "reference": reference, "amount": f"{rest:f}"})


def cost(seconds):
    """The cost of whole increments."""
    return -(-seconds // INCREMENT) * (RATE * INCREMENT / 60)


def settle(api, events, customers):
    """Wait until each balance is refilled, or its refill has failed on every method."""
    deadline = time.monotonic() + 60
    for customer in customers:
        while customer.blocked_until is None and balance(api, customer) < Decimal(THRESHOLD):
            events.read()
            if time.monotonic() > deadline:
                sys.exit(f"{customer.name} was not refilled within a minute")
            time.sleep(0.05)
    events.read()


def balance(api, customer):
    return Decimal(api("GET", f"{customer.path}/balance")["balance"])


class Events:
    """The provider's events from now on, each read once, in their order."""

    def __init__(self, api, customers):
        self.api, self.customers = api, customers
        self.after, self.has_gap = None, False
        for _ in self._new():
            pass

    def read(self):
        for event in self._new():
            ids = {it.external_id: it for it in self.customers}
            customer = ids.get(event["account"]["external_id"])
            if customer is None:
                continue
            if event["type"] == "payment.succeeded":
                customer.paid.append(Decimal(event["data"]["amount"]))
            elif event["type"] == "payment_method.suspended":
                customer.declined += 1
            elif event["type"] == "top_up.failed":
                declined_at = datetime.fromisoformat(event["timestamp"])
                customer.blocked_until = declined_at + SUSPENSION

    def _new(self):
        while True:
            after = "" if self.after is None else f"&after={self.after}"
            page = self.api("GET", f"/events?limit=100{after}")
            for event in page["events"]:
                expected = self.after + 1 if self.after is not None else event["sequence"]
                self.has_gap |= event["sequence"] != expected
                self.after = event["sequence"]
                yield event
            self.after = page["next_after"]
            if not page["has_more"]:
                return


def statement(api, customer):
    """All entries, newest first."""
    entries, cursor = [], ""
    while cursor is not None:
        page = api("GET", f"{customer.path}/statement?limit=100{cursor and f'&cursor={cursor}'}")
        entries += page["entries"]
        cursor = page["next_cursor"]
    return entries


def emails(api, customer):
    """The kind of each email about the account, newest first."""
    kinds, cursor = [], ""
    while cursor is not None:
        page = api("GET", f"/sandbox/emails?account=external:{customer.external_id}&limit=100"
                   f"{cursor and f'&cursor={cursor}'}")  # fmt: skip
        kinds += [it["kind"] for it in page["emails"]]
        cursor = page["next_cursor"]
    return kinds


def report(api, events, customers):
    """Print the month and compare the sums. Returns the number of those that do not agree."""
    faults = ["The events have a gap"] if events.has_gap else []
    print(f"{'':10}{'calls':>7}{'refused':>9}{'cut':>5}{'used':>12}{'refills':>9}{'declined':>10}"
          f"{'emails':>8}{'balance':>12}")  # fmt: skip
    for it in customers:
        entries, kinds, now = statement(api, it), emails(api, it), balance(api, it)
        usage = [Decimal(one["amount"]) for one in entries if one["kind"] == "usage"]
        credited = [Decimal(one["amount"]) for one in entries if one["kind"] != "usage"]
        print(f"{it.name:10}{it.calls:7}{it.refused:9}{it.cut:5}{it.used:12.4f}{len(it.paid):9}"
              f"{it.declined:10}{len(kinds):8}{now:12.4f}")  # fmt: skip
        sums = {
            "the statement and the balance": (sum(usage) + sum(credited), now),
            "the usage of the statement and of the calls": (-sum(usage), it.used),
            "the payments of the statement and of the events": (sum(credited), sum(it.paid)),
            "the receipts and the payments": (kinds.count("receipt"), len(it.paid)),
        }
        faults += [
            f"{it.name}: {what} differ: {a} and {b}" for what, (a, b) in sums.items() if a != b
        ]
    print()
    print(
        *(faults or ["All sums agree: statements, balances, calls, events and receipts."]), sep="\n"
    )
    return len(faults)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(1 if main(*sys.argv[1:]) else 0)
