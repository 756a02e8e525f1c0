"""Webhook events of PayPal: verify them and fetch the current state of their subject.

PayPal verifies the signature of the unchanged message. Only ids are taken from a message; amounts,
states and the payment's key are fetched from PayPal. A payment counts as ours only if our own note
has its order: anyone who knows a merchant's public client id can create an order with any content.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from webapp.clock import Clock
from webapp.ports import (
    Cancelled,
    Declined,
    Event,
    Forged,
    Happening,
    Listed,
    MethodGone,
    NeedsOperator,
    Paid,
    RequestRejected,
    ReversalKind,
    ReversalState,
    Reversed,
    Settled,
    Unknown,
)
from webapp.processors.paypal import amounts
from webapp.processors.paypal.charges import ORDERS, TOKENS, Charges
from webapp.processors.paypal.client import Client, NoAnswer, no_answer
from webapp.processors.paypal.orders import NOT_TAKEN, TAKEN, Capture, instant

VERIFICATION = "/v1/notifications/verify-webhook-signature"
EVENTS = "/v1/notifications/webhooks-events"
CAPTURES = "/v2/payments/captures"
REFUNDS = "/v2/payments/refunds"
DISPUTES = "/v1/customer/disputes"

FOLLOWED = (
    "CHECKOUT.ORDER.APPROVED",
    "CUSTOMER.DISPUTE.CREATED",
    "CUSTOMER.DISPUTE.RESOLVED",
    "CUSTOMER.DISPUTE.UPDATED",
    "PAYMENT.CAPTURE.COMPLETED",
    "PAYMENT.CAPTURE.DECLINED",
    "PAYMENT.CAPTURE.DENIED",
    "PAYMENT.CAPTURE.PENDING",
    "PAYMENT.CAPTURE.REFUNDED",
    "PAYMENT.CAPTURE.REVERSED",
    "VAULT.PAYMENT-TOKEN.DELETED",
)
"""Event types to which the webhook must be subscribed."""

OLDEST = timedelta(days=4)
"""Maximum age of a message. PayPal retries for three days, and its documentation does not say that
retries are signed again. A replayed copy has no effect: its id is known, and the state is fetched.
"""

KEEPS = timedelta(days=29)
"""How long PayPal lists events: its dashboard shows 30 days, its API documentation says nothing."""

PAGE, PAGES = 20, 50
"""Events per page, and maximum pages per span of time."""

AHEAD = timedelta(minutes=5)

SIGNED_BY = {
    "auth_algo": "PAYPAL-AUTH-ALGO",
    "cert_url": "PAYPAL-CERT-URL",
    "transmission_id": "PAYPAL-TRANSMISSION-ID",
    "transmission_sig": "PAYPAL-TRANSMISSION-SIG",
    "transmission_time": "PAYPAL-TRANSMISSION-TIME",
}

OURS = "attempt-"
"""Prefix of our keys: the merchant's PayPal account may have other payments."""

ENDINGS = {
    "RESOLVED_BUYER_FAVOUR": ReversalState.LOST,
    "ACCEPTED": ReversalState.LOST,
    "RESOLVED_SELLER_FAVOUR": ReversalState.RETURNED,
    "RESOLVED_WITH_PAYOUT": ReversalState.RETURNED,
    "CANCELED_BY_BUYER": ReversalState.RETURNED,
    "DENIED": ReversalState.RETURNED,
}
"""States by the outcome of a dispute. Any other outcome goes to the operator (L9)."""

INQUIRY = "INQUIRY"
"""The first stage of a dispute: buyer and seller negotiate, and PayPal does not decide yet."""

FEES = ("CHARGEBACK_FEE", "DISPUTE_FEE", "DISPUTE_SETTLEMENT_FEE")
"""Reasons of money movements that do not belong to the disputed amount."""

SWITCH_ON = (
    "PayPal does not let this app read disputes: switch Disputes on among the app's features at "
    "developer.paypal.com."
)


class Trouble(Exception):
    """PayPal could not be queried; it will deliver the event again."""

    def __init__(self, answer: Unknown | RequestRejected) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Forbidden(Trouble):
    """The app lacks the permission; a repeat fails until it is granted."""


class Events:
    """Methods raise `NoAnswer` and `CannotKeep`, which `processor` converts into answers."""

    def __init__(self, client: Client, charges: Charges, clock: Clock, webhook_id: str) -> None:
        self._client = client
        self._charges = charges
        self._clock = clock
        self._webhook_id = webhook_id

    def open(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        if not self._webhook_id:
            return Forged("PAYPAL_WEBHOOK_ID is not set, so no message can be verified")
        given = {name.upper(): value for name, value in headers.items()}
        signature = {name: given.get(header, "") for name, header in SIGNED_BY.items()}
        if not all(signature.values()):
            return Forged("the message is not signed")
        try:
            message = json.loads(body)
            sent_at = instant(signature["transmission_time"])
            id_, about = str(message["id"]), _about(message)
        except (
            AttributeError,
            KeyError,
            OverflowError,  # a year out of range
            RecursionError,  # deeply nested lists
            TypeError,
            ValueError,
        ):
            return Forged("the message is not in PayPal's format")
        now = self._clock.now()
        if not now - OLDEST <= sent_at <= now + AHEAD:
            return Forged(f"the message was sent at {sent_at.isoformat()}")
        reply = self._client.post_text(VERIFICATION, self._to_verify(signature, body))
        if not reply.is_ok:
            return no_answer(reply)
        if reply.body.get("verification_status") != "SUCCESS":
            return Forged("the signature is not PayPal's")
        return Event(id_, about)

    def list_events(self, since: datetime, until: datetime) -> Listed | Unknown | RequestRejected:
        span = {"start_time": _written(since), "end_time": _written(until)}
        try:
            return self._listed(urlencode({"page_size": PAGE, **span}))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"PayPal listed events in an unknown format: {error!r}") from error

    def _listed(self, query: str) -> Listed | Unknown | RequestRejected:
        """List all pages. PayPal guarantees no order, and the link to the next page is opaque."""
        found: list[dict[str, Any]] = []
        for _ in range(PAGES):
            reply = self._client.get(f"{EVENTS}?{query}")
            if not reply.is_ok:
                return no_answer(reply)
            page = reply.body.get("events") or []
            found += page
            query = urlsplit(reply.link("next")).query
            if not page or not query:
                followed = [message for message in found if message["event_type"] in FOLLOWED]
                followed.sort(key=lambda message: instant(message["create_time"]))
                return Listed([Event(str(one["id"]), _about(one)) for one in followed])
        return Listed((), is_whole=False)

    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        what, _, id_ = event.about.partition(" ")
        look = {
            "capture": self._capture,
            "order": self._order,
            "refund": self._refund,
            "reversal": self._reversal,
            "dispute": self._dispute,
            "token": self._token,
        }.get(what)
        try:
            return () if look is None else look(id_)
        except Trouble as trouble:
            return trouble.answer
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NoAnswer(
                f"PayPal returned {event.about} in an unknown format: {error!r}"
            ) from error

    def _to_verify(self, signature: dict[str, str], body: bytes) -> bytes:
        """The verification request; the message must be unchanged, byte for byte."""
        head = json.dumps({**signature, "webhook_id": self._webhook_id}).encode()
        return head[:-1] + b', "webhook_event": ' + body + b"}"

    # Current state by subject. A payment is reported before its refunds and disputes.

    def _capture(self, id_: str) -> Sequence[Happening]:
        found = self._find(f"{CAPTURES}/{quote(id_, safe='')}")
        return () if found is None else self._paid(found)[1]

    def _order(self, id_: str) -> Sequence[Happening]:
        """Capture an approved order now, because the payer may not have returned to us."""
        found = self._find(f"{ORDERS}/{quote(id_, safe='')}")
        key = str(found["purchase_units"][0].get("custom_id", "")) if found else ""
        return self._settled(key) if self._charges.order_of(key) == id_ else ()

    def _refund(self, id_: str) -> Sequence[Happening]:
        found = self._find(f"{REFUNDS}/{quote(id_, safe='')}")
        return () if found is None else self._given_back(found, ReversalKind.REFUND)

    def _given_back(self, found: Mapping[str, Any], kind: ReversalKind) -> Sequence[Happening]:
        key, paid = self._paid_by_link(found)
        if not key:
            return ()
        amount, currency = amounts.read(found["amount"])
        undone = found["status"] in ("CANCELLED", "FAILED")
        state = ReversalState.RETURNED if undone else ReversalState.TAKEN
        at = instant(found["create_time"])
        return (*paid, Reversed(str(found["id"]), key, kind, state, amount, currency, at))

    def _reversal(self, id_: str) -> Sequence[Happening]:
        """Report a reversal, or the claim that caused it, because both are the same money.

        If the app may not read disputes, the reversal is booked and the operator is notified.
        """
        found = self._find(f"{REFUNDS}/{quote(id_, safe='')}")
        if found is None:
            return ()
        try:
            claims = self._claims_about(_up(found))
        except Forbidden:
            self._client.renew_access()
            booked = self._given_back(found, ReversalKind.REVERSAL)
            return (*booked, *(_unexplained(one) for one in booked if isinstance(one, Reversed)))
        disputed = [happening for claim in claims for happening in self._disputed(claim)]
        if any(isinstance(happening, Reversed) for happening in disputed):
            return disputed
        return self._given_back(found, ReversalKind.REVERSAL)

    def _claims_about(self, capture: str) -> list[dict[str, Any]]:
        """The disputes about a payment that have taken money."""
        if not capture:
            return []
        query = urlencode({"disputed_transaction_id": capture})
        listed = self._find(f"{DISPUTES}?{query}") or {}
        ids = [str(item["dispute_id"]) for item in listed.get("items") or ()]
        disputes = [self._find(f"{DISPUTES}/{quote(id_, safe='')}") for id_ in ids]
        return [dispute for dispute in disputes if dispute and _takes_money(dispute)]

    def _dispute(self, id_: str) -> Sequence[Happening]:
        try:
            found = self._find(f"{DISPUTES}/{quote(id_, safe='')}")
        except Forbidden:
            self._client.renew_access()
            what = f"A dispute was opened, changed or decided. {SWITCH_ON} Nothing was booked."
            return (NeedsOperator(id_, 0, "", self._clock.now(), what),)
        return () if found is None else self._disputed(found)

    def _disputed(self, found: Mapping[str, Any]) -> Sequence[Happening]:
        id_, is_over = str(found["dispute_id"]), found["status"] == "RESOLVED"
        outcome = found.get("dispute_outcome") or {}
        ending = str(outcome.get("outcome_code") or "")
        state = ENDINGS.get(ending) if is_over else ReversalState.TAKEN
        refunded = outcome.get("amount_refunded") if state is ReversalState.LOST else None
        amount, currency = amounts.read(refunded or found["dispute_amount"])
        at = instant(found["create_time"])
        happenings: list[Happening] = []
        for disputed in found["disputed_transactions"]:
            capture = self._find(f"{CAPTURES}/{quote(disputed['seller_transaction_id'], safe='')}")
            key, paid = self._paid(capture) if capture else ("", ())
            if not key:
                continue
            happenings.extend(paid)
            if state is ReversalState.RETURNED or (state and _takes_money(found)):
                dispute = ReversalKind.DISPUTE
                happenings.append(Reversed(id_, key, dispute, state, amount, currency, at))
            elif is_over:
                what = _unclear(found, ending)
                happenings.append(NeedsOperator(f"{id_} (ending)", amount, currency, at, what))
        return happenings

    def _token(self, id_: str) -> Sequence[Happening]:
        reply = self._client.get(f"{TOKENS}/{quote(id_, safe='')}")
        if reply.status == 404:
            return (MethodGone(id_, reply.at),)
        if not reply.is_ok:
            raise Trouble(no_answer(reply))
        return ()

    def _paid_by_link(self, refund: Mapping[str, Any]) -> tuple[str, Sequence[Happening]]:
        capture = self._find(f"{CAPTURES}/{quote(_up(refund), safe='')}")
        return self._paid(capture) if capture else ("", ())

    def _paid(self, body: Mapping[str, Any]) -> tuple[str, Sequence[Happening]]:
        """Our key of a payment and its outcome; an empty key if the payment is not ours."""
        key, capture = str(body.get("custom_id", "")), Capture.read(body)
        if capture.status not in (*TAKEN, *NOT_TAKEN):
            return "", ()  # PayPal holds the payment and has not decided yet
        settled = self._settled(key)
        if any(_is_capture(one, capture.id) for one in settled):
            return key, settled
        if capture.status in TAKEN and key.startswith(OURS):
            what = f"PayPal has a payment under {key} that was not made by Ballast."
            at = capture.created_at
            return "", (NeedsOperator(capture.id, capture.amount, capture.currency, at, what),)
        return "", ()

    def _settled(self, key: str) -> Sequence[Happening]:
        answer = self._charges.ask(key)
        if isinstance(answer, Unknown | RequestRejected):
            raise Trouble(answer)
        return (Settled(key, answer),) if isinstance(answer, Paid | Declined | Cancelled) else ()

    def _find(self, path: str) -> dict[str, Any] | None:
        reply = self._client.get(path)
        if reply.status == 404:
            return None
        if reply.status == 403:
            raise Forbidden(no_answer(reply))
        if not reply.is_ok:
            raise Trouble(no_answer(reply))
        return reply.body


def _is_capture(happening: Happening, id_: str) -> bool:
    if not isinstance(happening, Settled):
        return False
    return isinstance(happening.answer, Paid | Declined) and happening.answer.reference == id_


def _takes_money(dispute: Mapping[str, Any]) -> bool:
    """Whether the dispute has taken money: always for a claim, by movements for an inquiry."""
    if dispute.get("dispute_life_cycle_stage") != INQUIRY:
        return True
    return _moved(dispute, "DEBIT") > _moved(dispute, "CREDIT")


def _moved(dispute: Mapping[str, Any], way: str) -> int:
    """Micros that PayPal has moved from or to the seller for the dispute, without fees."""
    return sum(
        amounts.read(movement["amount"])[0]
        for movement in dispute.get("money_movements") or ()
        if (movement.get("affected_party"), movement.get("type")) == ("SELLER", way)
        and movement.get("reason") not in FEES
    )


def _unclear(dispute: Mapping[str, Any], ending: str) -> str:
    """A line for the operator about an outcome that does not say where the money is."""
    kind = "dispute" if _takes_money(dispute) else "inquiry"
    return (
        f"PayPal closed this {kind} with {ending or 'no outcome'}, which does not say where the "
        "money is. Nothing was booked. Compare the payment at PayPal with the balance."
    )


def _unexplained(reversal: Reversed) -> NeedsOperator:
    """A notice about a reversal that was booked although its cause could not be read."""
    return NeedsOperator(
        f"{reversal.reference} (cause)",
        reversal.amount,
        reversal.currency,
        reversal.at,
        f"PayPal reversed this payment, and it was debited. {SWITCH_ON} If a dispute caused the "
        "reversal, the dispute's outcome is not processed.",
    )


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _about(message: Mapping[str, Any]) -> str:
    """Type and id of the message's subject. Raises on malformed messages."""
    kind, resource = str(message["event_type"]), message["resource"]
    if kind.startswith("CUSTOMER.DISPUTE."):
        return f"dispute {resource['dispute_id']}"[:200]
    if kind.startswith("VAULT.PAYMENT-TOKEN.DELET"):
        return f"token {resource['id']}"[:200]
    if kind.startswith("CHECKOUT.ORDER."):
        return f"order {resource['id']}"[:200]
    if not kind.startswith(("PAYMENT.CAPTURE.", "PAYMENT.REFUND.")):
        return ""
    # The resource of a refunded capture's event is the refund or the capture.
    if _up(resource):
        return f"{'reversal' if kind.endswith('.REVERSED') else 'refund'} {resource['id']}"[:200]
    return f"capture {resource['id']}"[:200]


def _up(refund: Mapping[str, Any]) -> str:
    """The id of the refunded capture; empty if the resource is not a refund."""
    links = {link.get("rel"): str(link.get("href", "")) for link in refund.get("links") or ()}
    up = links.get("up", "")
    return up.rpartition("/")[2] if "/payments/captures/" in up else ""
