"""Cards: saved by Stripe's form with a SetupIntent, verified, and detached."""

from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any

from stripe import CardError, InvalidRequestError, StripeClient, StripeError

from webapp.clock import Clock
from webapp.domain.payment_methods import declines
from webapp.ports import (
    Cancelled,
    Declined,
    Holder,
    MethodGone,
    NeedsCustomer,
    RequestRejected,
    SavedCard,
    SavingAnswer,
    Unknown,
    Verified,
    WrongAccount,
)
from webapp.processors.stripe import mapping
from webapp.processors.stripe.client import fault, is_missing
from webapp.processors.stripe.mapping import StripeJson, id_of, instant

NO_TOKEN = RequestRejected("This card form is unknown or was not submitted")

DETACHED = RequestRejected("This card was removed from its customer at Stripe")

ACCOUNT = "ballast_account"
"""Metadata key of customers and SetupIntents: the id of their account (M14)."""


class Cards:
    """Methods raise `StripeError`, which `processor` converts into answers."""

    def __init__(self, client: StripeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def open_form(self, holder: Holder) -> dict[str, object]:
        """Create a SetupIntent for one card, with the account's customer."""
        known = [customer for customer, _ in map(mapping.parts_of, holder.references) if customer]
        try:
            intent = self._set_up(known[0] if known else self._customer(holder), holder)
            is_own = _owner(intent) == str(holder.account_id)
        except InvalidRequestError as error:
            if not known or error.param != "customer":
                raise
            is_own = False  # the customer was deleted at Stripe
        if not is_own:
            intent = self._set_up(self._customer(holder), holder)
        return {"client_secret": intent["client_secret"]}

    def saving(self, account_id: int, intent_id: str) -> SavingAnswer:
        return self._ended(account_id, intent_id, give_up=False)

    def cancel_saving(self, account_id: int, intent_id: str) -> SavingAnswer:
        return self._ended(account_id, intent_id, give_up=True)

    def _ended(self, account_id: int, intent_id: str, *, give_up: bool) -> SavingAnswer:
        if not intent_id.startswith("seti_"):
            return NO_TOKEN
        try:
            intent = self._fetch(intent_id)
            if (owner := _owner(intent)) != str(account_id):
                return WrongAccount(f"{intent_id} was made for account {owner or 'unknown'}")
            if give_up and intent["status"] == "requires_action":
                with suppress(InvalidRequestError):  # the customer has just answered
                    self._client.v1.setup_intents.cancel(
                        intent_id, {"cancellation_reason": "abandoned"}
                    )
                intent = self._fetch(intent_id)
        except StripeError as error:
            if is_missing(error):
                return NO_TOKEN
            raise
        return self._saved(intent)

    def verify(
        self, key: str, reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        """Verify the card without an amount, as if it were added again."""
        customer, method = mapping.parts_of(reference)
        if not customer:
            return MethodGone(reference, self._clock.now())
        try:
            made = self._client.v1.setup_intents.create(
                {
                    "customer": customer,
                    "payment_method": method,
                    "allowed_payment_method_types": ["card"],
                    "usage": "off_session",
                    "confirm": True,
                },
                {"idempotency_key": key},
            )
        except CardError as error:
            details = error.error.to_dict() if error.error else {}
            intent = details.get("setup_intent") or {}
            at = intent.get("created")
            when = instant(at) if at else self._clock.now()
            return mapping.declined(details, {}, when, id_of(intent))
        except InvalidRequestError as error:
            return self.why_refused(reference, error)
        intent = made.to_dict()
        at = instant(intent["created"])
        if intent["status"] == "succeeded":
            return Verified(at)
        with suppress(StripeError):
            self._client.v1.setup_intents.cancel(intent["id"])
        return declines.declined(mapping.AUTHENTICATION, at, intent["id"])

    def revoke(self, reference: str) -> bool:
        customer, method = mapping.parts_of(reference)
        if not customer:
            return True
        try:
            self._client.v1.payment_methods.detach(method)
        except InvalidRequestError:
            return True  # the method does not exist or is detached already
        except StripeError:
            return False
        return True

    def why_refused(
        self, reference: str, error: InvalidRequestError
    ) -> MethodGone | Unknown | RequestRejected:
        """Whether a request was invalid because the method is gone (M13) or because of us (L8).

        The error does not say: for a detached card Stripe returns neither a parameter nor a code.
        """
        try:
            found = self.look_up(reference)
        except StripeError:
            return fault(error)
        if found is not None and found.reference == reference:
            return fault(error)
        return MethodGone(reference, self._clock.now())

    def look_up(self, reference: str) -> SavedCard | None:
        """The card's current state; None if it has no customer. Raises `StripeError`."""
        customer, method = mapping.parts_of(reference)
        try:
            found = self._client.v1.payment_methods.retrieve(method).to_dict()
        except InvalidRequestError as error:
            if not is_missing(error):
                raise
            # Stripe returns deleted customers, too. A key that does not find the customer belongs
            # to another Stripe account, which says nothing about the card.
            self._client.v1.customers.retrieve(customer)
            return None
        return saved_card(found) if id_of(found.get("customer")) else None

    def _fetch(self, intent_id: str) -> dict[str, Any]:
        expanded = self._client.v1.setup_intents.retrieve(
            intent_id, {"expand": ["customer", "payment_method"]}
        )
        return expanded.to_dict()

    def _saved(self, intent: StripeJson) -> SavingAnswer:
        at = instant(intent["created"])
        error, method = intent.get("last_setup_error"), intent.get("payment_method")
        match intent["status"]:
            case "succeeded" if isinstance(method, Mapping):
                # The method may have been detached since (M13) or belong to another customer (M14).
                own = id_of(method.get("customer")) == id_of(intent.get("customer"))
                return saved_card(method) if own else DETACHED
            case "requires_action":
                secret = str(intent.get("client_secret") or "")
                return NeedsCustomer(intent["id"], at, secret)
            case "canceled":
                return Cancelled(at)
            case "requires_payment_method" if error:
                return mapping.declined(error, {}, at, intent["id"])
        return NO_TOKEN

    def _customer(self, holder: Holder) -> str:
        """Create the account's customer. The idempotency key prevents duplicates for a day."""
        name = holder.name[:200]
        own = sha256(f"{holder.account_id} {name}".encode()).hexdigest()[:32]
        made = self._client.v1.customers.create(
            {"name": name, "metadata": {ACCOUNT: str(holder.account_id)}},
            {"idempotency_key": f"customer-{own}"},
        )
        return made.id

    def _set_up(self, customer: str, holder: Holder) -> dict[str, Any]:
        made = self._client.v1.setup_intents.create(
            {
                "customer": customer,
                "allowed_payment_method_types": ["card"],
                "usage": "off_session",
                "metadata": {ACCOUNT: str(holder.account_id)},
                "expand": ["customer"],
            }
        )
        return made.to_dict()


def _owner(intent: StripeJson) -> str:
    """The account of a SetupIntent and its customer; empty if theirs differ."""
    customer = intent.get("customer")
    customer = customer if isinstance(customer, Mapping) else {}
    named = {str((one.get("metadata") or {}).get(ACCOUNT) or "") for one in (intent, customer)}
    return named.pop() if len(named) == 1 else ""


def saved_card(method: StripeJson) -> SavedCard:
    """The storable data of a PaymentMethod (M7), truncated to our column lengths."""
    card, billing = method["card"], method.get("billing_details") or {}
    address = billing.get("address") or {}
    lines = ", ".join(line for line in (address.get("line1"), address.get("line2")) if line)
    return SavedCard(
        reference=mapping.reference_of(id_of(method.get("customer")), method["id"]),
        fingerprint=str(card.get("fingerprint") or method["id"]),
        brand=str(card.get("brand") or "")[:20],
        last4=str(card["last4"]),
        exp_month=int(card["exp_month"]),
        exp_year=int(card["exp_year"]),
        cardholder=str(billing.get("name") or "")[:120],
        address_country=str(address.get("country") or "")[:2],
        address_line=lines[:200],
        address_city=str(address.get("city") or "")[:120],
        address_postcode=str(address.get("postal_code") or "")[:20],
    )
