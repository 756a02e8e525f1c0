"""The timeline (E1): what Ballast did or did not do for an account, and why."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, Text, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index


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


class Decision(Base):
    __tablename__ = "decision"
    __table_args__ = (
        Index("ix_decision_account_id_id", "account_id", "id"),
        # From a payment to its timeline lines (E2).
        partial_index("ix_decision_attempt_id", "attempt_id", where="attempt_id IS NOT NULL"),
        partial_index("ix_decision_top_up_id", "top_up_id", where="top_up_id IS NOT NULL"),
        # For the operator's metric (L14).
        partial_index("ix_decision_usage_too_large", "last_at", where="code = 'usage_too_large'"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    code: Mapped[Code] = mapped_column(String(40))
    sentence: Mapped[str] = mapped_column(Text)
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    top_up_id: Mapped[int | None] = mapped_column(ForeignKey("top_up.id"))
    times: Mapped[int] = mapped_column(default=1)
    """Number of consecutive checks with the same result."""
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


_LATEST = (
    select(Decision)
    .where(Decision.account_id == bindparam("account_id"))
    .order_by(Decision.id.desc())
    .limit(1)
)


def latest(session: Session, account_id: int) -> Decision | None:
    return session.scalar(_LATEST, {"account_id": account_id})


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
    """Write a line; a repeated result is counted in the account's latest line."""
    last = latest(session, account_id)
    if (
        last is not None
        and attempt_id is None
        and (last.code, last.sentence) == (code, sentence)
        and (last.attempt_id, last.top_up_id) == (None, top_up_id)
    ):
        last.times += 1
        last.last_at = now
        return
    session.add(
        Decision(
            account_id=account_id,
            code=code,
            sentence=sentence,
            attempt_id=attempt_id,
            top_up_id=top_up_id,
            first_at=now,
            last_at=now,
        )
    )
    session.flush()
