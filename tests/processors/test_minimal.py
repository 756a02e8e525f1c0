"""A third processor: following `docs/adding-a-processor.md` suffices, and takes little code."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from tests.processors import minimal
from tests.processors.contract import ACCOUNT, BACK, AgreementContract
from tests.processors.minimal import STALE, Smallest
from webapp.ports import (
    Declined,
    NeedsCustomer,
    Paid,
    RequestRejected,
    ReversalKind,
    ReversalState,
    Reversed,
    SavedAgreement,
    Unknown,
)


class Unreliable(Smallest):
    """Loses requests and responses between the adapter and its service, as the harness sets."""

    mishap = None

    def charge(self, request):
        mishap, self.mishap = self.mishap, None
        if mishap == "request":
            return Unknown("The request was lost")
        if mishap == "refused":
            return RequestRejected("Too many requests")
        answer = super().charge(request)
        return Unknown("The answer was lost") if mishap == "answer" else answer


class Harness:
    stale = 2 * STALE

    def __init__(self):
        self.time = datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC)
        self.processor = Unreliable(lambda: self.time)
        self.told = []

    def now(self):
        return self.time

    def move_clock(self, by):
        self.time += by

    def paying(self):
        return self._agreement("ana@example.com")

    def declining(self):
        return self._agreement("declined@example.com")

    def requires_authentication(self):
        return self._agreement("confirm@example.com")

    def confirm(self, address):
        key = address.rpartition("/")[2]
        self.processor.conclude(key, self.processor.paid(self.processor.charges[key][0]))

    def fail(self, address):
        code, key = "authentication_required", address.rpartition("/")[2]
        failed = Declined(code, minimal.class_of(code), self.time)
        self.processor.conclude(key, failed)

    def agree(self, address, email):
        reference = address.rpartition("/")[2]
        if isinstance(self.processor.saving(ACCOUNT, reference), NeedsCustomer):
            saved = SavedAgreement(uuid4().hex, email.lower(), email)
            self.processor.agreements[saved.reference] = saved
            self.processor.asked[reference] = saved

    def turn_down(self, address):
        self.processor.cancel_saving(ACCOUNT, address.rpartition("/")[2])

    def cancel_agreement(self, reference):
        self.processor.revoke(reference)

    def remove_at_processor(self, reference):
        self.processor.revoke(reference)
        self._tell(f"agreement {reference}")

    def lose_next_answer(self):
        self.processor.mishap = "answer"

    def lose_next_request(self):
        self.processor.mishap = "request"

    def refuse_next(self):
        self.processor.mishap = "refused"

    def refund(self, key, amount):
        self._take_back(key, ReversalKind.REFUND, amount)

    def dispute(self, key):
        return self._take_back(key, ReversalKind.DISPUTE, self.processor.ask(key).amount)

    def end_dispute(self, reference, won):
        state = ReversalState.RETURNED if won else ReversalState.LOST
        back = self.processor.taken_back
        back[reference] = replace(back[reference], state=state)
        self._tell(f"charge {back[reference].key}")

    def deliveries(self):
        told, self.told = self.told, []
        return told

    def unknown_delivery(self):
        self._tell("weather")
        return self.told.pop()

    def taken(self):
        charges = self.processor.charges.values()
        return [
            (request.key, answer.amount, answer.currency)
            for request, answer in charges
            if isinstance(answer, Paid)
        ]

    def _agreement(self, email):
        asked = self.processor.link(ACCOUNT, BACK)
        self.agree(asked.address, email)
        return self.processor.saving(ACCOUNT, asked.reference).reference

    def _take_back(self, key, kind, amount):
        reference, state = uuid4().hex, ReversalState.TAKEN
        currency = self.processor.charges[key][0].currency
        told = Reversed(reference, key, kind, state, amount, currency, self.time)
        self.processor.taken_back[reference] = told
        self._tell(f"charge {key}")
        return reference

    def _tell(self, about):
        body, at = json.dumps({"id": uuid4().hex, "about": about}).encode(), self.time.isoformat()
        headers = {"Sent-At": at, "Signature": self.processor.signature(at, body)}
        self.told.append((body, headers))


class TestSmallest(AgreementContract):
    @pytest.fixture
    def harness(self):
        return Harness()


def test_the_example_is_small():
    code = [
        line
        for line in Path(minimal.__file__).read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]

    assert len(code) <= 111
