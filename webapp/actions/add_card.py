"""A captured card joins the list (M4, M8)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.actions.look import look
from webapp.clock import Clock
from webapp.domain import audit, payment_methods
from webapp.domain.accounts import Account
from webapp.domain.audit import Actor
from webapp.domain.declines import reason
from webapp.domain.errors import Refusal
from webapp.domain.payment_methods import MethodKind, PaymentMethod
from webapp.domain.policy import Policy
from webapp.ports import Declined, Processor, SavedCard


def add_card(
    session: Session,
    account_id: int,
    token: str,
    actor: Actor,
    processor: Processor,
    clock: Clock,
    policy: Policy,
) -> PaymentMethod:
    """Save the card behind a capture form's token. Raises `Refusal` with the bank's reason."""
    session.rollback()  # no transaction is open during the call
    answer = processor.save_card(token)
    if isinstance(answer, Declined):
        why = reason(answer.code)
        raise Refusal(f"{why.sentence}. {why.advice}", code="card_declined")
    if not isinstance(answer, SavedCard):
        raise Refusal(
            "The card could not be saved just now. Nothing was kept; please send it again.",
            code="card_not_saved",
        )
    now = clock.now()
    account = Account.locked(session, account_id)
    method = _known(session, account_id, answer.fingerprint)
    if method is not None:
        # M12: adding a suspended or barred card again does not lift the bar.
        method.refresh(answer)
        audit.record(session, account_id, actor, "card_refreshed", now, method=method.label)
    else:
        method = _join(session, account_id, answer, processor.name, now)
        if (removed := _removed(session, account_id, answer.fingerprint)) is not None:
            method.take_over_failures(removed)
        audit.record(session, account_id, actor, "card_added", now, method=method.label)
    session.flush()
    look(session, account, "method added", now, policy)
    session.commit()
    return method


def _known(session: Session, account_id: int, fingerprint: str) -> PaymentMethod | None:
    return session.scalar(
        select(PaymentMethod).where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.fingerprint == fingerprint,
            PaymentMethod.removed_at.is_(None),
        )
    )


def _removed(session: Session, account_id: int, fingerprint: str) -> PaymentMethod | None:
    """The same card as it was when it was last removed: removing it lifts no bar either (M12)."""
    return session.scalar(
        select(PaymentMethod)
        .where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.fingerprint == fingerprint,
            PaymentMethod.removed_at.is_not(None),
        )
        .order_by(PaymentMethod.id.desc())
        .limit(1)
    )


def _join(
    session: Session, account_id: int, card: SavedCard, processor: str, now: datetime
) -> PaymentMethod:
    """At the end of the list; the first of all starts with auto-charge on (M4)."""
    last = payment_methods.last_position(session, account_id)
    method = PaymentMethod(
        account_id=account_id,
        kind=MethodKind.CARD,
        processor=processor,
        fingerprint=card.fingerprint,
        position=last + 1,
        auto_charge=last == 0,
        auto_charge_changed_at=now,
        declines_in_a_row=0,
        created_at=now,
    )
    method.refresh(card)
    session.add(method)
    return method
