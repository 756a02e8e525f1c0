"""Agreements: payers approve them on PayPal's pages, and PayPal's vault stores them."""

from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from webapp.ports import (
    Cancelled,
    Declined,
    MethodGone,
    NeedsCustomer,
    RequestRejected,
    SavedAgreement,
    SavingAnswer,
    Unknown,
    Verified,
    WrongAccount,
)
from webapp.processors.paypal.charges import TOKENS, turned_back
from webapp.processors.paypal.client import Client, NoAnswer, Reply, no_answer
from webapp.processors.paypal.notes import Notes
from webapp.processors.paypal.orders import instant

SETUPS = "/v3/vault/setup-tokens"

OPEN = ("CREATED", "PAYER_ACTION_REQUIRED")

NOT_BEGUN = RequestRejected("No setup exists for this reference")
OTHER_METHOD = RequestRejected("This key was used for another method")


class Agreements:
    """Methods raise `NoAnswer` and `CannotKeep`, which `processor` converts into answers."""

    def __init__(self, client: Client, notes: Notes, base_url: str) -> None:
        self._client = client
        self._notes = notes
        self._base_url = base_url

    def link(self, account_id: int, return_to: str) -> NeedsCustomer | Unknown | RequestRejected:
        back = self._base_url + return_to
        wallet = {
            # One payer may pay for several accounts.
            "permit_multiple_payment_tokens": True,
            "usage_type": "MERCHANT",
            "usage_pattern": "THRESHOLD_PREPAID",
            "experience_context": {
                "shipping_preference": "NO_SHIPPING",
                "return_url": back,
                "cancel_url": turned_back(back),
            },
        }
        body = {"payment_source": {"paypal": wallet}}
        reply = self._client.post(SETUPS, body, f"link-{uuid4().hex}")
        where = reply.link("approve")
        if not reply.is_ok or not where:
            return no_answer(reply)
        setup = str(reply.body["id"])
        asked = self._notes.keep(
            f"{setup}/asked", at=reply.at.isoformat(), where=where, account=str(account_id)
        )
        return NeedsCustomer(setup, instant(asked["at"]), asked["where"])

    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        return self._ended(account_id, reference, give_up=False)

    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        """Record the cancellation (PayPal has no call for it); a later approval is ignored."""
        return self._ended(account_id, reference, give_up=True)

    def verify(
        self, key: str, reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        """Check that the agreement exists; PayPal offers no other check without an amount."""
        kept = self._notes.read(f"verify/{key}")
        if kept is None:
            reply = self._client.get(f"{TOKENS}/{quote(reference, safe='')}")
            if not reply.is_ok and reply.status != 404:
                return no_answer(reply)
            exists = "yes" if reply.is_ok else "no"
            kept = self._notes.keep(
                f"verify/{key}", method=reference, stands=exists, at=reply.at.isoformat()
            )
        if kept["method"] != reference:
            return OTHER_METHOD
        at = instant(kept["at"])
        return Verified(at) if kept["stands"] == "yes" else MethodGone(reference, at)

    def revoke(self, reference: str) -> bool:
        reply = self._client.delete(f"{TOKENS}/{quote(reference, safe='')}")
        return (
            reply.is_ok or self._client.get(f"{TOKENS}/{quote(reference, safe='')}").status == 404
        )

    def _ended(self, account_id: int, reference: str, *, give_up: bool) -> SavingAnswer:
        asked = self._notes.read(f"{reference}/asked")
        if asked is None:
            return NOT_BEGUN
        if asked.get("account") != str(account_id):
            return WrongAccount(f"{reference} was started for account {asked.get('account')}")
        choice = self._notes.read(f"{reference}/choice") or {}
        if "given_up_at" in choice:
            return Cancelled(instant(choice["given_up_at"]))
        saved = self._notes.read(f"{reference}/saved")
        if saved is not None:
            return self._read(self._client.get(f"{TOKENS}/{saved['token']}"))
        reply = self._client.get(f"{SETUPS}/{reference}")
        if reply.status != 404 and not reply.is_ok:
            return no_answer(reply)
        if reply.is_ok and reply.body.get("status") not in OPEN:
            return self._save(reference, reply.at)
        if reply.is_ok and not give_up:
            return NeedsCustomer(reference, instant(asked["at"]), asked["where"])
        return self._choose(reference, reply.at, give_up=True) or self._save(reference, reply.at)

    def _save(self, reference: str, at: datetime) -> SavingAnswer:
        given_up = self._choose(reference, at, give_up=False)
        if given_up is not None:
            return given_up
        source: dict[str, Any] = {"token": {"id": reference, "type": "SETUP_TOKEN"}}
        reply = self._client.post(TOKENS, {"payment_source": source}, f"save-{reference}")
        answer = self._read(reply)
        if isinstance(answer, SavedAgreement):
            self._notes.keep(f"{reference}/saved", token=answer.reference)
        return answer

    def _choose(self, reference: str, at: datetime, *, give_up: bool) -> Cancelled | None:
        """Record whether the setup is saved or cancelled; the first choice wins."""
        wanted = {"given_up_at": at.isoformat()} if give_up else {"go_on": "yes"}
        choice = self._notes.keep(f"{reference}/choice", **wanted)
        return Cancelled(instant(choice["given_up_at"])) if "given_up_at" in choice else None

    def _read(self, reply: Reply) -> SavedAgreement | Unknown | RequestRejected:
        if not reply.is_ok:
            return no_answer(reply)
        try:
            wallet = reply.body["payment_source"]["paypal"]
            payer = wallet.get("payer_id") or wallet["account_id"]
            return SavedAgreement(str(reply.body["id"]), str(payer), str(wallet["email_address"]))
        except (AttributeError, KeyError, TypeError) as error:
            raise NoAnswer(f"PayPal returned an agreement without {error}") from error
