"""A processor says that something has happened: let that take effect, once.

The signature is checked on the raw body, and what has happened is fetched anew, because events
come late, twice and in any order. The event's own id is written in the transaction of its effect:
a worker that dies in between is told again, and repeats nothing.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.actions.payment_methods.sync_method import method_gone, method_updated
from webapp.actions.payments.apply_reversal import apply_reversal
from webapp.actions.payments.settle import settle
from webapp.clock import Clock
from webapp.database.base import begin_writing
from webapp.domain.payments import processor_events, unmatched_events
from webapp.domain.payments.payment import Attempt
from webapp.domain.payments.processor_events import ProcessorEvent
from webapp.domain.shared.policy import Policy
from webapp.ports import (
    Event,
    Forged,
    Happening,
    MethodGone,
    MethodUpdated,
    NeedsOperator,
    Paid,
    Processor,
    RequestRejected,
    Reversed,
    Settled,
    Unknown,
)

log = logging.getLogger(__name__)


class Receipt(StrEnum):
    DONE = "done"
    KNOWN = "known"
    """It was delivered before."""
    FORGED = "forged"
    LATER = "later"
    """The processor could not be asked; it will deliver again."""


def receive_event(
    session: Session,
    processor: Processor,
    body: bytes,
    headers: Mapping[str, str],
    clock: Clock,
    policy: Policy,
) -> Receipt:
    event = processor.open_event(body, headers)
    if isinstance(event, Forged):
        log.warning("a delivery to %s was turned away: %s", processor.name, event.reason)
        return Receipt.FORGED
    answer = (
        take_event(session, processor, event, clock, policy) if isinstance(event, Event) else event
    )
    if isinstance(answer, Receipt):
        return answer
    log.warning("an event of %s could not be followed: %s", processor.name, answer.reason)
    return Receipt.LATER


def take_event(
    session: Session,
    processor: Processor,
    event: Event,
    clock: Clock,
    policy: Policy,
    *,
    listed: bool = False,
) -> Receipt | Unknown | RequestRejected:
    """Let it take effect once, however it came here. `listed`: by a list, and no webhook."""
    known = processor_events.is_known(session, processor.name, event.id)
    session.rollback()  # no transaction is open during the call
    if known:
        return Receipt.KNOWN
    found = processor.happenings(event)
    if isinstance(found, (Unknown, RequestRejected)):
        return found
    now = clock.now()
    try:
        for happening in found[:-1]:
            _take_effect(session, processor.name, happening, now, policy, lambda: None)
        keep = _keeper(session, processor.name, event, now, listed=listed)
        if found:
            _take_effect(session, processor.name, found[-1], now, policy, keep)
        else:
            _only(session, keep)
    except IntegrityError:
        # Delivered twice at once: the other one's effect stands.
        session.rollback()
        if not processor_events.is_known(session, processor.name, event.id):
            raise
        return Receipt.KNOWN
    return Receipt.DONE


def _keeper(
    session: Session, processor: str, event: Event, now: datetime, *, listed: bool
) -> Callable[[], None]:
    def keep() -> None:
        session.add(
            ProcessorEvent(
                processor=processor,
                event_id=event.id,
                about=event.about,
                received_at=now,
                listed=listed,
            )
        )
        session.flush()

    return keep


def _take_effect(
    session: Session,
    processor: str,
    happening: Happening,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    """`keep` belongs to the transaction of the effect, or is one of its own where there is none."""
    match happening:
        case Settled():
            _settle(session, processor, happening, now, policy, keep)
        case Reversed():
            apply_reversal(session, processor, happening, now, policy, keep)
        case MethodUpdated():
            method_updated(session, processor, happening.saved, now, policy, keep)
        case MethodGone():
            method_gone(session, processor, happening, now, policy, keep)
        case NeedsOperator():
            begin_writing(session)
            _lay_before_operator(session, processor, happening, now)
            keep()
            session.commit()


def _settle(
    session: Session,
    processor: str,
    told: Settled,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    attempt_id = session.scalar(
        select(Attempt.id).where(Attempt.key == told.key, Attempt.processor == processor)
    )
    if attempt_id is not None:
        if not settle(session, attempt_id, told.answer, now, policy, record=keep):
            _only(session, keep)  # it was settled before
        return
    begin_writing(session)
    if isinstance(told.answer, Paid):
        paid = told.answer
        what = f"It was paid under the key {told.key}, which belongs to no attempt of ours."
        stray = NeedsOperator(paid.reference, paid.amount, paid.currency, paid.at, what)
        _lay_before_operator(session, processor, stray, now)
    keep()
    session.commit()


def _lay_before_operator(
    session: Session, processor: str, stray: NeedsOperator, now: datetime
) -> None:
    """L9: an event that matches no account goes to the operator only."""
    amount = (stray.amount, stray.currency, stray.at)
    if unmatched_events.record(session, processor, stray.reference, stray.what, *amount, now):
        log.warning("%s says of %s: %s", processor, stray.reference, stray.what)


def _only(session: Session, keep: Callable[[], None]) -> None:
    begin_writing(session)
    keep()
    session.commit()
