"""What Stripe says, in our words: references, amounts, declines and the advice of the networks."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.domain.payment_methods import declines
from webapp.domain.shared.money import CENT, MICROS
from webapp.ports import DeclineClass, Declined

Told = Mapping[str, Any]
"""An object of Stripe's, as its JSON has it."""

ATTEMPT = "ballast_attempt"
"""Metadata: the key of our attempt, by which a payment is found again."""

PRESENT = "ballast_customer"
"""Metadata: "present" where the customer was there to be asked."""

FAILED_AT = "ballast_failed_at"
"""Metadata: when a failure was first seen for which Stripe itself keeps no time."""

# Their amounts have no hundredths (Stripe, "Zero-decimal currencies").
WITHOUT_CENTS = frozenset(
    (
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"),
    )
)

AUTHENTICATION = "authentication_required"
NOT_AUTHENTICATED = ("payment_intent_authentication_failure", "setup_intent_authentication_failure")

NEVER_AGAIN = {
    "01": "new_account_information_available",
    "03": "",
    "21": "stop_payment_order",
    "40": "",
    "41": "",
}
"""Network advice that forbids another automatic try, and the code it tells better than Stripe's."""

WAITS = {
    "24": timedelta(hours=1),
    "25": timedelta(hours=24),
    "26": timedelta(days=2),
    "27": timedelta(days=4),
    "28": timedelta(days=6),
    "29": timedelta(days=8),
    "30": timedelta(days=10),
}
"""Network advice: not before so long after the decline."""


def instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def smallest_unit(currency: str) -> int:
    """Micros of what Stripe counts in: cents, or whole units where there are none."""
    return MICROS if currency.upper() in WITHOUT_CENTS else CENT


def micros(amount: int, currency: str) -> int:
    return amount * smallest_unit(currency)


def reference_of(customer: str, method: str) -> str:
    """A method is charged together with the customer it belongs to."""
    return f"{customer}/{method}"


def parts_of(reference: str) -> tuple[str, str]:
    """Customer and method; both empty for what is no reference of Stripe's."""
    customer, slash, method = reference.partition("/")
    is_ours = slash and customer.startswith("cus_") and method.startswith("pm_")
    return (customer, method) if is_ours else ("", "")


def id_of(told: object) -> str:
    """Of a field that holds an id, or the object itself where it was asked for."""
    if isinstance(told, Mapping):
        return str(told.get("id") or "")
    return str(told or "")


def wants_customer(error: Told) -> bool:
    return AUTHENTICATION in (error.get("code"), error.get("decline_code"))


def declined(error: Told, outcome: Told, at: datetime, reference: str) -> Declined:
    """By the decline code, and by what the network advises beside it."""
    code = str(error.get("decline_code") or error.get("code") or "generic_decline")
    if error.get("code") in NOT_AUTHENTICATED:
        code = AUTHENTICATION
    if outcome.get("type") == "blocked":
        code = declines.BLOCKED_BY_PROCESSOR  # F2: the bank never saw it
    advice = str(error.get("network_advice_code") or outcome.get("network_advice_code") or "")
    said = error.get("advice_code") or outcome.get("advice_code")
    if advice in NEVER_AGAIN or said == "do_not_try_again":
        better = NEVER_AGAIN.get(advice, "")
        return Declined(better or code, DeclineClass.HARD, at, reference)
    wait = WAITS.get(advice)
    return Declined(code, declines.class_of(code), at, reference, at + wait if wait else None)
