"""The contract's hands on PayPal's adapter and on the stand-in that it speaks to."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import requests

from tests.processors.contract import ACCOUNT, BACK
from tests.processors.paypal.stand_in import CLIENT_ID, SECRET, WEBHOOK_ID, StandIn
from webapp.clock import Clock
from webapp.domain.shared.money import decimal_text
from webapp.processors.paypal import amounts
from webapp.processors.paypal.processor import PayPal

OURS = "https://billing.example.com"


class MovableClock(Clock):
    def __init__(self):
        self.time = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)

    def now(self):
        return self.time


class Notebook:
    """As the product's, in memory."""

    def __init__(self):
        self.pages = {}
        self.lock = threading.Lock()

    def kept(self, key):
        return self.pages.get(key)

    def keep(self, key, text):
        with self.lock:
            return self.pages.setdefault(key, text)


class Harness:
    stale = timedelta(days=5)

    def __init__(self, stand_in, clock):
        self.there = stand_in
        self.clock = clock
        self.notebook = Notebook()
        self.processor = self.adapter()

    def adapter(self, **other):
        """One more of it, as another process would have."""
        wanted = {
            "base": self.there.address,
            "client_id": CLIENT_ID,
            "secret": SECRET,
            "base_url": OURS,
            "webhook_id": WEBHOOK_ID,
        }
        return PayPal(self.notebook, self.clock, **{**wanted, **other})

    def now(self):
        return self.clock.now()

    def move_clock(self, by):
        self.clock.time += by

    def agreement(self, email):
        asked = self.processor.link(ACCOUNT, BACK)
        self.agree(asked.address, email)
        return self.processor.saving(ACCOUNT, asked.reference).reference

    def paying(self):
        return self.agreement("ana@example.com")

    def declining(self):
        return self.agreement("declined@example.com")

    def wants_customer(self):
        return self.agreement("confirm@example.com")

    def confirm(self, address):
        self._go(address, action="agree")

    def fail(self, address):
        self._go(address, action="fail")

    def agree(self, address, email):
        self._go(address, action="agree", email=email)

    def turn_down(self, address):
        where = self._go(address, action="cancel")
        assert where == f"{OURS}{BACK}?turned_back=1"
        # What our own page does when a payer comes back by that address.
        self.processor.cancel_saving(ACCOUNT, address.rpartition("=")[2])

    def take_back(self, reference):
        self.there.take_back(reference)

    def lose_next_answer(self):
        self.there.trouble("lose_answer", "/capture")

    def lose_next_request(self):
        self.there.trouble("lose_request", "/capture")

    def refuse_next(self):
        self.there.trouble(429, "/capture")

    def refund(self, key, amount):
        self.there.refund(self._capture(key), decimal_text(amount))

    def dispute(self, key):
        return self.there.dispute(self._capture(key))

    def end_dispute(self, reference, won):
        outcome = "RESOLVED_SELLER_FAVOUR" if won else "RESOLVED_BUYER_FAVOUR"
        self.there.end_dispute(reference, outcome)

    def remove_there(self, reference):
        self.there.take_back(reference)

    def deliveries(self):
        return [(body, headers) for headers, body in self.there.deliveries()]

    def delivery_of_no_concern(self):
        self.there.tell("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
        ((headers, body),) = self.there.deliveries()
        return body, headers

    def _capture(self, key):
        (found,) = [one["id"] for one in self.there.captures() if one["custom_id"] == key]
        return found

    def taken(self):
        return [
            (capture["custom_id"], *amounts.read(capture["amount"]))
            for capture in self.there.captures()
            if capture["status"] not in ("DECLINED", "FAILED", "PENDING")
        ]

    def sent(self, where):
        """The bodies that were posted to paths that end so."""
        asked = self.there.requests
        return [json.loads(raw) for verb, path, raw in asked if path.endswith(where) and raw]

    def _go(self, address, **form):
        """As a browser does: read the page, press a button, be led back."""
        assert requests.get(address, timeout=10).ok
        answer = requests.post(address, data=form, timeout=10, allow_redirects=False)
        return answer.headers["Location"]


@contextmanager
def serving():
    """A harness; at its end nothing may have been amiss with what was asked or answered."""
    clock = MovableClock()
    with StandIn(clock.now) as stand_in:
        yield Harness(stand_in, clock)
    assert stand_in.complaints == []
