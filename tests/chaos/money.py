"""Comparing the money: what was taken, what was credited, what was used, and what is left."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.found import BY_HAND, Found
from tests.chaos.installation import Account
from tests.chaos.journal import ByHand, Journal


def charges(found: Found) -> Iterator[str]:
    """Whatever the processor has taken was credited exactly once, as much, to whom it belongs."""
    for charge in found.charges:
        attempt = found.attempts.get(charge.key)
        if attempt is None:
            yield f"{charge} belongs to no attempt"
            continue
        if found.entries[attempt.id] != [(attempt.account_id, charge.amount)]:
            yield f"{charge} was credited as {found.entries[attempt.id]}"
        if (attempt.amount, attempt.currency) != (charge.amount, charge.currency):
            yield f"{charge} is not what {attempt} asked for"


def credited(found: Found) -> Iterator[str]:
    """Each of a processor's attempts that the ledger names has its charge."""
    charged = {charge.key for charge in found.charges}
    for attempt in found.attempts.values():
        named = found.entries[attempt.id] and attempt.processor != BY_HAND
        if named and attempt.key not in charged:
            yield f"{attempt} was credited, and nothing was charged"


def charged_twice(found: Found, journal: Journal) -> Iterator[str]:
    """One wish, one charge: a payment, a top-up, a form, and all Retries of one failure."""
    wishes: Counter[tuple[str, object]] = Counter()
    for charge in found.charges:
        if attempt := found.attempts.get(charge.key):
            wishes["payment", attempt.payment_id] += 1
            wishes["top-up", attempt.top_up_id] += attempt.top_up_id is not None
            wishes["form", attempt.request_key] += attempt.request_key is not None
            wishes["failure", attempt.retry_of_id] += attempt.retry_of_id is not None
    yield from (f"{wish} {which} was charged {n}×" for (wish, which), n in wishes.items() if n > 1)
    for attempt in found.attempts.values():
        owner = journal.forms.get(attempt.request_key or "", attempt.account_id)
        if owner != attempt.account_id:
            yield f"{attempt} answers a form of account {owner}"


def debits(found: Found, journal: Journal) -> Iterator[str]:
    """L12: what was answered is there, once and as much; nothing else is."""
    for reference, debit in journal.debits.items():
        posted = found.usage.get(reference, [])
        if posted != [(debit.account_id, debit.amount)] and (posted or debit.answered):
            yield f"{reference}: {debit} stands as {posted}"
        if not debit.answered:
            yield f"{reference} was never answered"
    for reference in found.usage.keys() - journal.debits.keys():
        yield f"{reference} was posted, and nobody asked"


def by_hand(found: Found, journal: Journal, accounts: Sequence[Account]) -> Iterator[str]:
    """Adjustments, wires and opening balances: once each, and nothing else."""
    posted = dict(found.by_hand)
    for words, given in _given(found, journal).items():
        entries = posted.pop(words, [])
        if entries != [(given.account_id, given.amount)] and (entries or given.answered):
            yield f"{words}: {given} stands as {entries}"
    openings = sorted(posted.pop("Opening balance", []))
    if openings != sorted((account.id, account.opening) for account in accounts):
        yield f"the opening balances are {openings}"
    yield from (f"{words!r} was posted, and nobody asked" for words in posted)


def balances(found: Found, journal: Journal, accounts: Sequence[Account]) -> Iterator[str]:
    """What was there, and what came and went since, by the run's own memory."""
    due = Counter({account.id: account.opening for account in accounts})
    for charge in found.charges:
        if attempt := found.attempts.get(charge.key):
            due[attempt.account_id] += charge.amount
    for row in found.taken_back:
        if row.state != "returned" and (attempt := found.attempts.get(row.key)):
            due[attempt.account_id] -= row.amount
    for debit in journal.debits.values():
        due[debit.account_id] -= debit.amount
    for words, given in _given(found, journal).items():
        # One that a kill has cut off was or was not posted; `by_hand` has judged which.
        due[given.account_id] += given.amount if words in found.by_hand else 0
    for account_id, balance in found.rows("SELECT id, balance FROM account"):
        if balance != due[account_id]:
            yield f"account {account_id} has {balance}, and should have {due[account_id]}"


def _given(found: Found, journal: Journal) -> dict[str, ByHand]:
    """What the staff has posted, by its words: a reason, or a wire's reference."""
    wires = {found.wires[number][0]: credit for number, credit in journal.wires.items()}
    return journal.adjustments | wires
