"""Usage that arrives at once shares one durable commit.

Who comes while another writes waits, and the next to write posts for all who wait; each is answered
for its own records. Should that fail, each posts by itself, so that nobody is refused for another's
sake; only that the database cannot be used concerns all of them.
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
from webapp.domain.shared.policy import Policy
from webapp.domain.usage.record import Usage


@dataclass
class _Sent:
    account_id: int
    usages: Sequence[Usage]
    now: datetime
    is_taken: bool = False
    """By somebody who posts it together with others."""
    receipt: UsageReceipt | None = None
    outage: Exception | None = None


class _Queue:
    """Where those wait who can share a commit."""

    def __init__(self) -> None:
        self.turn = Lock()
        self.waiting: deque[_Sent] = deque()

    def take_all(self) -> list[_Sent]:
        taken = []
        while self.waiting:
            taken.append(self.waiting.popleft())
            taken[-1].is_taken = True
        return taken


class UsageBatcher:
    """Of one process."""

    def __init__(self) -> None:
        self._rooms: WeakValueDictionary[int, _Queue] = WeakValueDictionary()

    def post_usage(
        self,
        session: Session,
        account_id: int,
        usages: Sequence[Usage],
        now: datetime,
        policy: Policy,
    ) -> UsageReceipt:
        """As the action of that name; the balance is the one after all that came with it."""
        sent = _Sent(account_id, usages, now)
        session.rollback()  # nobody waits with a transaction open
        room = self._room(session, account_id)
        room.waiting.append(sent)
        with room.turn:
            if not sent.is_taken:
                everyone = room.take_all()
                if len(everyone) == 1:
                    return post_usage(session, account_id, usages, now, policy)
                _post_all(session, everyone, policy)
        if sent.outage is not None:
            raise sent.outage
        return sent.receipt or post_usage(session, account_id, usages, now, policy)

    def _room(self, session: Session, account_id: int) -> _Queue:
        """SQLite has one writer. Elsewhere an account that is locked holds up no other's usage."""
        one_writer = session.get_bind().dialect.name == "sqlite"
        return self._rooms.setdefault(0 if one_writer else account_id, _Queue())


def _post_all(session: Session, everyone: Sequence[_Sent], policy: Policy) -> None:
    """Leaves a receipt to each, or an outage; or neither where it failed otherwise."""
    usages: dict[int, list[Usage]] = {}
    for sent in everyone:
        usages.setdefault(sent.account_id, []).extend(sent.usages)
    try:
        receipts = post_usage_of_many(session, usages, max(it.now for it in everyone), policy)
    except Exception as error:  # noqa: BLE001 - whom it concerns meets it again by themselves
        session.rollback()
        for sent in everyone:
            sent.outage = error if fault_of(error) else None
        return
    verdicts = {account_id: iter(receipt.verdicts) for account_id, receipt in receipts.items()}
    for sent in everyone:
        mine = tuple(islice(verdicts[sent.account_id], len(sent.usages)))
        sent.receipt = replace(receipts[sent.account_id], verdicts=mine)
