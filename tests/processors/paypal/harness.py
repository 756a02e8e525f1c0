"""The contract's harness for the PayPal adapter and its stand-in."""

import json
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import requests

from tests.processors.contract import ACCOUNT, BACK
from tests.processors.paypal.stand_in import CLIENT_ID, SECRET, WEBHOOK_ID, StandIn
from webapp.clock import Clock
from webapp.domain.shared.money import MICROS, decimal_text
from webapp.processors.paypal import amounts
from webapp.processors.paypal.processor import PayPal

OURS = "https://billing.example.com"


class MovableClock(Clock):
    def __init__(self):
        self.time = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)

    def now(self):
        return self.time


class Notebook:
    """An in-memory version of the product's notebook."""

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
        self.stand_in = stand_in
        self.clock = clock
        self.notebook = Notebook()
        self.processor = self.adapter()

    def adapter(self, **other):
        """Return another adapter, as in a second process."""
        wanted = {
            "base": self.stand_in.address,
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

    def requires_authentication(self):
        return self.agreement("confirm@example.com")

    def confirm(self, address):
        self._submit(address, action="agree")

    def fail(self, address):
        self._submit(address, action="fail")

    def agree(self, address, email):
        self._submit(address, action="agree", email=email)

    def turn_down(self, address):
        where = self._submit(address, action="cancel")
        assert where == f"{OURS}{BACK}?turned_back=1"
        # The product's return page does this for a payer who cancelled.
        self.processor.cancel_saving(ACCOUNT, address.rpartition("=")[2])

    def cancel_agreement(self, reference):
        self.stand_in.cancel_agreement(reference)

    def lose_next_answer(self):
        self.stand_in.fail_next("lose_answer", "/capture")

    def lose_next_request(self):
        self.stand_in.fail_next("lose_request", "/capture")

    def refuse_next(self):
        self.stand_in.fail_next(429, "/capture")

    def refund(self, key, amount):
        capture = self._capture(key)
        (currency,) = {
            one["amount"]["currency_code"]
            for one in self.stand_in.captures()
            if one["id"] == capture
        }
        value = str(amount // MICROS) if currency == "JPY" else decimal_text(amount)
        self.stand_in.refund(capture, value)

    def dispute(self, key):
        return self.stand_in.dispute(self._capture(key))

    def end_dispute(self, reference, won):
        outcome = "RESOLVED_SELLER_FAVOUR" if won else "RESOLVED_BUYER_FAVOUR"
        self.stand_in.end_dispute(reference, outcome)

    def remove_at_processor(self, reference):
        self.stand_in.cancel_agreement(reference)

    def deliveries(self):
        return [(body, headers) for headers, body in self.stand_in.deliveries()]

    def unknown_delivery(self):
        self.stand_in.send_event("BILLING.PLAN.CREATED", {"id": "P-1"}, "plan")
        ((headers, body),) = self.stand_in.deliveries()
        return body, headers

    def _capture(self, key):
        (found,) = [one["id"] for one in self.stand_in.captures() if one["custom_id"] == key]
        return found

    def taken(self):
        return [
            (capture["custom_id"], *amounts.read(capture["amount"]))
            for capture in self.stand_in.captures()
            if capture["status"] not in ("DECLINED", "FAILED", "PENDING")
        ]

    def sent(self, where):
        """Return the posted bodies of paths with this ending."""
        asked = self.stand_in.requests
        return [json.loads(raw) for verb, path, raw in asked if path.endswith(where) and raw]

    def _submit(self, address, **form):
        """Act as a browser: load the page, submit the form, return the redirect's address."""
        assert requests.get(address, timeout=10).ok
        answer = requests.post(address, data=form, timeout=10, allow_redirects=False)
        return answer.headers["Location"]


@contextmanager
def serving():
    """A harness; fails at its end if a request or response violated the documents."""
    clock = MovableClock()
    with StandIn(clock.now) as stand_in:
        yield Harness(stand_in, clock)
    assert stand_in.complaints == []
