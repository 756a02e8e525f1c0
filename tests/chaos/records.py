"""Compares other records: emails, lists, proofs, the audit log and the servers' logs."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.journal import Journal
from tests.chaos.mail_server import Received
from tests.chaos.snapshot import Snapshot
from webapp.database.errors import SENTENCES

UNFINISHED = {
    "an attempt is open": (
        "SELECT id FROM attempt WHERE state IN ('started', 'unknown', 'refused', 'challenged')"
    ),
    "an attempt waits for an operator": "SELECT id FROM attempt WHERE needs_operator",
    "a payment is open": "SELECT id FROM payment WHERE state = 'open'",
    "a top-up is open": "SELECT id FROM top_up WHERE state = 'open'",
    "a method is being set up": "SELECT id FROM method_setup WHERE state = 'open'",
    "an email is owed": "SELECT id FROM notice WHERE state = 'owed'",
    "an event is owed": "SELECT id FROM webhook_delivery WHERE state = 'owed'",
    "a hold has ended but is recorded as open": "SELECT id FROM hold WHERE state = 'open'",
    "a reference is to be revoked": "SELECT id FROM revocation WHERE done_at IS NULL",
}
"""Queries for unfinished work."""

IN_A_LOG = re.compile(
    r"database is locked|[Dd]eadlock|Traceback|Fatal Python error|"
    # the run itself stops the mail server
    r"\b(ERROR|CRITICAL)\b(?!.* The mail server cannot be used)"
)

OF_A_FAIL_OVER = re.compile(f"^.*({'|'.join(SENTENCES.values())}).*$", re.MULTILINE)

WIRE_MAILS = {"new": "wire_requested", "proof_uploaded": "wire_proof"}


def unfinished(snapshot: Snapshot) -> Iterator[str]:
    """No work is unfinished."""
    for problem, sql in UNFINISHED.items():
        yield from (f"{problem}: {row[0]}" for row in snapshot.rows(sql))


def is_settled(snapshot: Snapshot) -> bool:
    return not list(unfinished(snapshot))


def mails(snapshot: Snapshot, received: Sequence[Received]) -> Iterator[str]:
    """Each email arrived at least once, under its Message-ID."""
    arrived = Counter(received)
    for number, message_id, recipient, state in snapshot.rows(
        "SELECT id, message_id, recipient, state FROM notice"
    ):
        copies = arrived.pop(Received(message_id, recipient), 0)
        if state != "sent" or not copies:
            yield f"notice {number} is {state}, and arrived {copies} times"
    yield from (f"{mail} belongs to no notice" for mail in arrived)


def mails_due(snapshot: Snapshot) -> Iterator[str]:
    """L6, F11, L5, L7: an email for each charge, suspension, wire state and reversal."""
    owed = {(kind, about) for kind, about in snapshot.rows("SELECT kind, about FROM notice")}
    paid = [snapshot.attempts[c.key].id for c in snapshot.charges if c.key in snapshot.attempts]
    due = {("receipt", f"attempt {attempt_id}") for attempt_id in paid}
    for number, (_, state) in snapshot.wires.items():
        due.add(("wire_requested", f"wire {number}"))
        due.add((WIRE_MAILS.get(state, f"wire_{state}"), f"wire {number}"))
    for one in snapshot.reversals:
        due |= {("taken_back", f"reversal {one.id} taken_back")} if one.debit_id else set()
        due |= {("taken_back", f"reversal {one.id} given_back")} if one.credit_id else set()
    yield from (f"no email {kind} about {about}" for kind, about in due - owed)
    reported = {
        about for kind, about in owed if kind in ("method_suspended", "authentication_required")
    }
    for (attempt_id,) in snapshot.rows("SELECT id FROM attempt WHERE suspended_method"):
        if f"attempt {attempt_id}" not in reported:
            yield f"no email reports that attempt {attempt_id} suspended its method"


def lists(snapshot: Snapshot) -> Iterator[str]:
    """Positions have no gap; listed methods exist at the processor, removed ones do not."""
    chargeable = snapshot.saved_methods
    places = defaultdict(list)
    for account_id, place, reference, removed_at, gone_at in snapshot.rows(
        "SELECT account_id, position, processor_reference, removed_at, gone_at FROM payment_method"
    ):
        if removed_at is None:
            places[account_id].append(place)
        # A method removed at the processor stays in the list and is skipped (M13).
        if chargeable.get(reference) != (removed_at is None and gone_at is None):
            yield f"{reference} of account {account_id} differs between the list and the processor"
    for account_id, taken in places.items():
        if sorted(taken) != list(range(1, len(taken) + 1)):
            yield f"the list of account {account_id} has the positions {sorted(taken)}"


def orphans(snapshot: Snapshot) -> int:
    """Count cards saved at the processor by requests that a kill cut off; no list has them."""
    known = {row[0] for row in snapshot.rows("SELECT processor_reference FROM payment_method")}
    known |= {row[0] for row in snapshot.rows("SELECT reference FROM revocation")}
    cards = {reference for reference in snapshot.saved_methods if not reference.startswith("agr_")}
    return len(cards - known)


def proofs(snapshot: Snapshot) -> Iterator[str]:
    """L5: each proof's file exists with its full size."""
    for file, size in snapshot.rows("SELECT file, size FROM wire_proof"):
        sizes = [path.stat().st_size for path in snapshot.home.rglob(file)]
        if sizes != [size]:
            yield f"proof {file} has {sizes} bytes, not {size}"


def audit(snapshot: Snapshot, journal: Journal) -> Iterator[str]:
    """P2: each decision about an attempt is in the audit log."""
    recorded = {int(details["attempt"]) for details in snapshot.audited("attempt_decided")}
    for attempt_id in journal.decided - recorded:
        yield f"the decision about attempt {attempt_id} is not audited"


def logs(snapshot: Snapshot) -> Iterator[str]:
    """No log has an error; fail-overs may log known messages."""
    for path in sorted(snapshot.logs.iterdir()):
        text = path.read_text(errors="replace")
        if snapshot.fails_over:
            text = OF_A_FAIL_OVER.sub("", text)
        if trouble := IN_A_LOG.search(text):
            yield f"{path.name}: {text[max(0, trouble.start() - 200) : trouble.end() + 2000]}"
