"""Topics of emails, and the recipients of each.

Each billing address of an account receives every topic, except those in `mail_opt_outs`. Topics
about money need at least one recipient; the others may have none.
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
    """Build the recipients from an account's `billing_emails` and `mail_opt_outs`."""
    return tuple(
        Recipient(address, frozenset(t for t in Topic if t not in opt_outs.get(address, ())))
        for address in addresses
    )


def opt_outs(recipients: Iterable[Recipient]) -> dict[str, list[str]]:
    """Build an account's `mail_opt_outs` from its recipients."""
    off = {r.address: [str(t) for t in Topic if t not in r.topics] for r in recipients}
    return {address: topics for address, topics in off.items() if topics}


def unreached(recipients: Sequence[Recipient]) -> list[Topic]:
    """Return the topics that need a recipient and have none."""
    reached = frozenset[Topic]().union(*(it.topics for it in recipients))
    return [topic for topic in Topic if topic.must_reach_somebody and topic not in reached]
