"""Controls of the PayPal stand-in: failures of requests, refunds, disputes and webhooks."""

import hmac
import json
import zlib
from hashlib import sha256

WEBHOOK_ID = "1JE4291016473214C"


class Controls:
    def fail_next(self, kind, where, seconds=0.0):
        """Fail the next request to a path that contains `where`.

        `kind` is lose_request, lose_answer, slow, or a status.
        """
        self._failures.append((kind, where, seconds))

    def captures(self):
        return [
            capture
            for order in self.orders.values()
            for capture in order["purchase_units"][0].get("payments", {}).get("captures", [])
        ]

    def end_access_tokens(self):
        """Expire every access token, regardless of its announced lifetime."""
        self._access.clear()

    def cancel_agreement(self, reference):
        """The payer cancels the agreement at PayPal."""
        with self.lock:
            gone = self.tokens.pop(reference)
            self.send_event("VAULT.PAYMENT-TOKEN.DELETED", gone, "payment_token")

    def refund(self, capture_id, value, kind="PAYMENT.CAPTURE.REFUNDED"):
        """The merchant refunds a part or all of a payment."""
        with self.lock:
            capture = self._capture_of(capture_id)
            money = {"currency_code": capture["amount"]["currency_code"], "value": value}
            made = self._stamped(
                {
                    "id": self._id(),
                    "status": "COMPLETED",
                    "amount": money,
                    "custom_id": capture["custom_id"],
                    "invoice_id": capture["invoice_id"],
                }
            )
            up = f"{self.address}/v2/payments/captures/{capture_id}"
            made["links"] = [{"href": up, "rel": "up", "method": "GET"}]
            self.refunds[made["id"]] = made
            back = sum(self._value(r) for r in self.refunds.values() if up in str(r["links"]))
            whole = back >= self._value(capture)
            capture["status"] = "REFUNDED" if whole else "PARTIALLY_REFUNDED"
            capture["update_time"] = self._time()
            self.send_event(kind, made, "refund")
            return made

    def dispute(self, capture_id, value=None, stage="CHARGEBACK"):
        """The payer disputes a payment; an inquiry is only a message to the merchant."""
        with self.lock:
            capture = self._capture_of(capture_id)
            money = capture["amount"] if value is None else {**capture["amount"], "value": value}
            id_ = f"PP-D-{len(self.disputes) + 1:05d}"
            made = self._stamped(
                {
                    "dispute_id": id_,
                    "disputed_transactions": [{"seller_transaction_id": capture_id}],
                    "reason": "UNAUTHORISED",
                    "dispute_amount": money,
                    "status": "WAITING_FOR_SELLER_RESPONSE",
                    "dispute_life_cycle_stage": stage,
                }
            )
            self.disputes[id_] = made
            self.send_event("CUSTOMER.DISPUTE.CREATED", made, "dispute")
            return id_

    def escalate(self, id_):
        """Turn an inquiry into a claim: PayPal decides, and holds the money meanwhile."""
        with self.lock:
            self._change(id_, dispute_life_cycle_stage="CHARGEBACK", status="UNDER_REVIEW")

    def move_money(self, id_, way, value, reason="DISPUTE_SETTLEMENT"):
        """PayPal debits or credits the merchant for a dispute."""
        with self.lock:
            amount = {**self.disputes[id_]["dispute_amount"], "value": value}
            movement = {
                "affected_party": "SELLER",
                "amount": amount,
                "initiated_time": self._time(),
                "type": way,
                "reason": reason,
            }
            movements = self.disputes[id_].get("money_movements", [])
            self._change(id_, money_movements=[*movements, movement])

    def _change(self, id_, **changes):
        self.disputes[id_].update(changes, update_time=self._time())
        self.send_event("CUSTOMER.DISPUTE.UPDATED", self.disputes[id_], "dispute")

    def end_dispute(self, id_, outcome, refunded=None):
        """Decide a dispute, or close it without an outcome.

        A lost claim takes the money, which PayPal reports as a reversal as well. An inquiry moves
        no money by itself.
        """
        with self.lock:
            dispute = self.disputes[id_]
            lost = outcome in ("RESOLVED_BUYER_FAVOUR", "ACCEPTED")
            decided = {"outcome_code": outcome} if outcome else {}
            if lost:
                money = dispute["dispute_amount"]
                decided["amount_refunded"] = {**money, "value": refunded or money["value"]}
            dispute.update(status="RESOLVED", dispute_outcome=decided, update_time=self._time())
            self.send_event("CUSTOMER.DISPUTE.RESOLVED", dispute, "dispute")
            if lost and dispute["dispute_life_cycle_stage"] != "INQUIRY":
                (disputed,) = dispute["disputed_transactions"]
                self.reverse(disputed["seller_transaction_id"], decided["amount_refunded"]["value"])

    def reverse(self, capture_id, value):
        """PayPal itself reverses a payment."""
        return self.refund(capture_id, value, "PAYMENT.CAPTURE.REVERSED")

    def send_event(self, kind, resource, resource_type="capture"):
        """Put an event into the outbox of webhook deliveries."""
        headers, raw = self.event(kind, resource, resource_type)
        self._outbox.append((headers, raw))
        self.log.append({**json.loads(raw), "links": []})

    def deliveries(self):
        """Return headers and body of each delivery since the last call."""
        with self.lock:
            told, self._outbox = self._outbox, []
            return told

    def hold(self, capture_id, status, why="PENDING_REVIEW"):
        """Change the status of a payment on PayPal's side."""
        capture = self._capture_of(capture_id)
        capture.update(status=status, update_time=self._time(), status_details={"reason": why})
        if status == "COMPLETED":
            del capture["status_details"]

    def event(self, kind, resource, resource_type="capture", **other):
        """Return a webhook as PayPal sends it: headers and the raw body."""
        event = {
            "id": f"WH-{self._id()}",
            "create_time": self._time(),
            "resource_type": resource_type,
            "event_version": "1.0",
            "event_type": kind,
            "summary": "Something happened",
            "resource": resource,
            **other,
        }
        return self.sign(json.dumps(event).encode())

    def sign(self, raw):
        id_, at = f"t{self._id()}", self._time()
        return {
            "PAYPAL-TRANSMISSION-ID": id_,
            "PAYPAL-TRANSMISSION-TIME": at,
            "PAYPAL-TRANSMISSION-SIG": self._signature(id_, at, raw),
            "PAYPAL-CERT-URL": f"{self.address}/certs/cert.pem",
            "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        }, raw

    def _signature(self, id_, at, raw):
        signed = f"{id_}|{at}|{WEBHOOK_ID}|{zlib.crc32(raw)}".encode()
        return f"s{hmac.new(self._secret, signed, sha256).hexdigest()}"

    def _value(self, body):
        return round(float(body["amount"]["value"]) * 100)
