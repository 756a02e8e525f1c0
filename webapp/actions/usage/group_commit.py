"""Post concurrent usage requests in one durable commit.

Requests that arrive during a commit queue up; the next writer posts the whole queue in one
transaction, and each request gets the verdicts of its own records. If that transaction fails, each
request is posted separately, so that no request fails because of another one. A database outage is
raised in all of them.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from threading import Lock
from weakref import WeakValueDictionary

from sqlalchemy.orm import Session

from webapp.actions.usage.post_usage import (
    UsageReceipt,
    post_usage,
    post_usage_of_each,
    post_usage_of_many,
)
from webapp.database.errors import fault_of
from webapp.database.transactions import has_one_writer
from webapp.domain.shared.context import SYSTEM, Context
from webapp.domain.usage.record import Usage

Usages = Mapping[int, Sequence[Usage]]
"""Records by account id."""


@dataclass
class _Request:
    usages: Usages
    now: datetime
    is_taken: bool = False
    """Whether another request's thread posts this one."""
    receipts: dict[int, UsageReceipt] | None = None
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

    def post_usage(self, ctx: Context, usages: Usages) -> dict[int, UsageReceipt]:
        """Like the actions of `post_usage`; the balances include the whole group.

        Raises `Refusal` if the request is for one account, which cannot take its usage.
        """
        request = _Request(usages, ctx.now)
        ctx.session.rollback()  # no transaction is open while the request waits
        queue = self._queue(ctx.session, usages)
        queue.waiting.append(request)
        with queue.writing:
            if not request.is_taken:
                requests = queue.take_all()
                if len(requests) == 1:
                    return _post_alone(ctx, usages)
                _post_all(ctx, requests)
        if request.outage is not None:
            raise request.outage
        return request.receipts or _post_alone(ctx, usages)

    def _queue(self, session: Session, usages: Usages) -> _Queue:
        """One queue on SQLite, which has one writer. Elsewhere one queue per account, so that a
        locked account delays no other account's usage; a batch of several accounts has its own.
        """
        if has_one_writer(session):
            return self._queues.setdefault(0, _Queue())
        if len(usages) > 1:
            return _Queue()
        return self._queues.setdefault(next(iter(usages)), _Queue())


def _post_alone(ctx: Context, usages: Usages) -> dict[int, UsageReceipt]:
    if len(usages) > 1:
        return post_usage_of_each(ctx, usages)
    return {account_id: post_usage(ctx, account_id, usages[account_id]) for account_id in usages}


def _post_all(ctx: Context, requests: Sequence[_Request]) -> None:
    """Set each request's receipts, or its outage; neither if posting fails for another reason."""
    usages: dict[int, list[Usage]] = {}
    for request in requests:
        for account_id, records in request.usages.items():
            usages.setdefault(account_id, []).extend(records)
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
        request.receipts = {
            account_id: replace(
                receipts[account_id], verdicts=tuple(islice(verdicts[account_id], len(records)))
            )
            for account_id, records in request.usages.items()
        }
