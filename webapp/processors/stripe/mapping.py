"""Mapping from Stripe's objects to ours: references, amounts, declines and network advice."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.domain.payment_methods import declines
from webapp.domain.shared.money import CENT, MICROS
from webapp.ports import DeclineClass, Declined

StripeJson = Mapping[str, Any]
"""A Stripe object as parsed JSON."""

ATTEMPT = "ballast_attempt"
"""Metadata: the key of our attempt, by which a payment is found."""

PRESENT = "ballast_customer"
"""Metadata: "present" if the customer was present."""

FAILED_AT = "ballast_failed_at"
"""Metadata: when a failure was first seen, if Stripe stores no time for it."""

# Stripe, "Zero-decimal currencies" and "Three-decimal currencies". ISK and UGX have no decimals,
# but amounts with two.
WITHOUT_CENTS = frozenset(
    (
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
    )
)
THREE_DECIMALS = frozenset(("BHD", "JOD", "KWD", "OMR", "TND"))

AUTHENTICATION = "authentication_required"
NOT_AUTHENTICATED = ("payment_intent_authentication_failure", "setup_intent_authentication_failure")

NEVER_AGAIN = {
    "01": "new_account_information_available",
    "03": "",
    "21": "stop_payment_order",
    "40": "",
    "41": "",
}
"""Network advice that forbids automatic retries, and a more exact decline code than Stripe's."""

WAITS = {
    "24": timedelta(hours=1),
    "25": timedelta(hours=24),
    "26": timedelta(days=2),
    "27": timedelta(days=4),
    "28": timedelta(days=6),
    "29": timedelta(days=8),
    "30": timedelta(days=10),
}
"""Network advice: minimum time between a decline and the next try."""


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def smallest_unit(currency: str) -> int:
    """Micros per unit of Stripe's amounts, also for payments that others have made there (L9)."""
    if currency.upper() in WITHOUT_CENTS:
        return MICROS
    return MICROS // 1000 if currency.upper() in THREE_DECIMALS else CENT


def micros(amount: int, currency: str) -> int:
    return amount * smallest_unit(currency)


def reference_of(customer: str, method: str) -> str:
    """Our reference of a method, with its customer, because both are needed for a charge."""
    return f"{customer}/{method}"


def parts_of(reference: str) -> tuple[str, str]:
    """Customer and method; both empty if the reference is not Stripe's."""
    customer, slash, method = reference.partition("/")
    is_ours = slash and customer.startswith("cus_") and method.startswith("pm_")
    return (customer, method) if is_ours else ("", "")


def id_of(field: object) -> str:
    """The id in a field that holds either an id or an expanded object."""
    if isinstance(field, Mapping):
        return str(field.get("id") or "")
    return str(field or "")


def wants_customer(error: StripeJson) -> bool:
    return AUTHENTICATION in (error.get("code"), error.get("decline_code"))


def declined(error: StripeJson, outcome: StripeJson, at: datetime, reference: str) -> Declined:
    """A decline by its code and the network's advice."""
    code = str(error.get("decline_code") or error.get("code") or "generic_decline")
    if error.get("code") in NOT_AUTHENTICATED:
        code = AUTHENTICATION
    if outcome.get("type") == "blocked":
        code = declines.BLOCKED_BY_PROCESSOR  # F2: the request never reached the bank
    advice = str(error.get("network_advice_code") or outcome.get("network_advice_code") or "")
    stripe_advice = error.get("advice_code") or outcome.get("advice_code")
    if advice in NEVER_AGAIN or stripe_advice == "do_not_try_again":
        better = NEVER_AGAIN.get(advice, "")
        return Declined(better or code, DeclineClass.HARD, at, reference)
    wait = WAITS.get(advice)
    return Declined(code, declines.class_of(code), at, reference, at + wait if wait else None)
