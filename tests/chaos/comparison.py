"""Compares the books line by line after a run."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.chaos import money, obligations, records
from tests.chaos.installation import Account
from tests.chaos.journal import Journal
from tests.chaos.mail_server import Received
from tests.chaos.receiver import Receiver
from tests.chaos.snapshot import OPERATOR, Snapshot


@dataclass(frozen=True)
class Difference:
    kind: str
    message: str


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
    """Emails that arrived again under the same Message-ID."""
    orphans: int
    went_back: int
    came_back: int
    """Reversals that were returned."""
    receipts: int
    events_in: int
    events_out: int
    event_copies: int
    """Events that arrived again under the same id."""
    holds: int
    holds_used: int


def differences(
    found: Snapshot,
    journal: Journal,
    accounts: Sequence[Account],
    received: Sequence[Received],
    receiver: Receiver,
) -> list[Difference]:
    compared: dict[str, Iterable[str]] = {
        "left over": records.left_over(found),
        "charge": money.charges(found),
        "credit": money.credited(found),
        "charged twice": money.charged_twice(found, journal),
        "debit": money.debits(found, journal),
        "operator posting": money.operator_postings(found, journal, accounts),
        "balance": money.balances(found, journal, accounts),
        "went back": obligations.taken_back(found),
        "receipt": obligations.receipts(found),
        "event in": obligations.events_in(found),
        "event out": obligations.events_out(found, receiver),
        "event due": obligations.events_due(found),
        "hold": obligations.holds(found, journal),
        "mail": records.mails(found, received),
        "mail due": records.mails_due(found),
        "list": records.lists(found),
        "proof": records.proofs(found),
        "audit": records.audit(found, journal),
        "log": records.logs(found),
        "seen": journal.faults,
    }
    return [Difference(kind, message) for kind, found in compared.items() for message in found]


def figures(found: Snapshot, received: Sequence[Received], receiver: Receiver) -> Figures:
    by_processor = [a for a in found.attempts.values() if a.processor != OPERATOR]
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
        orphans=records.orphans(found),
        went_back=len(found.reversals),
        came_back=sum(one.state == "returned" for one in found.reversals),
        receipts=found.count("receipt"),
        events_in=found.count("processor_event"),
        events_out=found.count("webhook_delivery"),
        event_copies=obligations.copies(receiver.received),
        holds=found.count("hold"),
        holds_used=found.count("hold WHERE state = 'ended'"),
    )
