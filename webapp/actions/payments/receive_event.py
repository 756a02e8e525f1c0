"""Process webhook events from processors, each once.

The signature is verified on the raw body. The current state is then fetched from the processor,
because events arrive late, twice and out of order. The event's id is written in the transaction of
its effect: if a worker dies before that commit, the processor delivers the event again.
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
from webapp.database.transactions import begin_writing
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
    """The event has been processed before."""
    FORGED = "forged"
    LATER = "later"
    """The processor could not be queried; it will deliver the event again."""


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
        log.warning("a webhook delivery for %s was rejected: %s", processor.name, event.reason)
        return Receipt.FORGED
    answer = (
        take_event(session, processor, event, clock, policy) if isinstance(event, Event) else event
    )
    if isinstance(answer, Receipt):
        return answer
    log.warning("an event of %s could not be processed: %s", processor.name, answer.reason)
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
    """Process the event once. `listed`: it was found by listing events, not by a webhook."""
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
            _record_alone(session, keep)
    except IntegrityError:
        # Two concurrent deliveries: the other one has processed the event.
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
    """Apply one happening. `keep` runs in the transaction of the effect, or in a separate one if
    there is no effect.
    """
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
            _record_for_operator(session, processor, happening, now)
            keep()
            session.commit()


def _settle(
    session: Session,
    processor: str,
    settled: Settled,
    now: datetime,
    policy: Policy,
    keep: Callable[[], None],
) -> None:
    attempt_id = session.scalar(
        select(Attempt.id).where(Attempt.key == settled.key, Attempt.processor == processor)
    )
    if attempt_id is not None:
        if not settle(session, attempt_id, settled.answer, now, policy, record=keep):
            _record_alone(session, keep)  # the attempt was settled before
        return
    begin_writing(session)
    if isinstance(settled.answer, Paid):
        paid = settled.answer
        what = f"Paid under the key {settled.key}, which matches no attempt in Ballast."
        stray = NeedsOperator(paid.reference, paid.amount, paid.currency, paid.at, what)
        _record_for_operator(session, processor, stray, now)
    keep()
    session.commit()


def _record_for_operator(
    session: Session, processor: str, stray: NeedsOperator, now: datetime
) -> None:
    """L9: an event that matches no account is shown to the operator only."""
    amount = (stray.amount, stray.currency, stray.at)
    report = (processor, stray.reference, stray.what)
    if unmatched_events.record(session, processor, stray.reference, stray.what, *amount, now):
        log.warning("unmatched event of %s, reference %s: %s", *report)


def _record_alone(session: Session, keep: Callable[[], None]) -> None:
    begin_writing(session)
    keep()
    session.commit()
