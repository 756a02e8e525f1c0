"""The smallest processor that passes the contract: agreements only, in memory.

Adapter and service are one object here; a real adapter calls its service where this one reads a
dictionary.
"""

import hmac
import json
from dataclasses import replace
from datetime import datetime, timedelta
from threading import RLock
from uuid import uuid4

from webapp.currencies import minor_unit
from webapp.domain.payment_methods.declines import class_of
from webapp.ports import (
    Cancelled,
    Declined,
    Event,
    Forged,
    Front,
    MethodGone,
    NeedsCustomer,
    NotKnown,
    Paid,
    RequestRejected,
    Settled,
    Verified,
    WrongAccount,
)

STALE = timedelta(minutes=5)
NOT_BEGUN = RequestRejected("Nothing is being saved under this reference")


class Smallest:
    name = "smallest"
    front = Front()

    def __init__(self, now):
        self.now, self.lock, self.secret = now, RLock(), b"between us"
        self.asked, self.owners, self.agreements, self.charges = {}, {}, {}, {}
        self.verified, self.taken_back = {}, {}

    def open_form(self, holder):
        return RequestRejected("It takes no cards")

    def save_card(self, account_id, token, return_to):
        return RequestRejected("It takes no cards")

    def link(self, account_id, return_to):
        reference = uuid4().hex
        self.owners[reference] = account_id
        self.asked[reference] = NeedsCustomer(reference, self.now(), f"/agree/{reference}")
        return self.asked[reference]

    def saving(self, account_id, reference):
        if self.owners.get(reference, account_id) != account_id:
            return WrongAccount("It was begun for another account")
        return self.asked.get(reference, NOT_BEGUN)

    def cancel_saving(self, account_id, reference):
        with self.lock:
            if isinstance(self.saving(account_id, reference), NeedsCustomer):
                self.asked[reference] = Cancelled(self.now())
            return self.saving(account_id, reference)

    def charge(self, request):
        with self.lock:
            wanted = replace(request, return_to="")  # another return address is the same request
            if request.key not in self.charges:
                self.charges[request.key] = (wanted, self._decide(request))
            before, answer = self.charges[request.key]
            return answer if before == wanted else RequestRejected("The key was used for another")

    def ask(self, key):
        return self.charges.get(key, (None, NotKnown()))[1]

    def cancel(self, key):
        return self.conclude(key, Cancelled(self.now()))

    def verify(self, key, reference):
        stands = reference in self.agreements
        answer = Verified(self.now()) if stands else MethodGone(reference, self.now())
        return self.verified.setdefault(key, answer)

    def revoke(self, reference):
        self.agreements.pop(reference, None)
        return True

    def open_event(self, body, headers):
        given = {name.lower(): value for name, value in headers.items()}
        at, signature = given.get("sent-at", ""), given.get("signature", "")
        if not hmac.compare_digest(signature, self.signature(at, body)):
            return Forged("not signed by us")
        if abs(self.now() - datetime.fromisoformat(at)) > STALE:
            return Forged("signed too long ago")
        return Event(**json.loads(body))

    def happenings(self, event):
        what, _, subject = event.about.partition(" ")
        if what == "agreement" and subject not in self.agreements:
            return [MethodGone(subject, self.now())]
        if what != "charge":
            return []
        back = [one for one in self.taken_back.values() if one.key == subject]
        return [Settled(subject, self.ask(subject)), *back]

    # The service

    def signature(self, at, body):
        return hmac.new(self.secret, at.encode() + body, "sha256").hexdigest()

    def conclude(self, key, outcome):
        """End the charge's challenge with this outcome, unless it has ended before."""
        with self.lock:
            if isinstance(self.ask(key), NeedsCustomer):
                self.charges[key] = (self.charges[key][0], outcome)
            return self.ask(key)

    def paid(self, request):
        if request.method_reference not in self.agreements:
            return MethodGone(request.method_reference, self.now())
        return Paid(uuid4().hex, request.amount, request.currency, self.now())

    def _decide(self, request):
        if request.amount <= 0 or request.amount % minor_unit(request.currency):
            return RequestRejected("The amount must be whole minor units above zero")
        payer = getattr(self.agreements.get(request.method_reference), "payer_email", "")
        if payer.startswith("declined"):
            return Declined("generic_decline", class_of("generic_decline"), self.now())
        if not payer.startswith("confirm"):
            return self.paid(request)
        address = f"/confirm/{request.key}" if request.customer_present else ""
        return NeedsCustomer(uuid4().hex, self.now(), address)
