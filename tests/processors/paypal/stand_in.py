"""A strict stand-in for PayPal: its REST API over HTTP and the pages on which payers agree.

Every request and response is validated against PayPal's published documents, if available; a
violation is answered with 400 and recorded in `complaints`, which tests check at their end. By its
own clock, which tests move, request ids, uncaptured orders and access tokens expire.
"""

import base64
import hmac
import json
import re
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode

from tests.processors.paypal import documents
from tests.processors.paypal.controls import WEBHOOK_ID, Controls
from tests.processors.paypal.http_server import handler_of
from tests.processors.paypal.pages import Pages
from tests.processors.paypal.payers import Payers

DISPUTES = "/v1/customer/disputes"
EVENTS = "/v1/notifications/webhooks-events"

SCOPES = (
    "https://uri.paypal.com/services/applications/webhooks",
    "https://uri.paypal.com/services/payments/payment/authcapture",
    "https://uri.paypal.com/services/vault/payment-tokens/readwrite",
)
READS_DISPUTES = "https://uri.paypal.com/services/disputes/read-seller"
"""The scope that access tokens have if the app's feature *Disputes* is on."""

CLIENT_ID, SECRET = "stand-in-client", "stand-in-secret"

TOKEN_LIFE = timedelta(hours=9)
ORDER_LIFE = timedelta(hours=3)
REQUEST_LIFE = {"/v2": timedelta(hours=6), "/v3": timedelta(hours=3)}

# The documents fix one wording per message.
NOT_AUTHORIZED = (
    "Authentication failed due to missing authorization header, or invalid authentication "
    "credentials."
)
NOT_PROCESSABLE = (
    "The requested action could not be performed, semantically incorrect, or failed business "
    "validation."
)
MALFORMED = "Request is not well-formed, syntactically incorrect, or violates schema."
MESSAGES = {
    400: ("INVALID_REQUEST", MALFORMED),
    401: ("AUTHENTICATION_FAILURE", NOT_AUTHORIZED),
    403: ("NOT_AUTHORIZED", "Authorization failed due to insufficient permissions."),
    404: ("RESOURCE_NOT_FOUND", "The specified resource does not exist."),
    409: ("RESOURCE_CONFLICT", "The server has detected a conflict."),
    422: ("UNPROCESSABLE_ENTITY", NOT_PROCESSABLE),
    429: ("RATE_LIMIT_REACHED", "Too many requests. Blocked due to rate limiting."),
    500: ("INTERNAL_SERVER_ERROR", "An internal server error has occurred."),
    503: ("SERVICE_UNAVAILABLE", "Service Unavailable."),
}


class Refused(Exception):
    def __init__(self, status, *issues, links=()):
        self.status, self.issues, self.links = status, issues, links


class StandIn(Controls, Pages):
    def __init__(self, now):
        self.now = now
        self.lock = threading.RLock()
        self.complaints = []
        self.requests = []
        self.orders, self.setups, self.tokens, self.refunds, self.disputes = {}, {}, {}, {}, {}
        self.payers = Payers()
        self.scopes = {*SCOPES, READS_DISPUTES}
        self._access = {}
        self._answered = {}
        self._outbox = []
        self.log = []
        """Every event, including those that no webhook delivered."""
        self._pays_with = {}
        self._ways_back = {}
        self._numbers = 0
        self._failures = deque()
        self._secret = b"signs webhooks"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def address(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    # HTTP

    def next_failure(self, path):
        with self.lock:
            for failure in self._failures:
                if failure[1] in path:
                    self._failures.remove(failure)
                    return failure
        return None

    def answer(self, method, path, headers, raw):
        """Return status and body."""
        with self.lock:
            self.requests.append((method, path, raw))
            if path == "/v1/oauth2/token":
                return self._authorize(headers, raw)
            try:
                status, body = self._called(method, path, headers, raw)
            except Refused as refused:
                status, body = refused.status, self._error(refused)
            if documents.are_available() and not path.startswith(UNDOCUMENTED):
                self._complain(documents.complaint_about_answer(method, path, status, body), path)
            return status, body

    def _called(self, method, path, headers, raw):
        scopes = self._valid_access().get(headers.get("Authorization", ""))
        if scopes is None:
            raise Refused(401)
        if path.startswith(DISPUTES) and READS_DISPUTES not in scopes:
            raise Refused(403)
        body = json.loads(raw) if raw else None
        if documents.are_available() and not path.startswith(UNDOCUMENTED):
            complaint = documents.complaint_about_request(method, path, headers, body)
            if complaint:
                self._complain(complaint, path)
                raise Refused(400, "INVALID_PARAMETER_VALUE")
        request_id = headers.get("PayPal-Request-Id")
        if method != "POST" or request_id is None:
            return self._do(method, path, body, raw)
        return self._once(path, request_id, raw, lambda: self._do(method, path, body, raw))

    def _once(self, path, request_id, raw, do):
        """Return the current state of the earlier request's result for a repeated request id,
        for some hours.
        """
        known = self._answered.get((path, request_id))
        if known is not None and self.now() - known[0] < REQUEST_LIFE[path[:3]]:
            if known[1] != raw:
                self._complain("another request under the same request id", path)
            if isinstance(known[2], Refused):
                raise known[2]
            return 200, known[2]
        try:
            status, body = do()
        except Refused as refused:
            self._answered[path, request_id] = (self.now(), raw, refused)
            raise
        self._answered[path, request_id] = (self.now(), raw, body)
        return status, body

    def _do(self, method, path, body, raw):
        for verb, shape, handle in ROUTES:
            match = re.fullmatch(shape, path)
            if verb == method and match:
                arguments = (raw,) if handle is StandIn._verify_webhook else (body,)
                return handle(self, *match.groups(), *arguments)
        raise Refused(404)

    def _authorize(self, headers, raw):
        given = headers.get("Authorization", "").removeprefix("Basic ")
        if base64.b64decode(given).decode() != f"{CLIENT_ID}:{SECRET}":
            return 401, {
                "error": "invalid_client",
                "error_description": "Client Authentication failed",
            }
        if parse_qs(raw.decode()) != {"grant_type": ["client_credentials"]}:
            return 400, {"error": "unsupported_grant_type"}
        token = f"A21{self._id()}"
        # A token keeps the scopes that the app had when it was issued.
        self._access[f"Bearer {token}"] = self.now() + TOKEN_LIFE, frozenset(self.scopes)
        seconds = int(TOKEN_LIFE.total_seconds())
        return 200, {
            "scope": " ".join(sorted(self.scopes)),
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": seconds,
        }

    def _valid_access(self):
        """Token → scopes."""
        return {
            token: scopes for token, (ends, scopes) in self._access.items() if self.now() < ends
        }

    # Orders

    def _create_order(self, body):
        (unit,) = body["purchase_units"]
        if body["intent"] != "CAPTURE" or "payment_source" in body:
            raise Refused(422, "UNSUPPORTED_INTENT")
        if unit["amount"]["currency_code"] == "JPY" and "." in unit["amount"]["value"]:
            raise Refused(422, "DECIMALS_NOT_SUPPORTED")
        order = self._stamped(
            {
                "id": self._id(),
                "intent": "CAPTURE",
                "status": "CREATED",
                "purchase_units": [{"reference_id": "default", **unit}],
            }
        )
        order["links"] = self._links_of(order)
        self.orders[order["id"]] = order
        return 201, order

    def _get_order(self, id_, _):
        return 200, self._order(id_)

    def _capture_order(self, id_, body):
        order = self._order(id_)
        if order["status"] == "COMPLETED":
            raise Refused(422, "ORDER_ALREADY_CAPTURED")
        source = body.get("payment_source")
        if source is not None:
            self._pays_with[id_] = source["paypal"]["vault_id"]
            self._ways_back[id_] = source["paypal"]["experience_context"]
        elif order["status"] != "APPROVED":
            raise Refused(422, "ORDER_NOT_APPROVED")
        vault_id = self._pays_with[id_]
        if vault_id not in self.tokens:
            raise Refused(422, "TOKEN_ID_NOT_FOUND")
        payer = self._wallet_of(vault_id)
        if any(
            c["invoice_id"] == order["purchase_units"][0]["invoice_id"] for c in self.captures()
        ):
            raise Refused(422, "DUPLICATE_INVOICE_ID")
        issue = self.payers.refusal(payer["email_address"])
        if issue:
            raise Refused(422, issue)
        if self.payers.needs_challenge(payer["email_address"]) and source is not None:
            self._touch(order, status="PAYER_ACTION_REQUIRED")
            raise Refused(422, "PAYER_ACTION_REQUIRED", links=self._links_of(order))
        return 201, self._take(order, payer)

    def _take(self, order, payer):
        unit = order["purchase_units"][0]
        status = self.payers.outcome(payer["email_address"])
        capture = self._stamped(
            {
                "id": self._id(),
                "status": status,
                "amount": {name: unit["amount"][name] for name in ("currency_code", "value")},
                "final_capture": True,
                "custom_id": unit["custom_id"],
                "invoice_id": unit["invoice_id"],
            }
        )
        unit["payments"] = {"captures": [capture]}
        if status == "PENDING":
            capture["status_details"] = {"reason": "PENDING_REVIEW"}
        known = {name: payer[name] for name in ("email_address", "account_id")}
        order["payment_source"] = {"paypal": known}
        self._touch(order, status="COMPLETED")
        return order

    def _order(self, id_):
        order = self.orders.get(id_)
        if order is None:
            raise Refused(404, "INVALID_RESOURCE_ID")
        captured = "payments" in order["purchase_units"][0]
        if not captured and self.now() - _read(order["create_time"]) > ORDER_LIFE:
            raise Refused(404, "INVALID_RESOURCE_ID")
        return order

    # The vault

    def _create_setup(self, body):
        wallet = body["payment_source"]["paypal"]
        context = wallet["experience_context"]
        id_ = self._id()
        setup = {
            "id": id_,
            "status": "PAYER_ACTION_REQUIRED",
            "customer": {"id": f"cust_{id_}"},
            "links": [
                self._link(f"/agree?token={id_}", "approve"),
                self._link(f"/v3/vault/setup-tokens/{id_}", "self"),
            ],
        }
        self.setups[id_] = setup
        self._ways_back[id_] = context
        return 201, setup

    def _get_setup(self, id_, _):
        if id_ not in self.setups:
            raise Refused(404, "RESOURCE_NOT_FOUND")
        return 200, self.setups[id_]

    def _create_token(self, body):
        token = body["payment_source"]["token"]
        setup = self.setups.get(token["id"])
        if token["type"] != "SETUP_TOKEN" or setup is None:
            raise Refused(404, "TOKEN_NOT_FOUND")
        if setup["status"] != "APPROVED":
            raise Refused(422, "SETUP_TOKEN_NOT_APPROVED")
        setup["status"] = "VAULTED"
        id_ = self._id().lower()
        saved = {
            "id": id_,
            "customer": setup["customer"],
            "payment_source": {"paypal": setup["payment_source"]["paypal"]},
            "links": [self._link(f"/v3/vault/payment-tokens/{id_}", "self")],
        }
        self.tokens[id_] = saved
        return 201, saved

    def _get_token(self, id_, _):
        if id_ not in self.tokens:
            raise Refused(404, "RESOURCE_NOT_FOUND")
        return 200, self.tokens[id_]

    def _delete_token(self, id_, _):
        if id_ in self.tokens:
            self.cancel_agreement(id_)
        return 204, None

    def _wallet_of(self, vault_id):
        return self.tokens[vault_id]["payment_source"]["paypal"]

    # Payments, disputes, webhooks

    def _get_capture(self, id_, _):
        return 200, self._capture_of(id_)

    def _get_refund(self, id_, _):
        if id_ not in self.refunds:
            raise Refused(404)
        return 200, self.refunds[id_]

    def _get_dispute(self, id_, _):
        if id_ not in self.disputes:
            raise Refused(404)
        return 200, self.disputes[id_]

    def _list_disputes(self, capture_id, _):
        found = [
            {name: dispute[name] for name in SUMMARY}
            for dispute in self.disputes.values()
            if dispute["disputed_transactions"][0]["seller_transaction_id"] == capture_id
        ]
        return 200, {"items": found, "links": []}

    def _capture_of(self, id_):
        found = [capture for capture in self.captures() if capture["id"] == id_]
        if not found:
            raise Refused(404)
        return found[0]

    def _get_webhook(self, id_, _):
        if id_ != WEBHOOK_ID:
            raise Refused(404)
        return 200, self.webhook

    webhook = {  # noqa: RUF012  replaced by tests, never changed
        "id": WEBHOOK_ID,
        "url": "https://billing.example.com/webhooks/paypal",
        "event_types": [{"name": "*"}],
    }

    def _list_events(self, query, _):
        """List events of the last 30 days, unordered and paged with a `next` link."""
        asked = parse_qs(query)
        since, until = (_read(asked[name][0]) for name in ("start_time", "end_time"))
        since = max(since, self.now() - timedelta(days=30))
        size, offset = int(asked["page_size"][0]), int(asked.get("offset", ["0"])[0])
        found = [one for one in self.log if since <= _read(one["create_time"]) <= until]
        page = sorted(found, key=lambda one: one["id"])[offset : offset + size]
        links = [self._link(f"{EVENTS}?{query}", "self")]
        if offset + size < len(found):
            asked["offset"] = [str(offset + size)]
            links.append(self._link(f"{EVENTS}?{urlencode(asked, doseq=True)}", "next"))
        return 200, {"events": page, "count": len(page), "links": links}

    def _verify_webhook(self, raw):
        asked = json.loads(raw)
        # The exact bytes received: a reserialised message would have another signature.
        sent = raw[raw.index(b'"webhook_event":') + len(b'"webhook_event":') : raw.rindex(b"}")]
        right = self._signature(asked["transmission_id"], asked["transmission_time"], sent.strip())
        good = hmac.compare_digest(asked["transmission_sig"], right)
        good = good and asked["webhook_id"] == WEBHOOK_ID
        return 200, {"verification_status": "SUCCESS" if good else "FAILURE"}

    # Helpers

    def error(self, status):
        with self.lock:
            return self._error(Refused(status))

    def _error(self, refused):
        name, message = MESSAGES[refused.status]
        body = {"name": name, "message": message, "debug_id": self._id().lower()}
        if refused.issues:
            body["details"] = [{"issue": issue} for issue in refused.issues]
        if refused.links:
            body["links"] = list(refused.links)
        return body

    def _links_of(self, order):
        links = [self._link(f"/v2/checkout/orders/{order['id']}", "self")]
        if order["status"] == "PAYER_ACTION_REQUIRED":
            links.append(self._link(f"/checkoutnow?token={order['id']}", "payer-action"))
        return links

    def _link(self, path, relation):
        return {"href": self.address + path, "rel": relation, "method": "GET"}

    def _touch(self, order, **changes):
        order.update(changes, update_time=self._time())
        order["links"] = self._links_of(order)

    def _stamped(self, body):
        return {**body, "create_time": self._time(), "update_time": self._time()}

    def _time(self):
        return self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _id(self):
        with self.lock:
            self._numbers += 1
            digest = sha256(f"{id(self)} {self._numbers}".encode()).hexdigest()
            return f"{digest[:16].upper()}{self._numbers % 10}"

    def _complain(self, complaint, path):
        if complaint:
            self.complaints.append(f"{path}: {complaint}")


SUMMARY = ("dispute_id", "status", "dispute_amount", "dispute_life_cycle_stage")
"""Fields of a dispute in a list, which omits money movements."""

UNDOCUMENTED = (DISPUTES,)
"""PayPal publishes this document, but the reference data beside this checkout lacks it."""

ROUTES = (
    ("POST", r"/v2/checkout/orders", StandIn._create_order),
    ("GET", r"/v2/checkout/orders/(\w+)", StandIn._get_order),
    ("POST", r"/v2/checkout/orders/(\w+)/capture", StandIn._capture_order),
    ("POST", r"/v3/vault/setup-tokens", StandIn._create_setup),
    ("GET", r"/v3/vault/setup-tokens/([\w-]+)", StandIn._get_setup),
    ("POST", r"/v3/vault/payment-tokens", StandIn._create_token),
    ("GET", r"/v3/vault/payment-tokens/([\w-]+)", StandIn._get_token),
    ("DELETE", r"/v3/vault/payment-tokens/([\w-]+)", StandIn._delete_token),
    ("GET", r"/v2/payments/captures/(\w+)", StandIn._get_capture),
    ("GET", r"/v2/payments/refunds/(\w+)", StandIn._get_refund),
    (
        "GET",
        r"/v1/customer/disputes\?disputed_transaction_id=(\w+)",
        StandIn._list_disputes,
    ),
    ("GET", r"/v1/customer/disputes/([\w-]+)", StandIn._get_dispute),
    ("GET", rf"{EVENTS}\?(.+)", StandIn._list_events),
    ("POST", r"/v1/notifications/verify-webhook-signature", StandIn._verify_webhook),
    ("GET", r"/v1/notifications/webhooks/(\w+)", StandIn._get_webhook),
)


def _read(text):
    return datetime.fromisoformat(text)
