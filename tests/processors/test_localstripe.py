"""The Stripe adapter against an independent implementation: localstripe, on loopback.

It implements an older version of the API. The relay removes parameters that it does not accept
(`NOT_TAKEN`) and adds `amount_received` of a PaymentIntent. It does not support idempotency keys (a
repeated request charges again), `off_session` (a card that requires authentication waits instead of
being declined), search by metadata, network advice, disputes, and events of refunds and methods.
"""

import json
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.host import free_port
from tests.processors.contract import ACCOUNT, charge_request
from webapp.clock import Clock
from webapp.domain.shared.money import CENT
from webapp.ports import Declined, Event, Forged, Holder, Paid, Reversed, SavedCard, Settled
from webapp.processors.stripe.processor import StripeProcessor

pytest.importorskip("localstripe", reason="localstripe is not installed")

NOT_TAKEN = ("allowed_payment_method_types", "use_stripe_sdk")
"""Parameters that localstripe rejects as unknown; the relay removes them."""

SECRET_KEY, WEBHOOK_SECRET = "sk_test_12345", "whsec_peer"

START = """
import sys
from aiohttp import web
from localstripe import server
server.store.dump_to_disk = lambda: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""


class Relay(BaseHTTPRequestHandler):
    """Forwards requests without the unsupported parameters, and keeps delivered webhooks."""

    peer: str
    delivered: list

    def do_GET(self):
        self._pass_on("GET", b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/delivered":
            self.delivered.append((body, dict(self.headers)))
            return self._answer(200, b"")
        left_out = tuple(name.encode() for name in NOT_TAKEN)
        kept = [part for part in body.split(b"&") if not part.startswith(left_out)]
        return self._pass_on("POST", b"&".join(kept))

    def _pass_on(self, method, body):
        headers = {n: self.headers[n] for n in ("Authorization", "Content-Type") if self.headers[n]}
        url = self.peer + self.path
        answer = requests.request(method, url, data=body, headers=headers, timeout=9)
        fields = answer.json()
        if fields.get("object") == "payment_intent" and "amount_received" not in fields:
            fields["amount_received"] = fields["amount"] if fields["status"] == "succeeded" else 0
        self._answer(answer.status_code, json.dumps(fields).encode())

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def peer():
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", START, str(port)])
    base = f"http://127.0.0.1:{port}"
    try:
        until(lambda: requests.get(f"{base}/v1/balance", auth=(SECRET_KEY, ""), timeout=5).ok)
        yield base
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def relay(peer):
    handler = type("ThisRelay", (Relay,), {"peer": peer, "delivered": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    server.base = f"http://127.0.0.1:{server.server_port}"
    hook = {"url": f"{server.base}/delivered", "secret": WEBHOOK_SECRET}
    requests.post(f"{peer}/_config/webhooks/ours", json=hook, timeout=5).raise_for_status()
    server.delivered = handler.delivered
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def stripe(relay):
    return StripeProcessor(
        Clock(),
        secret_key=SECRET_KEY,
        publishable_key="pk_test_12345",
        webhook_secret=WEBHOOK_SECRET,
        api_base=relay.base,
        js_url="https://js.stripe.com/endive/stripe.js",
    )


def until(holds):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(requests.ConnectionError):
            if found := holds():
                return found
        time.sleep(0.02)
    raise AssertionError("it did not come to hold")


def post(peer, path, **data):
    answer = requests.post(f"{peer}/v1/{path}", data=data, auth=(SECRET_KEY, ""), timeout=5)
    assert answer.ok, answer.text
    return answer.json()


def save(stripe, peer, number="4242424242424242"):
    """Save a card as Stripe's form does: create a method and confirm the SetupIntent with it."""
    secret = stripe.open_form(Holder(1, "Harbour Voice", ()))["client_secret"]
    setup = secret.partition("_secret_")[0]
    expiry = {"card[exp_month]": 12, "card[exp_year]": 2034}
    card = {"card[number]": number, "card[cvc]": "123", **expiry}
    method = post(peer, "payment_methods", type="card", **card)["id"]
    confirmed = post(peer, f"setup_intents/{setup}/confirm", payment_method=method)
    post(peer, f"payment_methods/{method}/attach", customer=confirmed["customer"])
    return stripe.save_card(ACCOUNT, setup, "/")


def test_a_card_is_saved_charged_reported_and_refunded(stripe, peer, relay):
    card = save(stripe, peer)
    assert isinstance(card, SavedCard)
    assert (card.brand, card.last4, card.exp_year) == ("visa", "4242", 2034)

    request = charge_request(card.reference)
    paid = stripe.charge(request)

    assert isinstance(paid, Paid)
    assert (paid.amount, paid.currency) == (request.amount, "USD")
    assert paid.method_reference == card.reference

    body, headers = until(lambda: delivered(relay, "payment_intent.succeeded"))
    event = stripe.open_event(body, headers)
    assert isinstance(event, Event)
    assert list(stripe.happenings(event)) == [Settled(request.key, paid)]
    assert isinstance(stripe.open_event(body + b" ", headers), Forged)

    intent = stripe.client.v1.payment_intents.retrieve(paid.reference)
    refund = post(peer, "refunds", payment_intent=paid.reference, amount=1234)
    of_refund = Event("evt_1", f"charge.refunded {charge_of(intent)} 0")
    (back,) = [it for it in stripe.happenings(of_refund) if isinstance(it, Reversed)]
    assert (back.reference, back.key) == (refund["id"], request.key)
    assert back.amount == 1234 * CENT


def test_a_card_can_be_declined_when_charged(stripe, peer):
    card = save(stripe, peer, "4000000000000341")

    answer = stripe.charge(charge_request(card.reference))

    assert isinstance(answer, Declined)


def test_a_detached_card_is_gone(stripe, peer):
    card = save(stripe, peer)

    assert stripe.revoke(card.reference) is True
    assert stripe._cards.look_up(card.reference) is None


def delivered(relay, kind):
    found = [it for it in relay.delivered if json.loads(it[0])["type"] == kind]
    return found[-1] if found else None


def charge_of(intent):
    charge = intent.to_dict()["latest_charge"]
    return charge if isinstance(charge, str) else charge["id"]
