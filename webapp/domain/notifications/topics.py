"""What mails are about, and who of an account gets which.

Each of the account's billing addresses gets every topic, unless it was taken off (`mail_opt_outs`).
What moves money must reach somebody; the other topics may reach nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

MOST_ADDRESSES = 10


class Topic(StrEnum):
    RECEIPTS = "receipts"
    FAILURES = "failures"
    WIRES = "wires"
    LOW_BALANCE = "low_balance"
    CARDS = "cards"

    @property
    def must_reach_somebody(self) -> bool:
        return self in (Topic.RECEIPTS, Topic.FAILURES, Topic.WIRES)


@dataclass(frozen=True)
class Recipient:
    address: str
    topics: frozenset[Topic]


def recipients(
    addresses: Iterable[str], opt_outs: Mapping[str, Sequence[str]]
) -> tuple[Recipient, ...]:
    """As an account keeps them."""
    return tuple(
        Recipient(address, frozenset(t for t in Topic if t not in opt_outs.get(address, ())))
        for address in addresses
    )


def opt_outs(recipients: Iterable[Recipient]) -> dict[str, list[str]]:
    """What an account keeps of them."""
    off = {r.address: [str(t) for t in Topic if t not in r.topics] for r in recipients}
    return {address: topics for address, topics in off.items() if topics}


def unreached(recipients: Sequence[Recipient]) -> list[Topic]:
    """Topics that must reach somebody, and would reach nobody."""
    reached = frozenset[Topic]().union(*(it.topics for it in recipients))
    return [topic for topic in Topic if topic.must_reach_somebody and topic not in reached]
