"""Run concurrent requests in one durable commit.

Requests that arrive during a commit queue up; the next writer runs the whole queue in one
transaction. If that transaction fails, each request runs alone, so that no request fails because of
another one. A database outage is raised in all of them.
"""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy.orm import Session

from webapp.database.errors import fault_of
from webapp.database.transactions import has_one_writer
from webapp.domain.shared.context import SYSTEM, Context

Sent = TypeVar("Sent")
Got = TypeVar("Got")

Run = Callable[[Context, Sequence[Sent]], Sequence[Got]]
"""Runs requests in one transaction and commits; returns one result per request."""


@dataclass
class _Request(Generic[Sent, Got]):
    sent: Sent
    now: datetime
    is_taken: bool = False
    """Whether another request's thread runs this one."""
    results: list[Got] = field(default_factory=list)
    """The result, once there is one."""
    outage: Exception | None = None


class _Queue(Generic[Sent, Got]):
    """Queue of requests that may share one commit."""

    def __init__(self) -> None:
        self.writing = Lock()
        self.waiting: deque[_Request[Sent, Got]] = deque()

    def take_all(self) -> list[_Request[Sent, Got]]:
        taken = []
        while self.waiting:
            taken.append(self.waiting.popleft())
            taken[-1].is_taken = True
        return taken


class GroupCommit(Generic[Sent, Got]):
    """Groups requests of one kind into commits. One instance per process and kind."""

    def __init__(self, run: Run[Sent, Got]) -> None:
        self._run = run
        self._queues: WeakValueDictionary[int, _Queue[Sent, Got]] = WeakValueDictionary()

    def submit(self, ctx: Context, account_ids: Collection[int], sent: Sent) -> Got:
        """Run the request, alone or with others; returns its result, or raises its exception.

        `account_ids`: the accounts that the request locks.
        """
        request = _Request[Sent, Got](sent, ctx.now)
        ctx.session.rollback()  # no transaction is open while the request waits
        queue = self._queue(ctx.session, account_ids)
        queue.waiting.append(request)
        with queue.writing:
            if not request.is_taken:
                requests = queue.take_all()
                if len(requests) == 1:
                    return self._run(ctx, [sent])[0]
                self._run_all(ctx, requests)
        if request.outage is not None:
            raise request.outage
        return request.results[0] if request.results else self._run(ctx, [sent])[0]

    def _queue(self, session: Session, account_ids: Collection[int]) -> _Queue[Sent, Got]:
        """One queue on SQLite, which has one writer. Elsewhere one queue per account, so that a
        locked account delays no other account's requests; a request of several has its own.
        """
        if has_one_writer(session):
            return self._queues.setdefault(0, _Queue())
        if len(account_ids) > 1:
            return _Queue()
        return self._queues.setdefault(next(iter(account_ids)), _Queue())

    def _run_all(self, ctx: Context, requests: Sequence[_Request[Sent, Got]]) -> None:
        """Set each request's result, or its outage; neither if the group fails otherwise."""
        now = max(request.now for request in requests)
        try:
            # The requests belong to several keys, and no event may name another account's key.
            results = self._run(ctx.by(SYSTEM).at(now), [request.sent for request in requests])
        except Exception as error:  # noqa: BLE001 - raised again when the requests run alone
            ctx.session.rollback()
            for request in requests:
                request.outage = error if fault_of(error) else None
            return
        for request, result in zip(requests, results, strict=True):
            request.results.append(result)
