"""Events that no webhook has told are listed at their processor, and taken as if one had (L17).

A processor delivers an event again for some days and then never; an endpoint that is disabled or
has a wrong secret gets none. An event has one id, so what a webhook has told is passed over, and a
webhook that comes late repeats nothing.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.actions.payments.receive_event import Receipt, take_event
from webapp.clock import Clock
from webapp.database.base import begin_writing
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments import processor_events, unmatched_events
from webapp.domain.payments.processor_events import EventPosition
from webapp.domain.shared.policy import Policy
from webapp.ports import Event, Listed, ListsEvents, Processors, RequestRejected, Unknown

log = logging.getLogger(__name__)

GRACE = timedelta(minutes=10)
"""A webhook has this long to arrive before its event is listed."""

OVERLAP = timedelta(hours=1)
"""A list may show an event later than the time that it bears, so this much is listed twice."""

LONGEST, SHORTEST = timedelta(days=1), timedelta(seconds=1)
"""Spans of time that are listed at once."""

SPANS = 100
"""In one run; the next run goes on from there."""


def catch_up(
    session: Session,
    processors: Processors,
    clock: Clock,
    policy: Policy,
    should_continue: ShouldContinue = always,
) -> int:
    """How many events were taken that no webhook had told."""
    listing = {name: one for name, one in processors.items() if isinstance(one, ListsEvents)}
    runs = {
        name: _Run(session, one, clock, policy, should_continue) for name, one in listing.items()
    }
    run_each(session, runs, lambda name: runs[name].run(), "catching up with", should_continue)
    return sum(run.taken for run in runs.values())


class _Run:
    """Through the events of one processor, from where the last run came to until now."""

    def __init__(
        self,
        session: Session,
        processor: ListsEvents,
        clock: Clock,
        policy: Policy,
        should_continue: ShouldContinue,
    ) -> None:
        self._session, self._processor, self._going = session, processor, should_continue
        self._clock, self._policy = clock, policy
        self._until = clock.now() - GRACE
        self._is_away = False
        self._all_taken = True
        """Every event from `caught_up_to` on, as far as it can be listed."""
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
                self._trouble = self._trouble or "Not every event could be taken; see the log"
            if self._is_away or not self._going():
                break
            self._move_on(since, end)
            since = end
        if self._going():
            self._end(has_come_to_now=since >= self._until)

    def _list(
        self, since: datetime, until: datetime
    ) -> tuple[Listed | Unknown | RequestRejected, datetime]:
        """As much of the span as is listed at once, from its beginning, and where that ends."""
        while True:
            listed = self._processor.list_events(since, until)
            if not isinstance(listed, Listed) or listed.is_whole:
                return listed, until
            if until - since <= SHORTEST:
                return Unknown("one second has more events than are listed at once"), until
            until = since + (until - since) / 2

    def _take(self, listed: Sequence[Event]) -> bool:
        """Whether all of them have been taken, now or before."""
        known = processor_events.known(
            self._session, self._processor.name, [one.id for one in listed]
        )
        self._session.rollback()  # no transaction is open during the calls
        missed = [one for one in listed if one.id not in known]
        return run_each(self._session, missed, self._take_one, "event", self._going) == len(missed)

    def _take_one(self, event: Event) -> bool:
        if self._is_away:
            return False
        around = (self._clock, self._policy)
        answer = take_event(self._session, self._processor, event, *around, listed=True)
        if isinstance(answer, Receipt):
            self.taken += answer is Receipt.DONE
            return True
        name, id_, why = self._processor.name, event.id, answer.reason
        log.warning("the event %s of %s could not be followed: %s", id_, name, why)
        self._trouble = f"{id_} could not be followed: {why}"
        # One event that cannot be followed must not keep the others waiting.
        answers = self._processor.list_events(self._until - SHORTEST, self._until)
        self._is_away = not isinstance(answers, Listed)
        return False

    # The position

    def _begin(self) -> datetime:
        """Where listing goes on; at first from the first method that was saved there."""
        session, name, now = self._session, self._processor.name, self._clock.now()
        earliest = now - self._processor.keeps_events
        begin_writing(session)
        position = session.get(EventPosition, name)
        if position is None or position.caught_up_to > now:
            # A later position was written by a clock that was ahead. What it has listed is not
            # known, so everything is listed again.
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

    def _lay_gap_before_operator(self, since: datetime, until: datetime, now: datetime) -> None:
        name = self._processor.name
        gap = f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M}"
        what = (
            f"Not every event of {name} {gap} UTC has been taken, and {name} lists them no longer. "
            "Compare the refunds and disputes of that time there with the payments here."
        )
        log.error(what)
        unmatched_events.record(self._session, name, f"events {gap}", what, 0, "", until, now)

    def _move_on(self, since: datetime, until: datetime) -> None:
        session = self._session
        begin_writing(session)
        position = session.get_one(EventPosition, self._processor.name)
        if self._all_taken and position.caught_up_to < since:
            self._lay_gap_before_operator(position.caught_up_to, since, self._clock.now())
        position.has_listed(until, all_taken=self._all_taken)
        session.commit()

    def _end(self, *, has_come_to_now: bool) -> None:
        session = self._session
        begin_writing(session)
        position = session.get_one(EventPosition, self._processor.name)
        if has_come_to_now:
            position.start_again()
        if self._trouble:
            log.warning("%s: %s", self._processor.name, self._trouble)
        position.tell(self._trouble)
        session.commit()
