"""Codes of the timeline (E1), which says what Ballast did or did not do for an account, and why."""

from enum import StrEnum
from typing import Self


class About(StrEnum):
    """Filters of the timeline by subject."""

    CHARGES = "charges"
    FAILURES = "failures"
    NOTHING = "nothing"
    METHODS = "methods"
    ACCOUNT = "account"


class Code(StrEnum):
    """Codes of the timeline's lines. They are stable, because clients may search for them."""

    heading: str
    about: About
    tone: str
    """ "ok", "accent", "warn", "bad" or "off"."""

    def __new__(cls, value: str, heading: str, about: About, tone: str = "off") -> Self:
        code = str.__new__(cls, value)
        code._value_, code.heading, code.about, code.tone = value, heading, about, tone
        return code

    # Results of a check of the account.
    ABOVE_THRESHOLD = "above_threshold", "No refill needed", About.NOTHING
    REFILL_OFF = "refill_off", "Automatic refill is off", About.NOTHING
    WAITING = "waiting_for_outcome", "Waiting for an outcome", About.NOTHING, "warn"
    NO_METHOD = "no_method_with_auto_charge", "No method with auto-charge", About.NOTHING, "warn"
    PRIMARY_OFF = "primary_auto_charge_off", "Primary’s auto-charge is off", About.NOTHING, "warn"
    ALL_SUSPENDED = "all_suspended", "All methods out of use", About.NOTHING, "warn"
    ALL_FAILED = "all_methods_failed", "All methods declined", About.FAILURES, "bad"
    CAP_REACHED = "cap_reached", "Limit reached", About.NOTHING, "warn"
    PAUSED = "paused", "Paused", About.NOTHING, "warn"
    AFTER_REVERSAL = "low_by_a_reversal", "No refill after a reversal", About.NOTHING, "warn"
    REFILL_HELD = "refill_held", "Refill on hold", About.NOTHING, "warn"
    SETTINGS_OUT_OF_BOUNDS = "settings_out_of_bounds", "Settings outside the limits", About.NOTHING
    SWITCHED_OFF = "automatic_payments_off", "Switched off", About.NOTHING
    ACCOUNT_SUSPENDED = "account_suspended", "Account suspended", About.NOTHING, "warn"
    ACCOUNT_CLOSED = "account_closed", "Account closed", About.NOTHING, "warn"
    DRY_RUN = "dry_run", "Dry run", About.CHARGES
    CHARGING = "charging", "Charging", About.CHARGES, "accent"
    # Outcomes of payments.
    MISMATCH = "evidence_does_not_match", "Payment details don’t match", About.FAILURES, "bad"
    OPERATOR = "operator_must_decide", "Waiting for your provider", About.FAILURES, "warn"
    CHAIN_ENDED = "chain_ended", "Not continued", About.FAILURES
    CHARGED = "charged", "Charged", About.CHARGES, "ok"
    DECLINED = "declined", "Declined", About.FAILURES, "bad"
    ABANDONED = "abandoned", "Abandoned", About.FAILURES
    TAKEN_BACK = "taken_back", "Payment reversed", About.ACCOUNT, "warn"
    GIVEN_BACK = "given_back", "Payment returned", About.ACCOUNT, "ok"
    # Changes of a payment method.
    SUSPENSION_ENDED = "suspension_ended", "Suspension ended", About.METHODS, "ok"
    RESTORED = "restored", "Method restored", About.METHODS, "ok"
    METHOD_UPDATED = "method_updated", "Renewed by the bank", About.METHODS, "ok"
    METHOD_GONE = "method_gone", "No longer at the processor", About.METHODS, "bad"
    WITHDRAWN_TOO_LATE = "withdrawn_after_start", "Changed during a charge", About.METHODS, "warn"
    # Changes of the account.
    RESUMED = "resumed", "Resumed", About.ACCOUNT, "ok"
    NOTIFIED = "notified", "Notification", About.ACCOUNT, "accent"
    LIMITS_SET = "limits_set", "Limits set", About.ACCOUNT, "accent"
    USAGE_REVERSED = "usage_reversed", "Usage reversed", About.ACCOUNT, "ok"
    USAGE_TOO_LARGE = "usage_too_large", "Usage rejected", About.ACCOUNT, "warn"
    USAGE_AFTER_CLOSING = "usage_after_closing", "Usage after closing", About.ACCOUNT, "warn"


CODES = {code.value: code for code in Code}
