"""Process webhook events from processors, each once.

The signature is verified on the raw body. The current state is then fetched from the processor,
because events arrive late, twice and out of order. The event's id is written in the transaction of
its effect: if a worker dies before that commit, the processor delivers the event again.
"""

import logging
from collections.abc import Callable, Mapping
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.actions.payment_methods.sync_method import method_gone, method_updated
from webapp.actions.payments.apply_reversal import apply_reversal
from webapp.actions.payments.settle import settle
from webapp.database.transactions import begin_writing
from webapp.domain.payments import processor_events, unmatched_events
from webapp.domain.payments.payment import Attempt
from webapp.domain.payments.processor_events import ProcessorEvent
from webapp.domain.shared.context import Context
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
    ctx: Context, processor: Processor, body: bytes, headers: Mapping[str, str]
) -> Receipt:
    event = processor.open_event(body, headers)
    if isinstance(event, Forged):
        log.warning("a webhook delivery for %s was rejected: %s", processor.name, event.reason)
        return Receipt.FORGED
    answer = take_event(ctx, processor, event) if isinstance(event, Event) else event
    if isinstance(answer, Receipt):
        return answer
    log.warning("an event of %s could not be processed: %s", processor.name, answer.reason)
    return Receipt.LATER


def take_event(
    ctx: Context, processor: Processor, event: Event, *, listed: bool = False
) -> Receipt | Unknown | RequestRejected:
    """Process the event once. `listed`: it was found by listing events, not by a webhook."""
    known = processor_events.is_known(ctx.session, processor.name, event.id)
    ctx.session.rollback()  # no transaction is open during the call
    if known:
        return Receipt.KNOWN
    found = processor.happenings(event)
    if isinstance(found, (Unknown, RequestRejected)):
        return found
    ctx = ctx.later()
    try:
        for happening in found[:-1]:
            _take_effect(ctx, processor.name, happening, lambda: None)
        keep = _keeper(ctx, processor.name, event, listed=listed)
        if found:
            _take_effect(ctx, processor.name, found[-1], keep)
        else:
            _record_alone(ctx, keep)
    except IntegrityError:
        # Two concurrent deliveries: the other one has processed the event.
        ctx.session.rollback()
        if not processor_events.is_known(ctx.session, processor.name, event.id):
            raise
        return Receipt.KNOWN
    return Receipt.DONE


def _keeper(ctx: Context, processor: str, event: Event, *, listed: bool) -> Callable[[], None]:
    def keep() -> None:
        ctx.session.add(
            ProcessorEvent(
                processor=processor,
                event_id=event.id,
                about=event.about,
                received_at=ctx.now,
                listed=listed,
            )
        )
        ctx.session.flush()

    return keep


def _take_effect(
    ctx: Context, processor: str, happening: Happening, keep: Callable[[], None]
) -> None:
    """Apply one happening. `keep` runs in the transaction of the effect, or in a separate one if
    there is no effect.
    """
    match happening:
        case Settled():
            _settle(ctx, processor, happening, keep)
        case Reversed():
            apply_reversal(ctx, processor, happening, keep)
        case MethodUpdated():
            method_updated(ctx, processor, happening.saved, keep)
        case MethodGone():
            method_gone(ctx, processor, happening, keep)
        case NeedsOperator():
            begin_writing(ctx.session)
            _record_for_operator(ctx, processor, happening)
            keep()
            ctx.session.commit()


def _settle(ctx: Context, processor: str, settled: Settled, keep: Callable[[], None]) -> None:
    attempt_id = ctx.session.scalar(
        select(Attempt.id).where(Attempt.key == settled.key, Attempt.processor == processor)
    )
    if attempt_id is not None:
        if not settle(ctx, attempt_id, settled.answer, record=keep):
            _record_alone(ctx, keep)  # the attempt was settled before
        return
    begin_writing(ctx.session)
    if isinstance(settled.answer, Paid):
        paid = settled.answer
        what = f"Paid under the key {settled.key}, which matches no attempt in Ballast."
        stray = NeedsOperator(paid.reference, paid.amount, paid.currency, paid.at, what)
        _record_for_operator(ctx, processor, stray)
    keep()
    ctx.session.commit()


def _record_for_operator(ctx: Context, processor: str, stray: NeedsOperator) -> None:
    """L9: an event that matches no account is shown to the operator only."""
    report = (processor, stray.reference, stray.what)
    if unmatched_events.record(
        ctx, processor, stray.reference, stray.what, stray.amount, stray.currency, stray.at
    ):
        log.warning("unmatched event of %s, reference %s: %s", *report)


def _record_alone(ctx: Context, keep: Callable[[], None]) -> None:
    begin_writing(ctx.session)
    keep()
    ctx.session.commit()
