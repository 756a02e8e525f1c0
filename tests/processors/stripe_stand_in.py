"""A strict stand-in for Stripe: an HTTP server for the official client.

It accepts only parameters of the library's typed parameters, requires the pinned version and a
secret key, implements idempotency keys and signs its events. Each entry of `failures` makes one
charge request fail: a lost request or answer, 429, 500, a late answer or any `Refused`.
"""

import json
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from stripe import WebhookSignature, params

SECRET_KEY, PUBLISHABLE_KEY = "sk_test_stand_in", "pk_test_stand_in"
WEBHOOK_SECRET = "whsec_stand_in"
VERSION = "2026-10-28.endive"

PAYS = "4242424242424242"
DECLINES = "4000000000000341"
ASKS_ALWAYS = "4000002760003184"
ASKS_ONCE = "4000002500003155"

DETACHED = (
    "The provided PaymentMethod was previously used with a PaymentIntent without Customer "
    "attachment, shared with a connected account without Customer attachment, or was detached from "
    "a Customer. It may not be used again. To use a PaymentMethod multiple times, you must attach "
    "it to a Customer first."
)

TAKES = {
    "POST customers": params.CustomerCreateParams,
    "POST setup_intents": params.SetupIntentCreateParams,
    "GET setup_intents/ID": params.SetupIntentRetrieveParams,
    "POST setup_intents/ID/cancel": params.SetupIntentCancelParams,
    "POST payment_intents": params.PaymentIntentCreateParams,
    "GET payment_intents": params.PaymentIntentListParams,
    "GET payment_intents/search": params.PaymentIntentSearchParams,
    "GET payment_intents/ID": params.PaymentIntentRetrieveParams,
    "POST payment_intents/ID": params.PaymentIntentUpdateParams,
    "POST payment_intents/ID/cancel": params.PaymentIntentCancelParams,
    "GET payment_methods/ID": params.PaymentMethodRetrieveParams,
    "POST payment_methods/ID/detach": params.PaymentMethodDetachParams,
    "GET refunds": params.RefundListParams,
    "GET refunds/ID": params.RefundRetrieveParams,
    "GET disputes/ID": params.DisputeRetrieveParams,
    "GET customers/ID": params.CustomerRetrieveParams,
    "GET events": params.EventListParams,
    "GET events/ID": params.EventRetrieveParams,
    "GET webhook_endpoints": params.WebhookEndpointListParams,
    "GET balance": params.BalanceRetrieveParams,
}

SCRIPT = Path(__file__).with_name("stripe_stand_in.js")
"""The replacement for Stripe's browser script."""

PATH = re.compile(r"/v1/(?P<kind>[a-z_]+)(/(?P<id>[a-z]+_\w+))?(/(?P<verb>[a-z_]+))?")


class Refused(Exception):
    """An error response with its status."""

    def __init__(self, status: int, kind: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": {"type": kind, "message": message, **more}}


class Dropped(Exception):
    """The connection is closed without a response."""


@dataclass
class Card:
    """Behaviour of the bank behind a payment method."""

    number: str
    error: dict[str, Any] = field(default_factory=dict)
    """Fields of the decline, in addition to those of the number."""
    blocked_for: str = ""
    """The rule by which Stripe blocks the charge before asking the bank."""


class StandIn:
    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.objects: dict[str, dict[str, Any]] = {}
        self.cards: dict[str, Card] = {}
        self.events: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        """Every event, including those that no webhook delivered."""
        self.lists_events = True
        """Whether the key may read events."""
        self.failures: list[str | Refused] = []
        self.kept: dict[str, tuple[str, int, dict[str, Any]] | None] = {}
        self.endpoints: list[dict[str, Any]] = []
        self.search_lags = False
        self.is_away = False
        """Every request is dropped."""
        self.refusal: Refused | None = None
        """Every request is refused with it."""
        self.requests: list[str] = []
        self._numbers = count(1)
        self.hold = threading.Event()
        self.hold.set()
        self._server: ThreadingHTTPServer | None = None

    # Serving

    def __enter__(self) -> "StandIn":
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold.set()
        assert self._server
        self._server.shutdown()
        self._server.server_close()

    @property
    def base(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.server_port}"

    def handle(
        self, method: str, path: str, given: dict[str, Any], key: str
    ) -> tuple[int, dict[str, Any], bool]:
        """Return status, body, and whether the response repeats an earlier one."""
        self.requests.append(f"{method} {path}")
        is_charge = (method, path) == ("POST", "/v1/payment_intents")
        fields = self.failures.pop(0) if is_charge and self.failures else ""
        if fields == "lose request" or self.is_away:
            raise Dropped
        if refusal := self.refusal or (fields if isinstance(fields, Refused) else None):
            raise refusal
        if fields == "429":
            raise Refused(429, "rate_limit_error", "Too many requests", code="rate_limit")
        if fields == "slow":
            self.hold.wait(5)
        status, body, replayed = self._once(method, path, given, key, failing=fields == "500")
        if fields == "lose answer":
            raise Dropped
        return status, body, replayed

    def _once(
        self, method: str, path: str, given: dict[str, Any], key: str, *, failing: bool
    ) -> tuple[int, dict[str, Any], bool]:
        if method != "POST" or not key:
            return (*self._answer(method, path, given), False)
        asked = json.dumps([path, given], sort_keys=True)
        with self.lock:
            if key in self.kept:
                kept = self.kept[key]
                if kept is None:
                    raise Refused(409, "idempotency_error", "In use", code="idempotency_key_in_use")
                if kept[0] != asked:
                    raise Refused(
                        400,
                        "idempotency_error",
                        "Keys for idempotent requests can only be used with the same parameters",
                    )
                return kept[1], kept[2], True
            self.kept[key] = None
        try:
            if failing:
                status, body = 500, {"error": {"type": "api_error", "message": "Our fault"}}
            else:
                status, body = self._answer(method, path, given)
        except BaseException:
            with self.lock:
                del self.kept[key]  # a request that was not processed is not remembered
            raise
        with self.lock:
            self.kept[key] = (asked, status, json.loads(json.dumps(body)))
        return status, body, False

    def _answer(self, method: str, path: str, given: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        found = PATH.fullmatch(path)
        if not found:
            raise Refused(404, "invalid_request_error", f"Unrecognized request URL {path}")
        route = f"{method} {found['kind']}"
        route += "/ID" if found["id"] else ""
        route += f"/{found['verb']}" if found["verb"] else ""
        if route not in TAKES:
            raise Refused(404, "invalid_request_error", f"Unrecognized request URL {route}")
        unknown = set(given) - set(TAKES[route].__annotations__)
        if unknown:
            name = min(unknown)
            raise Refused(
                400,
                "invalid_request_error",
                f"Received unknown parameter: {name}",
                code="parameter_unknown",
                param=name,
            )
        with self.lock:
            try:
                return 200, self._do(route, found["id"] or "", given)
            except Refused as refused:
                if refused.status == 402:  # processed and declined, so the answer is kept
                    return 402, refused.body
                raise

    def _do(self, route: str, id_: str, given: dict[str, Any]) -> dict[str, Any]:
        expand = given.get("expand", [])
        match route:
            case "POST customers":
                return self._new(
                    "customer", "cus", name=given.get("name"), metadata=given.get("metadata", {})
                )
            case "POST setup_intents":
                return self._shown(self._set_up(given), expand)
            case "POST payment_intents":
                return self._pay(given, expand)
            case "POST payment_intents/ID":
                self.get(id_)["metadata"].update(given.get("metadata", {}))
                return self.get(id_)
            case "POST payment_intents/ID/cancel" | "POST setup_intents/ID/cancel":
                return self._cancel(id_, given)
            case "GET payment_intents/search":
                return self._search(given)
            case "GET payment_intents":
                since = int(given.get("created", {}).get("gte", 0))
                found = [o for o in self._all("payment_intent") if o["created"] >= since]
                return self._list(found[::-1])
            case "POST payment_methods/ID/detach":
                return self.detach(id_)
            case "GET refunds":
                return self._list(
                    [o for o in self._all("refund") if o["charge"] == given["charge"]]
                )
            case "GET events":
                return self._list_events(given)
            case "GET events/ID":
                return next((it for it in self.log if it["id"] == id_), None) or self.get(id_)
            case "GET webhook_endpoints":
                return self._list(self.endpoints)
            case "GET balance":
                return {"object": "balance", "livemode": False, "available": [], "pending": []}
        return self._shown(self.get(id_), expand)

    def _list_events(self, given: dict[str, Any]) -> dict[str, Any]:
        """List events of the last 30 days, newest first, one page at a time."""
        if not self.lists_events:
            raise Refused(403, "invalid_request_error", "The key may not read events")
        types, span = given.get("types", []), given.get("created", {})
        if len(types) > 20 or not 1 <= int(given.get("limit", 10)) <= 100:
            raise Refused(400, "invalid_request_error", "Too much")
        since = max(int(span.get("gte", 0)), self._stamp() - 30 * 86_400)
        found = [
            event
            for event in reversed(self.log)
            if since <= event["created"] < int(span.get("lt", 2**40)) and event["type"] in types
        ]
        if "starting_after" in given:
            ids = [event["id"] for event in found]
            found = found[ids.index(given["starting_after"]) + 1 :]
        limit = int(given.get("limit", 10))
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit}

    # Effects of requests

    def _set_up(self, given: dict[str, Any]) -> dict[str, Any]:
        self._require_customer(given.get("customer", ""))
        intent = self._new(
            "setup_intent",
            "seti",
            customer=given.get("customer"),
            status="requires_payment_method",
            usage=given.get("usage", "off_session"),
            metadata=given.get("metadata", {}),
            payment_method=None,
            next_action=None,
            last_setup_error=None,
            cancellation_reason=None,
        )
        intent["client_secret"] = f"{intent['id']}_secret_{token_hex(8)}"
        if given.get("confirm") == "true":
            method = self._method_of(given)
            card = self.cards[method["id"]]
            if card.number == DECLINES:
                raise self._card_error(card, "setup_intent", intent)
            intent["payment_method"] = method["id"]
            intent["status"] = "succeeded"
        return intent

    def _pay(self, given: dict[str, Any], expand: list[str]) -> dict[str, Any]:
        for name in ("amount", "currency"):
            if not given.get(name):
                raise Refused(400, "invalid_request_error", f"Missing {name}", param=name)
        off_session = given.get("off_session") == "true"
        method = self._method_of(given)
        intent = self._new(
            "payment_intent",
            "pi",
            amount=int(given["amount"]),
            amount_received=0,
            currency=given["currency"],
            customer=given["customer"],
            payment_method=method["id"],
            metadata=given.get("metadata", {}),
            status="requires_confirmation",
            latest_charge=None,
            last_payment_error=None,
            next_action=None,
            canceled_at=None,
            cancellation_reason=None,
        )
        intent["client_secret"] = f"{intent['id']}_secret_{token_hex(8)}"
        card = self.cards[method["id"]]
        if card.number == ASKS_ALWAYS:
            if off_session:
                error = {"code": "authentication_required"}
                raise self._decline(intent, card, error | {"decline_code": error["code"]})
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            return self._shown(intent, expand)
        if card.blocked_for:
            raise self._decline(intent, card, {"decline_code": "fraudulent"})
        if card.number == DECLINES or card.error:
            raise self._decline(intent, card, {})
        self._charge(intent)
        return self._shown(intent, expand)

    def _charge(self, intent: dict[str, Any], **failed: Any) -> dict[str, Any]:
        paid = not failed
        charge = self._new(
            "charge",
            "ch",
            amount=intent["amount"],
            currency=intent["currency"],
            customer=intent["customer"],
            payment_intent=intent["id"],
            payment_method=intent["payment_method"],
            paid=paid,
            outcome={"network_advice_code": None, "advice_code": None, **failed},
        )
        intent["latest_charge"] = charge["id"]
        if paid:
            intent["status"] = "succeeded"
            intent["amount_received"] = intent["amount"]
            self._tell("payment_intent.succeeded", intent)
        return charge

    def _decline(self, intent: dict[str, Any], card: Card, error: dict[str, Any]) -> Refused:
        refused = self._card_error(card, "payment_intent", intent, **error)
        fields = refused.body["error"]
        advice = {n: fields[n] for n in ("network_advice_code", "advice_code") if n in fields}
        if card.blocked_for:
            advice = {
                "type": "blocked",
                "network_status": "not_sent_to_network",
                "reason": card.blocked_for,
            }
        charge = self._charge(intent, **(advice or {"network_status": "declined"}))
        intent["status"] = "requires_payment_method"
        intent["last_payment_error"] = {
            name: value for name, value in fields.items() if name != "payment_intent"
        } | {"charge": charge["id"]}
        fields["payment_intent"] = dict(intent)
        self._tell("payment_intent.payment_failed", intent)
        return refused

    def _card_error(self, card: Card, name: str, intent: dict[str, Any], **error: Any) -> Refused:
        fields = {"code": "card_declined", "decline_code": "generic_decline", **card.error, **error}
        return Refused(
            402, "card_error", "Your card was declined.", **fields, **{name: dict(intent)}
        )

    def _cancel(self, id_: str, given: dict[str, Any]) -> dict[str, Any]:
        intent = self.get(id_)
        if intent["status"] in ("succeeded", "canceled", "processing"):
            raise Refused(
                400,
                "invalid_request_error",
                f"You cannot cancel this: it is {intent['status']}",
                code=f"{intent['object']}_unexpected_state",
            )
        intent["status"] = "canceled"
        intent["cancellation_reason"] = given.get("cancellation_reason")
        if intent["object"] == "payment_intent":
            intent["canceled_at"] = self._stamp()
        return intent

    def _search(self, given: dict[str, Any]) -> dict[str, Any]:
        asked = re.fullmatch(r"metadata\['(\w+)'\]:'([\w-]+)'", given["query"])
        if not asked:
            raise Refused(400, "invalid_request_error", "The query cannot be read", param="query")
        found = [
            intent
            for intent in self._all("payment_intent")
            if intent["metadata"].get(asked[1]) == asked[2]
        ]
        return {
            **self._list([] if self.search_lags else found),
            "object": "search_result",
            "next_page": None,
        }

    # Actions in the browser, on Stripe's pages and in its dashboard

    def save(self, number: str, customer: str = "", **error: Any) -> str:
        """Save a customer's card as if its form had been submitted; return our reference."""
        with self.lock:
            owner = customer or self._new("customer", "cus", name="Ana", metadata={})["id"]
            method = self._new_method(number, owner)
            self.cards[method["id"]].error = error
            return f"{owner}/{method['id']}"

    def confirm_setup(
        self, secret: str, number: str, *, leave_open: bool = False
    ) -> dict[str, Any]:
        """Submit the form with this card. With `leave_open` the bank's challenge stays
        unanswered.
        """
        with self.lock:
            intent = self._by_secret(secret)
            if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
                return intent
            if number == "4000000000000002":
                declined = {"code": "card_declined", "decline_code": "generic_decline"}
                intent["last_setup_error"] = declined
                return intent
            method = self._new_method(number, None)
            intent["payment_method"] = method["id"]
            intent["status"] = "requires_action"
            if number in (ASKS_ONCE, ASKS_ALWAYS):
                intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
                if leave_open:
                    return intent
            return self.complete(secret)

    def complete(self, secret: str) -> dict[str, Any]:
        """The customer confirms to the bank, unless the challenge has ended."""
        with self.lock:
            intent = self._by_secret(secret)
            if intent["object"] == "setup_intent":
                if intent["status"] == "requires_action":
                    method = self.get(intent["payment_method"])
                    method["customer"] = intent["customer"]
                    intent["status"], intent["next_action"] = "succeeded", None
            elif intent["status"] == "requires_action":
                intent["next_action"] = None
                if self.get(intent["payment_method"])["customer"] is None:
                    self._fail(intent)
                else:
                    self._charge(intent)
            return intent

    def fail(self, secret: str) -> dict[str, Any]:
        with self.lock:
            intent = self._by_secret(secret)
            if intent["status"] == "requires_action":
                self._fail(intent)
            return intent

    def _fail(self, intent: dict[str, Any]) -> None:
        kind = intent["object"]
        name = "last_payment_error" if kind == "payment_intent" else "last_setup_error"
        intent["status"], intent["next_action"] = "requires_payment_method", None
        intent[name] = {"type": "invalid_request_error", "code": f"{kind}_authentication_failure"}
        if kind == "payment_intent":
            self._tell("payment_intent.payment_failed", intent)

    def detach(self, id_: str) -> dict[str, Any]:
        with self.lock:
            method = self.get(id_)
            if method["customer"] is None:
                raise Refused(400, "invalid_request_error", "It is not attached to a customer")
            before, method["customer"] = method["customer"], None
            self._tell("payment_method.detached", method, customer=before)
            return method

    def renew(self, id_: str) -> None:
        with self.lock:
            method = self.get(id_)
            method["card"]["exp_year"] += 3
            self._tell("payment_method.automatically_updated", method, card={"exp_year": 0})

    def in_browser(self, path: str, fields: dict[str, str]) -> dict[str, Any]:
        """Handle a call of the browser script: its key and what was typed."""
        if fields.get("key") != PUBLISHABLE_KEY:
            return {"error": {"message": "Invalid API Key provided"}}
        secret = fields["secret"]
        match path:
            case "/browser/confirm":
                number = fields["number"].replace(" ", "")
                intent = self.confirm_setup(secret, number, leave_open=True)
            case "/browser/complete":
                intent = self.complete(secret)
            case "/browser/fail":
                intent = self.fail(secret)
            case _:
                intent = self._by_secret(secret)
        shown = {"id": intent["id"], "object": intent["object"], "status": intent["status"]}
        error = intent.get("last_setup_error") or intent.get("last_payment_error")
        failed = intent["status"] == "requires_payment_method" and error
        message = "We could not authenticate your card." if failed else ""
        return {"intent": shown, **({"error": {"message": message}} if failed else {})}

    def intent_of(self, key: str) -> dict[str, Any]:
        return next(o for o in self._all("payment_intent") if key in o["metadata"].values())

    def refund(self, key: str, amount: int) -> None:
        """`amount` is in Stripe's units."""
        with self.lock:
            intent = self.intent_of(key)
            refund = self._new(
                "refund",
                "re",
                amount=amount,
                currency=intent["currency"],
                charge=intent["latest_charge"],
                payment_intent=intent["id"],
                status="succeeded",
            )
            self._tell("refund.created", refund)
            self._tell("charge.refunded", self.get(intent["latest_charge"]))

    def dispute(self, key: str) -> str:
        with self.lock:
            intent = self.intent_of(key)
            dispute = self._new(
                "dispute",
                "dp",
                amount=intent["amount"],
                currency=intent["currency"],
                charge=intent["latest_charge"],
                payment_intent=intent["id"],
                status="needs_response",
            )
            self._tell("charge.dispute.created", dispute)
            return str(dispute["id"])

    def end_dispute(self, id_: str, status: str) -> None:
        with self.lock:
            self.get(id_)["status"] = status
            self._tell("charge.dispute.closed", self.get(id_))

    def pay_elsewhere(self, customer: str) -> None:
        """Charge a card in Stripe's dashboard."""
        with self.lock:
            method = self._new_method(PAYS, customer)
            self._pay(
                {
                    "amount": "700",
                    "currency": "usd",
                    "customer": customer,
                    "payment_method": method["id"],
                },
                [],
            )

    def send_event(self, kind: str, subject: dict[str, Any]) -> None:
        self._tell(kind, subject)

    def deliveries(self) -> list[tuple[bytes, dict[str, str]]]:
        """Return the deliveries since the last call, signed now."""
        with self.lock:
            fields, self.events = self.events, []
        return [self.signed(json.dumps(event)) for event in fields]

    def signed(self, body: str) -> tuple[bytes, dict[str, str]]:
        header = WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET, self._stamp())
        return body.encode(), {"Stripe-Signature": header}

    def taken(self) -> list[tuple[str, int, str]]:
        """Return the metadata's first value, amount and currency of each charge that took money."""
        with self.lock:
            return [
                (next(iter(o["metadata"].values()), ""), o["amount"], o["currency"].upper())
                for o in self._all("payment_intent")
                if o["status"] == "succeeded"
            ]

    # Objects

    def get(self, id_: str) -> dict[str, Any]:
        found = self.objects.get(id_)
        if found is None:
            raise Refused(
                404,
                "invalid_request_error",
                f"No such object: '{id_}'",
                code="resource_missing",
                param="id",
            )
        return found

    def _require_customer(self, id_: str) -> None:
        if id_ and id_ not in self.objects:
            raise Refused(
                400,
                "invalid_request_error",
                f"No such customer: '{id_}'",
                code="resource_missing",
                param="customer",
            )

    def _method_of(self, given: dict[str, Any]) -> dict[str, Any]:
        customer = given.get("customer", "")
        self._require_customer(customer)
        method = self.objects.get(given.get("payment_method", ""))
        if method is None:
            raise Refused(
                400,
                "invalid_request_error",
                f"No such PaymentMethod: '{given.get('payment_method', '')}'",
                code="resource_missing",
                param="payment_method",
            )
        if method["customer"] is None:
            # Stripe names neither a parameter nor a code here.
            raise Refused(400, "invalid_request_error", DETACHED)
        if method["customer"] != customer:
            raise Refused(
                400,
                "invalid_request_error",
                f"The customer does not have a payment method with the ID {method['id']}. The "
                "payment method must be attached to the customer.",
                param="payment_method",
            )
        return method

    def _by_secret(self, secret: str) -> dict[str, Any]:
        return next(o for o in self.objects.values() if o.get("client_secret") == secret)

    def _new_method(self, number: str, customer: str | None) -> dict[str, Any]:
        method = self._new(
            "payment_method",
            "pm",
            type="card",
            customer=customer,
            billing_details={
                "name": "Ana Ruiz",
                "email": None,
                "address": {
                    "line1": "12 Harbour Road",
                    "line2": None,
                    "city": "Dublin",
                    "country": "IE",
                    "postal_code": "D18 A4R6",
                },
            },
            card={
                "brand": "mastercard" if number.startswith("5") else "visa",
                "last4": number[-4:],
                "exp_month": 12,
                "exp_year": self.now().year + 8,
                "fingerprint": f"fp{number[-8:]}",
            },
        )
        self.cards[method["id"]] = Card(number)
        return method

    def _new(self, kind: str, prefix: str, **facts: Any) -> dict[str, Any]:
        id_ = f"{prefix}_{next(self._numbers):04d}{token_hex(6)}"
        fields = {
            "id": id_,
            "object": kind,
            "created": self._stamp(),
            **({} if kind == "refund" else {"livemode": False}),
            **facts,
        }
        self.objects[id_] = fields
        return fields

    def _all(self, kind: str) -> list[dict[str, Any]]:
        return [o for o in self.objects.values() if o["object"] == kind]

    def _list(self, data: list[dict[str, Any]]) -> dict[str, Any]:
        return {"object": "list", "data": data[:100], "has_more": len(data) > 100, "url": "/v1"}

    def _shown(self, fields: dict[str, Any], expand: list[str]) -> dict[str, Any]:
        wide = {name: self.get(fields[name]) for name in expand if fields.get(name)}
        return {**fields, **wide}

    def _tell(self, kind: str, subject: dict[str, Any], **before: Any) -> None:
        event = {
            "id": f"evt_{next(self._numbers):04d}{token_hex(6)}",
            "object": "event",
            "api_version": VERSION,
            "created": self._stamp(),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": {"object": dict(subject)},
        }
        if before:
            event["data"]["previous_attributes"] = before
        self.events.append(event)
        self.log.append(event)

    def _stamp(self) -> int:
        return int(self.now().timestamp())


class _Handler(BaseHTTPRequestHandler):
    stand_in: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/stripe.js":
            self._send_script()
            return
        self._respond("GET", parts.path, _nested(parts.query))

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode()
        if self.path.startswith("/browser/"):
            self._send(200, self.stand_in.in_browser(self.path, dict(parse_qsl(body))))
            return
        if body and self.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self._send(400, {"error": {"type": "invalid_request_error", "message": "No form"}})
            return
        self._respond("POST", self.path, _nested(body))

    def _respond(self, method: str, path: str, given: dict[str, Any]) -> None:
        try:
            self._check_headers()
            key = self.headers.get("Idempotency-Key", "")
            status, body, replayed = self.stand_in.handle(method, path, given, key)
            self._send(status, body, replayed=replayed)
        except Refused as refused:
            self._send(refused.status, refused.body)
        except Dropped:
            self.close_connection = True

    def _check_headers(self) -> None:
        if self.headers.get("Authorization") != f"Bearer {SECRET_KEY}":
            raise Refused(401, "invalid_request_error", "Invalid API Key provided")
        if self.headers.get("Stripe-Version") != VERSION:
            raise Refused(400, "invalid_request_error", "Another version than the pinned one")

    def _send(self, status: int, body: dict[str, Any], *, replayed: bool = False) -> None:
        fields = json.dumps(body).encode()
        with suppress(BrokenPipeError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Content-Length", str(len(fields)))
            self.send_header("Request-Id", f"req_{token_hex(6)}")
            if replayed:
                self.send_header("Idempotent-Replayed", "true")
            self.end_headers()
            self.wfile.write(fields)

    def _send_script(self) -> None:
        script = SCRIPT.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript")
        self.send_header("Content-Length", str(len(script)))
        self.end_headers()
        self.wfile.write(script)

    def log_message(self, *_: object) -> None:
        pass


def _nested(query: str) -> dict[str, Any]:
    """Parse metadata[key]=1 and expand[0]=x as Stripe does."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        head, *inner = re.findall(r"[^\[\]]+", name)
        if not inner:
            found[head] = value
        elif inner[0].isdigit():
            found.setdefault(head, []).append(value)
        else:
            found.setdefault(head, {})[inner[0]] = value
    return found
