"""Mapping from PayPal's issues to common decline codes.

Issues that are not listed concern our configuration or request, not the payer: PayPal has rejected
the request (L8). Of the issues about the payee, only those that block this payer are listed.
"""

GONE = "revocation_of_authorization"
"""The agreement was cancelled by the payer or revoked by us: PayPal no longer has it (M13)."""

CODES = {
    "INSTRUMENT_DECLINED": "generic_decline",
    "TRANSACTION_REFUSED": "generic_decline",
    "DECLINED_DUE_TO_RELATED_TXN": "generic_decline",
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": "generic_decline",
    "ALIAS_DECLINED_BY_PROCESSOR": "generic_decline",
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": "generic_decline",
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": "insufficient_funds",
    "TRANSACTION_LIMIT_EXCEEDED": "card_velocity_exceeded",
    "PAYMENT_SOURCE_INFO_CANNOT_BE_VERIFIED": "authentication_required",
    "PAYER_CANNOT_PAY": "transaction_not_allowed",
    "DOMESTIC_TRANSACTION_REQUIRED": "transaction_not_allowed",
    "PAYMENT_SOURCE_CANNOT_BE_USED": "transaction_not_allowed",
    "COMPLIANCE_VIOLATION": "restricted_card",
    "PAYER_ACCOUNT_RESTRICTED": "restricted_card",
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": "restricted_card",
    "TRANSACTION_BLOCKED_BY_PAYEE": "merchant_blacklist",
    "PAYEE_BLOCKED_TRANSACTION": "merchant_blacklist",
    "AGREEMENT_ALREADY_CANCELLED": GONE,
    "BILLING_AGREEMENT_NOT_FOUND": GONE,
    "TOKEN_EXPIRED": GONE,
    "TOKEN_ID_NOT_FOUND": GONE,
}
