"""What PayPal tells by its webhooks: whether it is PayPal, and what has become of it by now.

PayPal itself checks the signature, on the message as it came. Of a message only numbers are used;
amounts, states and whose payment it is are asked for anew. A payment is believed to be ours only
when our own note of its order says so: anyone who knows a merchant's public client id can begin an
order there, and write into it what they like.
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
    Reversed,
    Settled,
    TakenBack,
    TakenBackState,
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
"""What a webhook is to be told of."""

OLDEST = timedelta(days=4)
"""PayPal delivers for three days what was not taken, and its documents do not promise that a later
delivery is signed anew. A copy does no harm meanwhile: what it is about is asked for, and its
number is known."""

KEEPS = timedelta(days=29)
"""PayPal's dashboard shows an event for 30 days; the documents say nothing about the list."""

PAGE, PAGES = 20, 50
"""Events in one answer, and answers for one span of time."""

AHEAD = timedelta(minutes=5)

SIGNED_BY = {
    "auth_algo": "PAYPAL-AUTH-ALGO",
    "cert_url": "PAYPAL-CERT-URL",
    "transmission_id": "PAYPAL-TRANSMISSION-ID",
    "transmission_sig": "PAYPAL-TRANSMISSION-SIG",
    "transmission_time": "PAYPAL-TRANSMISSION-TIME",
}

OURS = "attempt-"
"""How our keys begin: the merchant's PayPal account may serve a shop as well."""

ENDINGS = {
    "RESOLVED_BUYER_FAVOUR": TakenBackState.LOST,
    "ACCEPTED": TakenBackState.LOST,
    "RESOLVED_SELLER_FAVOUR": TakenBackState.RETURNED,
    "RESOLVED_WITH_PAYOUT": TakenBackState.RETURNED,
    "CANCELED_BY_BUYER": TakenBackState.RETURNED,
    "DENIED": TakenBackState.RETURNED,
}
"""Of a dispute. Any other does not say where the money is: the operator looks (L9)."""

INQUIRY = "INQUIRY"
"""The first stage of a dispute's life: the two parties talk, and PayPal does not judge yet."""

FEES = ("CHARGEBACK_FEE", "DISPUTE_FEE", "DISPUTE_SETTLEMENT_FEE")
"""Reasons of money movements that are not about the disputed payment itself."""

SWITCH_ON = (
    "PayPal does not let this app read disputes: switch Disputes on among the app's features at "
    "developer.paypal.com."
)


class Trouble(Exception):
    """PayPal could not say; it delivers again."""

    def __init__(self, answer: Unknown | RequestRejected) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class Forbidden(Trouble):
    """The app may not ask for that. Asking again does not help before it may."""


class Events:
    """Raises `NoAnswer` and `CannotKeep`, which `processor` turns into answers."""

    def __init__(self, client: Client, charges: Charges, clock: Clock, webhook_id: str) -> None:
        self._client = client
        self._charges = charges
        self._clock = clock
        self._webhook_id = webhook_id

    def open(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        if not self._webhook_id:
            return Forged("PAYPAL_WEBHOOK_ID is not set, so no message can be checked")
        given = {name.upper(): value for name, value in headers.items()}
        signature = {name: given.get(header, "") for name, header in SIGNED_BY.items()}
        if not all(signature.values()):
            return Forged("it is not signed")
        try:
            message = json.loads(body)
            sent_at = instant(signature["transmission_time"])
            id_, about = str(message["id"]), _about(message)
        except (
            AttributeError,
            KeyError,
            OverflowError,  # a year that no time zone can hold
            RecursionError,  # lists within lists, without an end
            TypeError,
            ValueError,
        ):
            return Forged("it is no message of PayPal's")
        now = self._clock.now()
        if not now - OLDEST <= sent_at <= now + AHEAD:
            return Forged(f"it was sent at {sent_at.isoformat()}")
        reply = self._client.post_text(VERIFICATION, self._to_verify(signature, body))
        if not reply.is_ok:
            return no_answer(reply)
        if reply.body.get("verification_status") != "SUCCESS":
            return Forged("PayPal has not signed it")
        return Event(id_, about)

    def list_events(self, since: datetime, until: datetime) -> Listed | Unknown | RequestRejected:
        span = {"start_time": _written(since), "end_time": _written(until)}
        try:
            return self._listed(urlencode({"page_size": PAGE, **span}))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"PayPal listed events as we do not know them: {error!r}") from error

    def _listed(self, query: str) -> Listed | Unknown | RequestRejected:
        """PayPal names no order, and what the link to the next answer holds is its own."""
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
                f"PayPal showed {event.about} as we do not know it: {error!r}"
            ) from error

    def _to_verify(self, signature: dict[str, str], body: bytes) -> bytes:
        """With the message as it came: written anew it would be another one."""
        head = json.dumps({**signature, "webhook_id": self._webhook_id}).encode()
        return head[:-1] + b', "webhook_event": ' + body + b"}"

    # What each is about, as it stands now. A payment comes before what was taken back of it.

    def _capture(self, id_: str) -> Sequence[Happening]:
        found = self._find(f"{CAPTURES}/{quote(id_, safe='')}")
        return () if found is None else self._paid(found)[1]

    def _order(self, id_: str) -> Sequence[Happening]:
        """A payer has agreed, and perhaps not come back to us: then it is taken now."""
        found = self._find(f"{ORDERS}/{quote(id_, safe='')}")
        key = str(found["purchase_units"][0].get("custom_id", "")) if found else ""
        return self._settled(key) if self._charges.order_of(key) == id_ else ()

    def _refund(self, id_: str) -> Sequence[Happening]:
        found = self._find(f"{REFUNDS}/{quote(id_, safe='')}")
        return () if found is None else self._given_back(found, TakenBack.REFUND)

    def _given_back(self, found: Mapping[str, Any], kind: TakenBack) -> Sequence[Happening]:
        key, paid = self._paid_by_link(found)
        if not key:
            return ()
        amount, currency = amounts.read(found["amount"])
        undone = found["status"] in ("CANCELLED", "FAILED")
        state = TakenBackState.RETURNED if undone else TakenBackState.TAKEN
        at = instant(found["create_time"])
        return (*paid, Reversed(str(found["id"]), key, kind, state, amount, currency, at))

    def _reversal(self, id_: str) -> Sequence[Happening]:
        """Where a claim has caused it, the claim is what has taken the money: once.

        Where disputes cannot be read it is booked by itself, and the operator is told.
        """
        found = self._find(f"{REFUNDS}/{quote(id_, safe='')}")
        if found is None:
            return ()
        try:
            claims = self._claims_about(_up(found))
        except Forbidden:
            self._client.renew_access()
            alone = self._given_back(found, TakenBack.REVERSAL)
            return (*alone, *(_unexplained(it) for it in alone if isinstance(it, Reversed)))
        told = [happening for claim in claims for happening in self._disputed(claim)]
        if any(isinstance(happening, Reversed) for happening in told):
            return told
        return self._given_back(found, TakenBack.REVERSAL)

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
        state = ENDINGS.get(ending) if is_over else TakenBackState.TAKEN
        refunded = outcome.get("amount_refunded") if state is TakenBackState.LOST else None
        amount, currency = amounts.read(refunded or found["dispute_amount"])
        at = instant(found["create_time"])
        told: list[Happening] = []
        for disputed in found["disputed_transactions"]:
            capture = self._find(f"{CAPTURES}/{quote(disputed['seller_transaction_id'], safe='')}")
            key, paid = self._paid(capture) if capture else ("", ())
            if not key:
                continue
            told.extend(paid)
            if state is TakenBackState.RETURNED or (state and _takes_money(found)):
                dispute = TakenBack.DISPUTE
                told.append(Reversed(id_, key, dispute, state, amount, currency, at))
            elif is_over:
                what = _unclear(found, ending)
                told.append(NeedsOperator(f"{id_} (ending)", amount, currency, at, what))
        return told

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
        """Our key of a payment, and how that stands; an empty key where it is none of ours."""
        key, capture = str(body.get("custom_id", "")), Capture.read(body)
        if capture.status not in (*TAKEN, *NOT_TAKEN):
            return "", ()  # PayPal holds it, and has not decided
        told = self._settled(key)
        if any(_is_capture(one, capture.id) for one in told):
            return key, told
        if capture.status in TAKEN and key.startswith(OURS):
            what = f"PayPal has a payment under {key} that Ballast has not made."
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
    """A claim does, and an inquiry only where PayPal shows that it has."""
    if dispute.get("dispute_life_cycle_stage") != INQUIRY:
        return True
    return _moved(dispute, "DEBIT") > _moved(dispute, "CREDIT")


def _moved(dispute: Mapping[str, Any], way: str) -> int:
    """Micros that PayPal has moved from or to the seller for it, without its fees."""
    return sum(
        amounts.read(movement["amount"])[0]
        for movement in dispute.get("money_movements") or ()
        if (movement.get("affected_party"), movement.get("type")) == ("SELLER", way)
        and movement.get("reason") not in FEES
    )


def _unclear(dispute: Mapping[str, Any], ending: str) -> str:
    """One line about an ending after which it is not known where the money is."""
    kind = "dispute" if _takes_money(dispute) else "inquiry"
    return (
        f"PayPal closed this {kind} with {ending or 'no outcome'}, which does not say where the "
        "money is. Nothing was booked for its end. Compare the payment at PayPal with the balance."
    )


def _unexplained(reversal: Reversed) -> NeedsOperator:
    """Of a reversal that was booked although its cause could not be looked up."""
    return NeedsOperator(
        f"{reversal.reference} (cause)",
        reversal.amount,
        reversal.currency,
        reversal.at,
        f"PayPal took this back, and it was debited as a reversal. {SWITCH_ON} If a dispute caused "
        "it, its end is not followed.",
    )


def _written(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _about(message: Mapping[str, Any]) -> str:
    """What `happenings` is to ask for. Raises what a message that is none brings about."""
    kind, resource = str(message["event_type"]), message["resource"]
    if kind.startswith("CUSTOMER.DISPUTE."):
        return f"dispute {resource['dispute_id']}"[:200]
    if kind.startswith("VAULT.PAYMENT-TOKEN.DELET"):
        return f"token {resource['id']}"[:200]
    if kind.startswith("CHECKOUT.ORDER."):
        return f"order {resource['id']}"[:200]
    if not kind.startswith(("PAYMENT.CAPTURE.", "PAYMENT.REFUND.")):
        return ""
    # A capture that was refunded comes as the refund, or as itself.
    if _up(resource):
        return f"{'reversal' if kind.endswith('.REVERSED') else 'refund'} {resource['id']}"[:200]
    return f"capture {resource['id']}"[:200]


def _up(refund: Mapping[str, Any]) -> str:
    """The number of the capture that a refund gives back; empty for what is no refund."""
    links = {link.get("rel"): str(link.get("href", "")) for link in refund.get("links") or ()}
    up = links.get("up", "")
    return up.rpartition("/")[2] if "/payments/captures/" in up else ""
