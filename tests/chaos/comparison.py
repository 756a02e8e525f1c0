"""Compares the product's data with the processor's and the journal's after a run."""

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
    """Counts for the report."""

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
    reversals: int
    returned_reversals: int
    """Reversals that were returned."""
    receipts: int
    events_in: int
    events_out: int
    event_copies: int
    """Events that arrived again under the same id."""
    holds: int
    holds_used: int


def differences(
    snapshot: Snapshot,
    journal: Journal,
    accounts: Sequence[Account],
    received: Sequence[Received],
    receiver: Receiver,
) -> list[Difference]:
    compared: dict[str, Iterable[str]] = {
        "unfinished": records.unfinished(snapshot),
        "charge": money.charges(snapshot),
        "credit": money.credited(snapshot),
        "charged twice": money.charged_twice(snapshot, journal),
        "debit": money.debits(snapshot, journal),
        "operator posting": money.operator_postings(snapshot, journal, accounts),
        "balance": money.balances(snapshot, journal, accounts),
        "reversal": obligations.taken_back(snapshot),
        "receipt": obligations.receipts(snapshot),
        "event in": obligations.events_in(snapshot),
        "event out": obligations.events_out(snapshot, receiver),
        "event due": obligations.events_due(snapshot),
        "crossing": obligations.crossings(snapshot),
        "sequence": obligations.sequences(snapshot),
        "hold": obligations.holds(snapshot, journal),
        "email": records.mails(snapshot, received),
        "email due": records.mails_due(snapshot),
        "list": records.lists(snapshot),
        "proof": records.proofs(snapshot),
        "audit": records.audit(snapshot, journal),
        "log": records.logs(snapshot),
        "fault": journal.faults,
    }
    return [
        Difference(kind, message) for kind, messages in compared.items() for message in messages
    ]


def figures(snapshot: Snapshot, received: Sequence[Received], receiver: Receiver) -> Figures:
    by_processor = [a for a in snapshot.attempts.values() if a.processor != OPERATOR]
    ids = Counter(mail.message_id for mail in received)
    return Figures(
        charges=len(snapshot.charges),
        credits=sum(len(snapshot.entries[attempt.id]) for attempt in by_processor),
        declines=snapshot.count("attempt WHERE state = 'declined'"),
        top_ups=snapshot.count("top_up"),
        retries=snapshot.count("payment WHERE kind = 'retry'"),
        wires=snapshot.count("wire_request WHERE state = 'completed'"),
        debits=sum(len(entries) for entries in snapshot.usage.values()),
        mails=len(ids),
        copies=ids.total() - len(ids),
        orphans=records.orphans(snapshot),
        reversals=len(snapshot.reversals),
        returned_reversals=sum(one.state == "returned" for one in snapshot.reversals),
        receipts=snapshot.count("receipt"),
        events_in=snapshot.count("processor_event"),
        events_out=snapshot.count("webhook_delivery"),
        event_copies=obligations.copies(receiver.received),
        holds=snapshot.count("hold"),
        holds_used=snapshot.count("hold WHERE state = 'ended'"),
    )
