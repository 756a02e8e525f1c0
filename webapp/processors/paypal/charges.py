"""Charges: an order is created, its id noted under our key, and only then captured.

Creating an order moves no money; capturing it does, and an order is captured at most once, however
often this is requested. The order id, noted before the capture, therefore answers three questions:
whether money can have been taken under a key (without a note: no), what the outcome is (read the
order), and how to repeat the charge safely (capture the same order again). PayPal cannot find
orders by our key and forgets a `PayPal-Request-Id` after six hours, while charges are repeated for
23 hours: without the note a late repeat would create and capture a second order. Our key is also
the invoice number, which most PayPal accounts accept only once.
"""

from typing import Any
from urllib.parse import quote

from webapp.domain.payment_methods.declines import declined
from webapp.ports import (
    Answer,
    Cancelled,
    CannotKeep,
    ChargeRequest,
    Declined,
    MethodGone,
    NeedsCustomer,
    NotKnown,
    RequestRejected,
    Unknown,
)
from webapp.processors.paypal import amounts
from webapp.processors.paypal.client import Client, NoAnswer, NotSent, Reply, no_answer
from webapp.processors.paypal.declines import CODES, GONE
from webapp.processors.paypal.notes import Notes, Opened
from webapp.processors.paypal.orders import Order, instant

ORDERS = "/v2/checkout/orders"
TOKENS = "/v3/vault/payment-tokens"

BUSY = ("ORDER_COMPLETION_IN_PROGRESS", "PREVIOUS_REQUEST_IN_PROGRESS", "DUPLICATE_INVOICE_ID")
"""Issues after which money may have been taken, so the outcome is unknown."""

OTHER_REQUEST = RequestRejected("This key was used for another request")


class Charges:
    """Methods raise `NoAnswer` and `CannotKeep`, which `processor` converts into answers."""

    def __init__(self, client: Client, notes: Notes, base_url: str) -> None:
        self._client = client
        self._notes = notes
        self._base_url = base_url

    def charge(self, request: ChargeRequest) -> Answer:
        known = opened = self._notes.opened(request.key)
        if opened is None:
            made = self._open(request)
            if isinstance(made, RequestRejected):
                return made
            opened = made
        if not opened.is_for(request):
            return OTHER_REQUEST
        if known is not None and not isinstance(outcome := self._earlier_outcome(known), NotKnown):
            return outcome
        return self._capture(opened, self._source(request), opened.key)

    def ask(self, key: str) -> Answer | NotKnown:
        opened = self._notes.opened(key)
        return NotKnown() if opened is None else self._outcome(opened)

    def order_of(self, key: str) -> str:
        """The id of the order created under this key, or an empty string."""
        opened = self._notes.opened(key)
        return opened.order if opened else ""

    def cancel(self, key: str) -> Answer | NotKnown:
        """Record the cancellation (PayPal has no call for it); the order is never captured."""
        opened = self._notes.opened(key)
        if opened is None:
            return NotKnown()
        outcome = self._outcome(opened)
        if not isinstance(outcome, NeedsCustomer):
            return outcome
        at = self._client.get(f"{ORDERS}/{opened.order}").at
        choice = self._notes.keep(f"{key}/choice", given_up_at=at.isoformat())
        return _given_up(choice) or self._outcome(opened)

    def _open(self, request: ChargeRequest) -> Opened | RequestRejected:
        """Create the order. Failures here are conclusive: no money was taken."""
        amount = amounts.written(request.amount, request.currency)
        if amount is None:
            return RequestRejected(f"PayPal does not accept this amount of {request.currency}")
        unit = {"amount": amount, "custom_id": request.key, "invoice_id": request.key}
        wanted = {"intent": "CAPTURE", "purchase_units": [unit]}
        try:
            reply = self._client.post(ORDERS, wanted, request.key)
            if not reply.is_ok or "id" not in reply.body:
                return RequestRejected(str(reply))
            return self._notes.open(
                Opened(
                    key=request.key,
                    order=str(reply.body["id"]),
                    amount=request.amount,
                    currency=request.currency,
                    method=request.method_reference,
                    present=request.customer_present,
                )
            )
        except (NoAnswer, CannotKeep) as error:
            raise NotSent(str(error)) from error

    def _earlier_outcome(self, opened: Opened) -> Answer | NotKnown:
        """Like `_outcome`, but failures are `Unknown`: an earlier call may have taken money."""
        try:
            outcome = self._outcome(opened)
        except NoAnswer as error:
            return Unknown(str(error))
        return Unknown(outcome.reason) if isinstance(outcome, RequestRejected) else outcome

    def _outcome(self, opened: Opened) -> Answer | NotKnown:
        """The outcome according to our notes and the order at PayPal."""
        refused = self._notes.read(f"{opened.key}/declined")
        if refused is not None:
            return _refused(opened, refused)
        choice = self._notes.read(f"{opened.key}/choice")
        if choice is not None and (given_up := _given_up(choice)) is not None:
            return given_up
        reply = self._client.get(f"{ORDERS}/{opened.order}")
        if reply.status == 404:
            return NotKnown()  # the order has expired, so nothing was captured
        if not reply.is_ok:
            return no_answer(reply)
        return self._shown(opened, Order.read(reply.body))

    def _shown(self, opened: Opened, order: Order) -> Answer | NotKnown:
        if order.key != opened.key:
            return Unknown(f"PayPal returned order {order.id} with the key of another payment")
        if order.capture is not None:
            return order.capture.answer()
        if order.status == "VOIDED":
            return declined("authentication_required", order.updated_at, order.id)
        if order.status == "APPROVED" and opened.present:
            return self._capture_approved(opened)
        if order.status == "COMPLETED":
            return Unknown("PayPal reports the order as completed, but shows no payment")
        asked = self._notes.read(f"{opened.key}/asked")
        if asked is None and order.status == "PAYER_ACTION_REQUIRED":
            asked = self._asked(opened, order.updated_at.isoformat(), order.approval)
        return NotKnown() if asked is None else _asks(opened, asked)

    def _capture_approved(self, opened: Opened) -> Answer:
        """Capture an order that the payer has approved, unless it was cancelled before."""
        choice = self._notes.keep(f"{opened.key}/choice", go_on="yes")
        given_up = _given_up(choice)
        return given_up or self._capture(opened, {}, f"{opened.key}-approved")

    def _capture(self, opened: Opened, body: dict[str, Any], request_id: str) -> Answer:
        reply = self._client.post(f"{ORDERS}/{opened.order}/capture", body, request_id)
        if reply.is_ok:
            outcome = self._shown(opened, Order.read(reply.body))
            return outcome if not isinstance(outcome, NotKnown) else Unknown(str(reply))
        if reply.status not in (404, 422):
            return no_answer(reply)
        if reply.issue == "PAYER_ACTION_REQUIRED":
            where = reply.link("payer-action", "approve")
            return _asks(opened, self._asked(opened, reply.at.isoformat(), where))
        if reply.issue == "ORDER_ALREADY_CAPTURED":
            outcome = self._earlier_outcome(opened)
            return outcome if not isinstance(outcome, NotKnown) else Unknown(str(reply))
        if reply.issue in BUSY:
            return Unknown(str(reply))
        if reply.issue in CODES:
            return self._declined(opened, CODES[reply.issue], reply)
        if self._client.get(f"{TOKENS}/{quote(opened.method, safe='')}").status == 404:
            return self._declined(opened, GONE, reply)
        # An order expires after hours: nothing was taken, and nothing will be.
        return Cancelled(reply.at) if reply.status == 404 else RequestRejected(str(reply))

    def _declined(self, opened: Opened, code: str, reply: Reply) -> Declined | MethodGone:
        """Note the decline, so that the order is not captured again, which PayPal would allow."""
        kept = self._notes.keep(f"{opened.key}/declined", code=code, at=reply.at.isoformat())
        return _refused(opened, kept)

    def _asked(self, opened: Opened, at: str, where: str) -> dict[str, str]:
        return self._notes.keep(f"{opened.key}/asked", at=at, where=where)

    def _source(self, request: ChargeRequest) -> dict[str, Any]:
        """The payment source: the saved agreement, and who initiates the payment."""
        back = self._base_url + request.return_to
        return {
            "payment_source": {
                "paypal": {
                    "vault_id": request.method_reference,
                    "stored_credential": {
                        "payment_initiator": (
                            "CUSTOMER" if request.customer_present else "MERCHANT"
                        ),
                        "usage": "SUBSEQUENT",
                        "usage_pattern": "THRESHOLD_PREPAID",
                    },
                    "experience_context": {
                        # An eCheck would leave the balance below zero for days.
                        "payment_method_preference": "IMMEDIATE_PAYMENT_REQUIRED",
                        "shipping_preference": "NO_SHIPPING",
                        "user_action": "PAY_NOW",
                        "return_url": back,
                        "cancel_url": turned_back(back),
                    },
                }
            }
        }


def turned_back(address: str) -> str:
    """The URL to which PayPal returns a payer who does not approve."""
    return f"{address}{'&' if '?' in address else '?'}turned_back=1"


def _asks(opened: Opened, asked: dict[str, str]) -> NeedsCustomer:
    """The address is empty if no customer is present."""
    return NeedsCustomer(
        opened.order, instant(asked["at"]), asked["where"] if opened.present else ""
    )


def _refused(opened: Opened, kept: dict[str, str]) -> Declined | MethodGone:
    at = instant(kept["at"])
    if kept["code"] == GONE:
        return MethodGone(opened.method, at)
    return declined(kept["code"], at, opened.order)


def _given_up(choice: dict[str, str]) -> Cancelled | None:
    return Cancelled(instant(choice["given_up_at"])) if "given_up_at" in choice else None
