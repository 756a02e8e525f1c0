"""Post concurrent usage requests in one durable commit.

Requests that arrive during a commit queue up; the next writer posts the whole queue in one
transaction, and each request gets the verdicts of its own records. If that transaction fails, each
request is posted separately, so that no request fails because of another one. A database outage is
raised in all of them.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from threading import Lock
from weakref import WeakValueDictionary

from sqlalchemy.orm import Session

from webapp.actions.usage.post_usage import UsageReceipt, post_usage, post_usage_of_many
from webapp.database.errors import fault_of
from webapp.database.transactions import has_one_writer
from webapp.domain.shared.context import SYSTEM, Context
from webapp.domain.usage.record import Usage


@dataclass
class _Request:
    account_id: int
    usages: Sequence[Usage]
    now: datetime
    is_taken: bool = False
    """Whether another request's thread posts this one."""
    receipt: UsageReceipt | None = None
    outage: Exception | None = None


class _Queue:
    """Queue of requests that may share one commit."""

    def __init__(self) -> None:
        self.writing = Lock()
        self.waiting: deque[_Request] = deque()

    def take_all(self) -> list[_Request]:
        taken = []
        while self.waiting:
            taken.append(self.waiting.popleft())
            taken[-1].is_taken = True
        return taken


class UsageBatcher:
    """Groups usage requests into commits. One instance per process."""

    def __init__(self) -> None:
        self._queues: WeakValueDictionary[int, _Queue] = WeakValueDictionary()

    def post_usage(self, ctx: Context, account_id: int, usages: Sequence[Usage]) -> UsageReceipt:
        """Like the action `post_usage`; the balance includes the whole group."""
        request = _Request(account_id, usages, ctx.now)
        ctx.session.rollback()  # no transaction is open while the request waits
        queue = self._queue(ctx.session, account_id)
        queue.waiting.append(request)
        with queue.writing:
            if not request.is_taken:
                requests = queue.take_all()
                if len(requests) == 1:
                    return post_usage(ctx, account_id, usages)
                _post_all(ctx, requests)
        if request.outage is not None:
            raise request.outage
        return request.receipt or post_usage(ctx, account_id, usages)

    def _queue(self, session: Session, account_id: int) -> _Queue:
        """One queue on SQLite, which has one writer; elsewhere one queue per account, so that a
        locked account delays no other account's usage.
        """
        return self._queues.setdefault(0 if has_one_writer(session) else account_id, _Queue())


def _post_all(ctx: Context, requests: Sequence[_Request]) -> None:
    """Set each request's receipt, or its outage; neither if posting fails for another reason."""
    usages: dict[int, list[Usage]] = {}
    for request in requests:
        usages.setdefault(request.account_id, []).extend(request.usages)
    now = max(request.now for request in requests)
    try:
        # The requests belong to several accounts, and no event may name another account's key.
        receipts = post_usage_of_many(ctx.by(SYSTEM).at(now), usages)
    except Exception as error:  # noqa: BLE001 - raised again when the requests post separately
        ctx.session.rollback()
        for request in requests:
            request.outage = error if fault_of(error) else None
        return
    verdicts = {account_id: iter(receipt.verdicts) for account_id, receipt in receipts.items()}
    for request in requests:
        own = tuple(islice(verdicts[request.account_id], len(request.usages)))
        request.receipt = replace(receipts[request.account_id], verdicts=own)
