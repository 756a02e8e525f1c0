"""Reasons of declines for people (F2): what happened, and what to do.

The codes are those of the processors' public documentation. Their class follows the card
networks' retry rules.
"""

from dataclasses import dataclass
from datetime import datetime

from webapp.domain.shared.i18n import N_
from webapp.ports import DeclineClass, Declined


@dataclass(frozen=True)
class Reason:
    sentence: str
    """Short reason, as shown on a method's row: "Insufficient funds"."""
    advice: str
    """Advice for the customer."""


BANK = Reason(N_("Declined by the bank"), N_("Call your bank, or use another method."))
CALL_BANK = Reason(N_("Declined by the bank"), N_("Call your bank; it will tell you why."))
FUNDS = Reason(N_("Insufficient funds"), N_("Add money to that account, or use another method."))
LIMIT = Reason(
    N_("Over the card’s limit"), N_("Ask your bank about its limit, or use another method.")
)
BANK_DOWN = Reason(N_("The bank could not be reached"), N_("Retry later, or use another method."))
EXPIRED = Reason(N_("The card has expired"), N_("Add the renewed card."))
CODE = Reason(N_("Wrong security code"), N_("Add the card again with its security code."))
EXPIRY = Reason(N_("Wrong expiry date"), N_("Add the card again with its expiry date."))
NUMBER = Reason(N_("Invalid card"), N_("Add the card again, or use another one."))
AUTHENTICATION = Reason(
    N_("Authentication failed"), N_("Retry, and confirm the payment with your bank.")
)
CURRENCY = Reason(N_("The card cannot pay in this currency"), N_("Use another method."))
UNSUPPORTED = Reason(N_("The card does not allow this payment"), N_("Use another method."))
REVOKED = Reason(N_("These payments were stopped"), N_("Retry, or add the method again."))

BLOCKED = Reason(
    N_("Blocked by the payment processor’s fraud rules"),
    N_("Use another method, or ask your provider."),
)
REMOVED = Reason(N_("No longer known to the processor"), N_("Add it again, or use another method."))

METHOD_GONE = "method_gone"
"""Used as decline code if the method no longer exists at the processor (M13)."""

BLOCKED_BY_PROCESSOR = "blocked_by_processor"
"""The processor's fraud rules blocked the payment before it reached the bank (F2)."""

REASONS = {
    BLOCKED_BY_PROCESSOR: BLOCKED,
    METHOD_GONE: REMOVED,
    "insufficient_funds": FUNDS,
    "card_velocity_exceeded": LIMIT,
    "withdrawal_count_limit_exceeded": LIMIT,
    "processing_error": BANK_DOWN,
    "issuer_not_available": BANK_DOWN,
    "try_again_later": BANK_DOWN,
    "reenter_transaction": BANK_DOWN,
    "call_issuer": CALL_BANK,
    "authentication_required": AUTHENTICATION,
    "expired_card": EXPIRED,
    "incorrect_cvc": CODE,
    "invalid_cvc": CODE,
    "invalid_expiry_month": EXPIRY,
    "invalid_expiry_year": EXPIRY,
    "incorrect_number": NUMBER,
    "invalid_number": NUMBER,
    "invalid_account": NUMBER,
    "new_account_information_available": NUMBER,
    # F12: the customer reads that the bank declined and should be called, so that a thief learns
    # nothing. The operator sees the code.
    "lost_card": CALL_BANK,
    "stolen_card": CALL_BANK,
    "pickup_card": CALL_BANK,
    "restricted_card": CALL_BANK,
    "fraudulent": CALL_BANK,
    "merchant_blacklist": CALL_BANK,
    "security_violation": CALL_BANK,
    "highest_risk_level": CALL_BANK,
    "revocation_of_authorization": REVOKED,
    "revocation_of_all_authorizations": REVOKED,
    "stop_payment_order": REVOKED,
    "transaction_not_allowed": UNSUPPORTED,
    "card_not_supported": UNSUPPORTED,
    "currency_not_supported": CURRENCY,
}

_CUSTOMER = {
    METHOD_GONE,
    "authentication_required",
    "expired_card",
    "incorrect_cvc",
    "invalid_cvc",
    "invalid_expiry_month",
    "invalid_expiry_year",
}
_HARD = {
    BLOCKED_BY_PROCESSOR,
    "incorrect_number",
    "invalid_number",
    "invalid_account",
    "new_account_information_available",
    "lost_card",
    "stolen_card",
    "pickup_card",
    "restricted_card",
    "fraudulent",
    "merchant_blacklist",
    "security_violation",
    "revocation_of_authorization",
    "revocation_of_all_authorizations",
    "stop_payment_order",
    "transaction_not_allowed",
    "card_not_supported",
    "currency_not_supported",
    "highest_risk_level",
}


def reason(code: str | None) -> Reason:
    """Return the reason for a decline code; an unknown code is a decline by the bank."""
    return REASONS.get(code or "", BANK)


def code_for_customer(code: str | None) -> str | None:
    """Return the decline code that an account's key and people see: it hides what F12 hides."""
    return "call_issuer" if code is not None and reason(code) is CALL_BANK else code


def class_of(code: str) -> DeclineClass:
    """Return the class of a decline code; unknown codes are soft."""
    if code in _HARD:
        return DeclineClass.HARD
    return DeclineClass.CUSTOMER if code in _CUSTOMER else DeclineClass.SOFT


def declined(code: str, at: datetime, reference: str = "") -> Declined:
    """Return a processor's decline with the class of its code."""
    return Declined(code, class_of(code), at, reference)
