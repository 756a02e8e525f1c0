"""What befalls the stand-in: trouble on the wire, refunds, and the webhooks about them."""

import hmac
import json
import zlib
from hashlib import sha256

WEBHOOK_ID = "1JE4291016473214C"


class Desk:
    def trouble(self, kind, where, seconds=0.0):
        """lose_request, lose_answer, slow, or a status: befalls the next request to there."""
        self._troubles.append((kind, where, seconds))

    def captures(self):
        return [
            capture
            for order in self.orders.values()
            for capture in order["purchase_units"][0].get("payments", {}).get("captures", [])
        ]

    def end_access(self):
        """Every access token has ended, whatever was said of how long they last."""
        self._access.clear()

    def take_back(self, reference):
        """The payer cancels the agreement at PayPal."""
        with self.lock:
            gone = self.tokens.pop(reference)
            self.tell("VAULT.PAYMENT-TOKEN.DELETED", gone, "payment_token")

    def refund(self, capture_id, value, kind="PAYMENT.CAPTURE.REFUNDED"):
        """The merchant gives back a part, or all, at PayPal's desk."""
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
            self.tell(kind, made, "refund")
            return made

    def dispute(self, capture_id, value=None, stage="CHARGEBACK"):
        """The payer disputes a payment; as an inquiry they only write to the merchant."""
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
            self.tell("CUSTOMER.DISPUTE.CREATED", made, "dispute")
            return id_

    def escalate(self, id_):
        """An inquiry becomes a claim: now PayPal judges, and takes the money meanwhile."""
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
        self.tell("CUSTOMER.DISPUTE.UPDATED", self.disputes[id_], "dispute")

    def end_dispute(self, id_, outcome, refunded=None):
        """It is decided, or closed without an outcome.

        A claim that is lost takes the money, which PayPal tells as a reversal as well. An inquiry
        moves none by itself.
        """
        with self.lock:
            dispute = self.disputes[id_]
            lost = outcome in ("RESOLVED_BUYER_FAVOUR", "ACCEPTED")
            decided = {"outcome_code": outcome} if outcome else {}
            if lost:
                money = dispute["dispute_amount"]
                decided["amount_refunded"] = {**money, "value": refunded or money["value"]}
            dispute.update(status="RESOLVED", dispute_outcome=decided, update_time=self._time())
            self.tell("CUSTOMER.DISPUTE.RESOLVED", dispute, "dispute")
            if lost and dispute["dispute_life_cycle_stage"] != "INQUIRY":
                (disputed,) = dispute["disputed_transactions"]
                self.reverse(disputed["seller_transaction_id"], decided["amount_refunded"]["value"])

    def reverse(self, capture_id, value):
        """PayPal itself takes money back."""
        return self.refund(capture_id, value, "PAYMENT.CAPTURE.REVERSED")

    def tell(self, kind, resource, resource_type="capture"):
        """Post it to the merchant's webhook: it waits in the outbox."""
        headers, raw = self.event(kind, resource, resource_type)
        self._outbox.append((headers, raw))
        self.log.append({**json.loads(raw), "links": []})

    def deliveries(self):
        """Headers and body of what was told since the last call."""
        with self.lock:
            told, self._outbox = self._outbox, []
            return told

    def hold(self, capture_id, status, why="PENDING_REVIEW"):
        """PayPal itself changes its mind about a payment."""
        capture = self._capture_of(capture_id)
        capture.update(status=status, update_time=self._time(), status_details={"reason": why})
        if status == "COMPLETED":
            del capture["status_details"]

    def event(self, kind, resource, resource_type="capture", **other):
        """A webhook as PayPal would send it: headers and the raw body."""
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
