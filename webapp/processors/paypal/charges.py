"""Charges: an order is opened first, noted under our key, and only then captured.

Opening moves no money, capturing does, and an order is captured once however often it is asked
for. So the number of the order, noted before it is captured, answers three questions for good:
whether anything can have been taken under a key (no note: no), what became of it (look at the
order), and how to repeat it safely (capture that order again). PayPal finds no order by our key,
and forgets a `PayPal-Request-Id` after six hours, while we repeat for 23: without the note a late
repeat would open, and pay, a second order. Our key is the invoice number too, which most accounts
let PayPal accept once.
"""

from typing import Any
from urllib.parse import quote

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
from webapp.processors.paypal.declines import CODES, GONE, declined
from webapp.processors.paypal.notes import Notes, Opened
from webapp.processors.paypal.orders import Order, instant

ORDERS = "/v2/checkout/orders"
TOKENS = "/v3/vault/payment-tokens"

BUSY = ("ORDER_COMPLETION_IN_PROGRESS", "PREVIOUS_REQUEST_IN_PROGRESS", "DUPLICATE_INVOICE_ID")
"""Something was, or is being, taken: that has to be looked at first."""

OTHER_REQUEST = RequestRejected("This key was used for another request")


class Charges:
    """Raises `NoAnswer` and `CannotKeep`, which `processor` turns into answers."""

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
        if known is not None and not isinstance(told := self._told_before(known), NotKnown):
            return told
        return self._capture(opened, self._source(request), opened.key)

    def ask(self, key: str) -> Answer | NotKnown:
        opened = self._notes.opened(key)
        return NotKnown() if opened is None else self._told(opened)

    def order_of(self, key: str) -> str:
        """The number of the order that was opened under this key; empty where none was."""
        opened = self._notes.opened(key)
        return opened.order if opened else ""

    def cancel(self, key: str) -> Answer | NotKnown:
        """PayPal has no call for it: from now on the order is never captured, whoever approves."""
        opened = self._notes.opened(key)
        if opened is None:
            return NotKnown()
        told = self._told(opened)
        if not isinstance(told, NeedsCustomer):
            return told
        at = self._client.get(f"{ORDERS}/{opened.order}").at
        choice = self._notes.keep(f"{key}/choice", given_up_at=at.isoformat())
        return _given_up(choice) or self._told(opened)

    def _open(self, request: ChargeRequest) -> Opened | RequestRejected:
        """Whatever goes wrong here, nothing was taken."""
        amount = amounts.written(request.amount, request.currency)
        if amount is None:
            return RequestRejected(f"PayPal takes no such amount of {request.currency}")
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

    def _told_before(self, opened: Opened) -> Answer | NotKnown:
        """As `_told`. An earlier call may have taken money: who does not tell leaves that open."""
        try:
            told = self._told(opened)
        except NoAnswer as error:
            return Unknown(str(error))
        return Unknown(told.reason) if isinstance(told, RequestRejected) else told

    def _told(self, opened: Opened) -> Answer | NotKnown:
        """What the order, and what we have heard about it, say."""
        refused = self._notes.read(f"{opened.key}/declined")
        if refused is not None:
            return _refused(opened, refused)
        choice = self._notes.read(f"{opened.key}/choice")
        if choice is not None and (given_up := _given_up(choice)) is not None:
            return given_up
        reply = self._client.get(f"{ORDERS}/{opened.order}")
        if reply.status == 404:
            return NotKnown()  # it ran out, so nothing was captured
        if not reply.is_ok:
            return no_answer(reply)
        return self._shown(opened, Order.read(reply.body))

    def _shown(self, opened: Opened, order: Order) -> Answer | NotKnown:
        if order.key != opened.key:
            return Unknown(f"PayPal shows order {order.id} as that of another payment")
        if order.capture is not None:
            return order.capture.answer()
        if order.status == "VOIDED":
            return declined("authentication_required", order.updated_at, order.id)
        if order.status == "APPROVED" and opened.present:
            return self._go_on(opened)
        if order.status == "COMPLETED":
            return Unknown("PayPal says that the order is completed, and shows no payment")
        asked = self._notes.read(f"{opened.key}/asked")
        if asked is None and order.status == "PAYER_ACTION_REQUIRED":
            asked = self._asked(opened, order.updated_at.isoformat(), order.approval)
        return NotKnown() if asked is None else _asks(opened, asked)

    def _go_on(self, opened: Opened) -> Answer:
        """The payer has agreed: take it, unless that was given up before."""
        choice = self._notes.keep(f"{opened.key}/choice", go_on="yes")
        given_up = _given_up(choice)
        return given_up or self._capture(opened, {}, f"{opened.key}-approved")

    def _capture(self, opened: Opened, body: dict[str, Any], request_id: str) -> Answer:
        reply = self._client.post(f"{ORDERS}/{opened.order}/capture", body, request_id)
        if reply.is_ok:
            told = self._shown(opened, Order.read(reply.body))
            return told if not isinstance(told, NotKnown) else Unknown(str(reply))
        if reply.status not in (404, 422):
            return no_answer(reply)
        if reply.issue == "PAYER_ACTION_REQUIRED":
            where = reply.link("payer-action", "approve")
            return _asks(opened, self._asked(opened, reply.at.isoformat(), where))
        if reply.issue == "ORDER_ALREADY_CAPTURED":
            told = self._told_before(opened)
            return told if not isinstance(told, NotKnown) else Unknown(str(reply))
        if reply.issue in BUSY:
            return Unknown(str(reply))
        if reply.issue in CODES:
            return self._declined(opened, CODES[reply.issue], reply)
        if self._client.get(f"{TOKENS}/{quote(opened.method, safe='')}").status == 404:
            return self._declined(opened, GONE, reply)
        # An order runs out after hours: then nothing was taken, and none will be.
        return Cancelled(reply.at) if reply.status == 404 else RequestRejected(str(reply))

    def _declined(self, opened: Opened, code: str, reply: Reply) -> Declined | MethodGone:
        """Such an order can be captured again; this one is not."""
        kept = self._notes.keep(f"{opened.key}/declined", code=code, at=reply.at.isoformat())
        return _refused(opened, kept)

    def _asked(self, opened: Opened, at: str, where: str) -> dict[str, str]:
        return self._notes.keep(f"{opened.key}/asked", at=at, where=where)

    def _source(self, request: ChargeRequest) -> dict[str, Any]:
        """Who pays, and that this is a saved agreement being used again, by whom."""
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
                        # An electronic cheque would leave the balance below zero for days.
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
    """Where PayPal leads a payer who does not agree."""
    return f"{address}{'&' if '?' in address else '?'}turned_back=1"


def _asks(opened: Opened, asked: dict[str, str]) -> NeedsCustomer:
    """Nobody is sent there where nobody is."""
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
