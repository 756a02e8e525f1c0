"""The timeline (E1): what Ballast did or did not do for an account, and why."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from webapp.domain.events.rows import EventRow, count_repeat, latest_line


class Code(StrEnum):
    """Codes of the timeline's lines. They are stable, because clients may search for them."""

    # Results of a check of the account.
    ABOVE_THRESHOLD = "above_threshold"
    REFILL_OFF = "refill_off"
    WAITING = "waiting_for_outcome"
    NO_METHOD = "no_method_with_auto_charge"
    PRIMARY_OFF = "primary_auto_charge_off"
    ALL_SUSPENDED = "all_suspended"
    ALL_FAILED = "all_methods_failed"
    CAP_REACHED = "cap_reached"
    PAUSED = "paused"
    AFTER_REVERSAL = "low_by_a_reversal"
    REFILL_HELD = "refill_held"
    SETTINGS_OUT_OF_BOUNDS = "settings_out_of_bounds"
    SWITCHED_OFF = "automatic_payments_off"
    DRY_RUN = "dry_run"
    CHARGING = "charging"
    # Outcomes of payments.
    MISMATCH = "evidence_does_not_match"
    OPERATOR = "operator_must_decide"
    CHAIN_ENDED = "chain_ended"
    CHARGED = "charged"
    DECLINED = "declined"
    ABANDONED = "abandoned"
    TAKEN_BACK = "taken_back"
    GIVEN_BACK = "given_back"
    # Changes of a payment method.
    SUSPENSION_ENDED = "suspension_ended"
    RESTORED = "restored"
    METHOD_UPDATED = "method_updated"
    METHOD_GONE = "method_gone"
    WITHDRAWN_TOO_LATE = "withdrawn_after_start"
    # Changes of the account.
    RESUMED = "resumed"
    NOTIFIED = "notified"
    LIMITS_SET = "limits_set"
    USAGE_TOO_LARGE = "usage_too_large"


def record(
    session: Session,
    account_id: int,
    code: Code,
    sentence: str,
    now: datetime,
    *,
    attempt_id: int | None = None,
    top_up_id: int | None = None,
) -> None:
    """Write a line; a repeated result is counted beside the account's latest line."""
    last = latest_line(session, account_id)
    facts: dict[str, object] = {"sentence": sentence}
    if (
        last is not None
        and attempt_id is None
        and (last.timeline, last.facts) == (code, facts)
        and (last.attempt_id, last.top_up_id) == (None, top_up_id)
    ):
        count_repeat(session, last, now)
        return
    session.add(
        EventRow(
            account_id=account_id,
            kind=code,
            timeline=code,
            at=now,
            actor_name="Ballast",
            address="",
            facts=facts,
            attempt_id=attempt_id,
            top_up_id=top_up_id,
        )
    )
    session.flush()
