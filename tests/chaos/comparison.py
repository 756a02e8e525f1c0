"""The books after a run, compared line by line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.chaos import money, promises, traces
from tests.chaos.found import BY_HAND, Found
from tests.chaos.installation import Account
from tests.chaos.journal import Journal
from tests.chaos.mail_server import Received
from tests.chaos.receiver import Receiver


@dataclass(frozen=True)
class Difference:
    kind: str
    words: str


@dataclass(frozen=True)
class Figures:
    charges: int
    credits: int
    declines: int
    top_ups: int
    retries: int
    wires: int
    debits: int
    mails: int
    copies: int
    """Mails that arrived once more, under the same Message-ID."""
    orphans: int
    went_back: int
    came_back: int
    """Of those."""
    receipts: int
    events_in: int
    events_out: int
    event_copies: int
    """Events that arrived once more, under the same id."""
    holds: int
    holds_used: int


def differences(
    found: Found,
    journal: Journal,
    accounts: Sequence[Account],
    received: Sequence[Received],
    receiver: Receiver,
) -> list[Difference]:
    compared: dict[str, Iterable[str]] = {
        "left over": traces.left_over(found),
        "charge": money.charges(found),
        "credit": money.credited(found),
        "charged twice": money.charged_twice(found, journal),
        "debit": money.debits(found, journal),
        "by hand": money.by_hand(found, journal, accounts),
        "balance": money.balances(found, journal, accounts),
        "went back": promises.taken_back(found),
        "receipt": promises.receipts(found),
        "event in": promises.events_in(found),
        "event out": promises.events_out(found, receiver),
        "event due": promises.events_due(found),
        "hold": promises.holds(found, journal),
        "mail": traces.mails(found, received),
        "mail due": traces.mails_due(found),
        "list": traces.lists(found),
        "proof": traces.proofs(found),
        "audit": traces.audit(found, journal),
        "log": traces.logs(found),
        "seen": journal.faults,
    }
    return [Difference(kind, words) for kind, told in compared.items() for words in told]


def figures(found: Found, received: Sequence[Received], receiver: Receiver) -> Figures:
    by_processor = [a for a in found.attempts.values() if a.processor != BY_HAND]
    ids = Counter(mail.message_id for mail in received)
    return Figures(
        charges=len(found.charges),
        credits=sum(len(found.entries[attempt.id]) for attempt in by_processor),
        declines=found.count("attempt WHERE state = 'declined'"),
        top_ups=found.count("top_up"),
        retries=found.count("payment WHERE kind = 'retry'"),
        wires=found.count("wire_request WHERE state = 'completed'"),
        debits=sum(len(entries) for entries in found.usage.values()),
        mails=len(ids),
        copies=ids.total() - len(ids),
        orphans=traces.orphans(found),
        went_back=len(found.reversals),
        came_back=sum(one.state == "returned" for one in found.reversals),
        receipts=found.count("receipt"),
        events_in=found.count("processor_event"),
        events_out=found.count("webhook_delivery"),
        event_copies=promises.copies(receiver.received),
        holds=found.count("hold"),
        holds_used=found.count("hold WHERE state = 'ended'"),
    )
