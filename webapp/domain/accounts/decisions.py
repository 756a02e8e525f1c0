"""The timeline (E1): what Ballast did or did not do for an account, and why."""

from enum import StrEnum

from webapp.domain.events.rows import EventRow, count_repeat, latest_line
from webapp.domain.shared.context import Context


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
    ctx: Context,
    account_id: int,
    code: Code,
    sentence: str,
    *,
    attempt_id: int | None = None,
    top_up_id: int | None = None,
) -> None:
    """Write a line; a repeated result is counted beside the account's latest line."""
    last = latest_line(ctx.session, account_id)
    facts: dict[str, object] = {"sentence": sentence}
    if (
        last is not None
        and attempt_id is None
        and (last.timeline, last.facts) == (code, facts)
        and (last.attempt_id, last.top_up_id) == (None, top_up_id)
    ):
        count_repeat(ctx, last)
        return
    ctx.session.add(
        EventRow(
            account_id=account_id,
            kind=code,
            timeline=code,
            at=ctx.now,
            actor_name="Ballast",
            address="",
            facts=facts,
            attempt_id=attempt_id,
            top_up_id=top_up_id,
        )
    )
    ctx.session.flush()
