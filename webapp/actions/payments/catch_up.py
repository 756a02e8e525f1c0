"""List events at the processors and process those that no webhook has delivered (L17).

A processor redelivers an event only for some days; an endpoint that is disabled or has a wrong
secret receives none. Events are identified by their id, so events already delivered are skipped,
and a late webhook has no second effect.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.actions.payments.receive_event import Receipt, take_event
from webapp.database.transactions import begin_writing
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import processor_events, unmatched_events
from webapp.domain.payments.processor_events import EventPosition
from webapp.domain.shared.context import Context
from webapp.ports import Event, Listed, ListsEvents, RequestRejected, Unknown

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=10)
"""Time for a webhook to arrive before its event is listed."""

OVERLAP = timedelta(hours=1)
"""A list may show an event later than its timestamp, so runs overlap by this much."""

LONGEST, SHORTEST = timedelta(days=1), timedelta(seconds=1)
"""Longest and shortest span of time that one request lists."""

SPANS = 100
"""Maximum number of spans per run; the next run continues."""


def catch_up(ctx: Context, should_continue: ShouldContinue = always) -> int:
    """Return how many events were processed that no webhook had delivered."""
    listing = {name: one for name, one in ctx.processors.items() if isinstance(one, ListsEvents)}
    runs = {name: _Run(ctx, one, should_continue) for name, one in listing.items()}
    run_each(ctx.session, runs, lambda name: runs[name].run(), "catching up with", should_continue)
    return sum(run.taken for run in runs.values())


class _Run:
    """One run through a processor's events, from the end of the last run until now."""

    def __init__(
        self, ctx: Context, processor: ListsEvents, should_continue: ShouldContinue
    ) -> None:
        self._ctx, self._processor, self._should_continue = ctx, processor, should_continue
        self._until = ctx.clock.now() - GRACE
        self._is_unavailable = False
        self._all_taken = True
        """Whether every listable event since `caught_up_to` has been processed."""
        self._trouble = ""
        self.taken = 0

    def run(self) -> None:
        since = self._begin()
        for _ in range(SPANS):
            if since >= self._until:
                break
            listed, end = self._list(since, min(since + LONGEST, self._until))
            if not isinstance(listed, Listed):
                self._trouble = f"Events could not be listed: {listed.reason}"
                break
            if not self._take(listed.events):
                self._all_taken = False
                self._trouble = self._trouble or "Not every event could be processed; see the log"
            if self._is_unavailable or not self._should_continue():
                break
            self._advance(since, end)
            since = end
        if self._should_continue():
            self._end(is_up_to_date=since >= self._until)

    def _list(
        self, since: datetime, until: datetime
    ) -> tuple[Listed | Unknown | RequestRejected, datetime]:
        """List the span, or the part from its beginning that fits one list; and the part's end."""
        while True:
            listed = self._processor.list_events(since, until)
            if not isinstance(listed, Listed) or listed.is_whole:
                return listed, until
            if until - since <= SHORTEST:
                return Unknown("one second has more events than one list holds"), until
            until = since + (until - since) / 2

    def _take(self, listed: Sequence[Event]) -> bool:
        """Process the events. Returns whether all are processed, now or earlier."""
        known = processor_events.known(
            self._ctx.session, self._processor.name, [one.id for one in listed]
        )
        self._ctx.session.rollback()  # no transaction is open during the calls
        missed = [one for one in listed if one.id not in known]
        return run_each(
            self._ctx.session, missed, self._take_one, "event", self._should_continue
        ) == len(missed)

    def _take_one(self, event: Event) -> bool:
        if self._is_unavailable:
            return False
        answer = take_event(
            self._ctx,
            self._processor,
            event,
            listed=True,
        )
        if isinstance(answer, Receipt):
            self.taken += answer is Receipt.DONE
            return True
        name, id_, why = self._processor.name, event.id, answer.reason
        log.warning("event %s of %s could not be processed: %s", id_, name, why)
        self._trouble = f"{id_} could not be processed: {why}"
        # One faulty event must not block the others, unless the processor is unavailable.
        answers = self._processor.list_events(self._until - SHORTEST, self._until)
        self._is_unavailable = not isinstance(answers, Listed)
        return False

    # The position

    def _begin(self) -> datetime:
        """Where listing continues; at first, when the first method was saved at the processor."""
        session, name, now = self._ctx.session, self._processor.name, self._ctx.clock.now()
        earliest = now - self._processor.keeps_events
        begin_writing(session)
        position = session.get(EventPosition, name)
        if position is None or position.caught_up_to > now:
            # A position in the future was written while the clock was ahead. What was listed then
            # is not known, so everything is listed again.
            first = session.scalar(
                select(func.min(PaymentMethod.created_at)).where(PaymentMethod.processor == name)
            )
            start = max(earliest, min(first or now, now))
            position = EventPosition(processor=name, caught_up_to=start, listed_to=start)
            position = session.merge(position)
        since = max(min(position.listed_to, now) - OVERLAP, earliest)
        self._all_taken = since <= max(position.caught_up_to, earliest)
        session.commit()
        return since

    def _record_gap_for_operator(self, since: datetime, until: datetime) -> None:
        name = self._processor.name
        gap = f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
        what = (
            f"Not every event of {name} {gap} UTC was processed, and {name} no longer lists them. "
            f"Compare the refunds and disputes of that time at {name} with the payments here."
        )
        log.error(what)
        unmatched_events.record(self._ctx.later(), name, f"events {gap}", what, 0, "", until)

    def _advance(self, since: datetime, until: datetime) -> None:
        session = self._ctx.session
        begin_writing(session)
        position = session.get_one(EventPosition, self._processor.name)
        if self._all_taken and position.caught_up_to < since:
            self._record_gap_for_operator(position.caught_up_to, since)
        position.has_listed(until, all_taken=self._all_taken)
        session.commit()

    def _end(self, *, is_up_to_date: bool) -> None:
        session = self._ctx.session
        begin_writing(session)
        position = session.get_one(EventPosition, self._processor.name)
        if is_up_to_date:
            position.start_again()
        if self._trouble:
            log.warning("%s: %s", self._processor.name, self._trouble)
        position.tell(self._trouble)
        session.commit()
