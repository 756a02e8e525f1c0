"""Compares charges, credits, usage and balances."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.installation import Account
from tests.chaos.journal import Journal, OperatorPosting
from tests.chaos.snapshot import OPERATOR, Snapshot


def charges(snapshot: Snapshot) -> Iterator[str]:
    """Each processor charge is credited once, in full, to its account."""
    for charge in snapshot.charges:
        attempt = snapshot.attempts.get(charge.key)
        if attempt is None:
            yield f"{charge} belongs to no attempt"
            continue
        if snapshot.entries[attempt.id] != [(attempt.account_id, charge.amount)]:
            yield f"{charge} was credited as {snapshot.entries[attempt.id]}"
        if (attempt.amount, attempt.currency) != (charge.amount, charge.currency):
            yield f"{charge} does not match {attempt}"


def credited(snapshot: Snapshot) -> Iterator[str]:
    """Each credited attempt of a processor has a charge."""
    charged = {charge.key for charge in snapshot.charges}
    for attempt in snapshot.attempts.values():
        is_credited = snapshot.entries[attempt.id] and attempt.processor != OPERATOR
        if is_credited and attempt.key not in charged:
            yield f"{attempt} was credited without a charge"


def charged_twice(snapshot: Snapshot, journal: Journal) -> Iterator[str]:
    """Each payment, top-up, form and failed attempt (by its Retries) causes at most one charge."""
    requests: Counter[tuple[str, object]] = Counter()
    for charge in snapshot.charges:
        if attempt := snapshot.attempts.get(charge.key):
            requests["payment", attempt.payment_id] += 1
            requests["top-up", attempt.top_up_id] += attempt.top_up_id is not None
            requests["form", attempt.request_key] += attempt.request_key is not None
            requests["failure", attempt.retry_of_id] += attempt.retry_of_id is not None
    yield from (
        f"{kind} {which} was charged {n}×" for (kind, which), n in requests.items() if n > 1
    )
    for attempt in snapshot.attempts.values():
        owner = journal.forms.get(attempt.request_key or "", attempt.account_id)
        if owner != attempt.account_id:
            yield f"{attempt} answers a form of account {owner}"


def debits(snapshot: Snapshot, journal: Journal) -> Iterator[str]:
    """L12: each answered debit is posted once with its amount, and nothing else is."""
    for reference, debit in journal.debits.items():
        posted = snapshot.usage.get(reference, [])
        if posted != [(debit.account_id, debit.amount)] and (posted or debit.answered):
            yield f"{reference}: {debit} was posted as {posted}"
        if not debit.answered:
            yield f"{reference} was never answered"
    for reference in snapshot.usage.keys() - journal.debits.keys():
        yield f"{reference} was posted without a request"


def operator_postings(
    snapshot: Snapshot, journal: Journal, accounts: Sequence[Account]
) -> Iterator[str]:
    """Adjustments, wires and opening balances are posted once each, and nothing else is."""
    posted = dict(snapshot.operator_postings)
    for note, posting in _expected_postings(snapshot, journal).items():
        entries = posted.pop(note, [])
        if entries != [(posting.account_id, posting.amount)] and (entries or posting.answered):
            yield f"{note}: {posting} was posted as {entries}"
    openings = sorted(posted.pop("Opening balance", []))
    if openings != sorted((account.id, account.opening) for account in accounts):
        yield f"the opening balances are {openings}"
    yield from (f"{note!r} was posted without a request" for note in posted)


def balances(snapshot: Snapshot, journal: Journal, accounts: Sequence[Account]) -> Iterator[str]:
    """Balances match the opening balance and all movements recorded by the run."""
    due = Counter({account.id: account.opening for account in accounts})
    for charge in snapshot.charges:
        if attempt := snapshot.attempts.get(charge.key):
            due[attempt.account_id] += charge.amount
    for row in snapshot.taken_back:
        if row.state != "returned" and (attempt := snapshot.attempts.get(row.key)):
            due[attempt.account_id] -= row.amount
    for debit in journal.debits.values():
        due[debit.account_id] -= debit.amount
    for note, posting in _expected_postings(snapshot, journal).items():
        # A posting cut off by a kill may or may not exist; `operator_postings` has checked it.
        due[posting.account_id] += posting.amount if note in snapshot.operator_postings else 0
    for account_id, balance in snapshot.rows("SELECT id, balance FROM account"):
        if balance != due[account_id]:
            yield f"account {account_id} has {balance}, and should have {due[account_id]}"


def _expected_postings(snapshot: Snapshot, journal: Journal) -> dict[str, OperatorPosting]:
    """Return the journal's postings by staff, by note: a reason or a wire's reference."""
    wires = {snapshot.wires[number][0]: credit for number, credit in journal.wires.items()}
    return journal.adjustments | wires
