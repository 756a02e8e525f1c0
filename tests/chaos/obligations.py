"""Compares other obligations: reversals, receipts, events in and out, and holds."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.journal import Journal
from tests.chaos.receiver import Delivery, Receiver
from tests.chaos.snapshot import OPERATOR, Snapshot

ENTRIES = """
SELECT a.payment_id, e.account_id, e.amount
FROM ledger_entry e JOIN attempt a ON a.id = e.attempt_id WHERE a.processor = 'operator'
"""

HOLDS = "SELECT account_id, reference, state, expires_at FROM hold"

REPORTED = "SELECT account_id, reference, used FROM hold WHERE reports > 0"

USED_AT = "SELECT account_id, reference, posted_at FROM ledger_entry WHERE kind = 'usage'"

OPENING = "Opening balance"

FUNDS = "SELECT id, balance, credit_limit, is_exhausted FROM account"

CROSSINGS = """
SELECT account_id, webhook FROM event
WHERE webhook IN ('balance.exhausted', 'balance.restored') ORDER BY id
"""

NUMBERED = """
SELECT e.id, p.event_id, p.sequence FROM event e LEFT JOIN provider_event p ON p.event_id = e.id
WHERE e.webhook <> 'test' ORDER BY p.sequence
"""


def taken_back(snapshot: Snapshot) -> Iterator[str]:
    """L7: each reversal is debited once, and credited once if it is returned."""
    entries = defaultdict(list)
    for payment_id, account_id, amount in snapshot.rows(ENTRIES):
        entries[payment_id].append((account_id, amount))
    followed = {reversal.reference: reversal for reversal in snapshot.reversals}
    for row in snapshot.taken_back:
        attempt, reversal = snapshot.attempts.get(row.key), followed.pop(row.reference, None)
        if attempt is None or reversal is None or reversal.state != row.state:
            yield f"{row} was recorded as {reversal}"
            continue
        debit_entries = entries[reversal.debit_id] if reversal.debit_id else []
        credit_entries = entries[reversal.credit_id] if reversal.credit_id else []
        due = [(attempt.account_id, -row.amount)], [(attempt.account_id, row.amount)]
        # A reversal that is returned before its event is delivered is not posted at all.
        allowed = [due, ([], [])] if row.state == "returned" else [(due[0], [])]
        if (debit_entries, credit_entries) not in allowed:
            yield f"{row} was posted as {debit_entries} and {credit_entries}"
    yield from (f"{reversal} is not at the processor" for reversal in followed.values())


def receipts(snapshot: Snapshot) -> Iterator[str]:
    """L6: each paid payment of a customer has a receipt; the numbers have no gaps."""
    numbers = defaultdict(list)
    given: Counter[int] = Counter()
    for account_id, number, payment_id in snapshot.rows(
        "SELECT account_id, number, payment_id FROM receipt"
    ):
        numbers[account_id].append(number)
        given[payment_id] += 1
    for account_id, count in snapshot.rows("SELECT id, receipts FROM account"):
        if sorted(numbers[account_id]) != list(range(1, count + 1)):
            yield f"account {account_id} counts {count} and has {sorted(numbers[account_id])}"
    due = _charged(snapshot) | set(_by_staff(snapshot, "wire"))
    for payment_id in due | given.keys():
        if given[payment_id] != (payment_id in due):
            yield f"payment {payment_id} has {given[payment_id]} receipts"


def events_in(snapshot: Snapshot) -> Iterator[str]:
    """Each processor event was accepted once (L13)."""
    accepted = Counter(row[0] for row in snapshot.rows("SELECT event_id FROM processor_event"))
    for name, delivered_at in snapshot.events:
        if delivered_at is None or accepted.pop(name, 0) != 1:
            yield f"{name}, delivered {delivered_at}, was not accepted once"
    unknown = accepted.keys() - snapshot.listed
    yield from (f"{name} was accepted, but the processor has no such event" for name in unknown)


def events_out(snapshot: Snapshot, receiver: Receiver) -> Iterator[str]:
    """Each webhook event arrived at least once, always with the same body."""
    paths = {}
    for number, url, ended in snapshot.rows("SELECT id, url, ended FROM webhook_endpoint"):
        paths[number] = next(path for path in receiver.secrets if url == receiver.url(path))
        if ended is not None:
            yield f"{url} was switched off: {ended}"
    bodies: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    for delivery in receiver.received:
        bodies[delivery.path, delivery.event_id].add(delivery.body)
    for event_id, endpoint_id, state in snapshot.rows(
        "SELECT event_id, endpoint_id, state FROM webhook_delivery"
    ):
        arrived = bodies.pop((paths[endpoint_id], event_id), set())
        if state != "delivered" or len(arrived) != 1:
            yield f"event {event_id} is {state}, and arrived with {len(arrived)} bodies"
    yield from (f"{which} arrived without a delivery record" for which in bodies)
    yield from receiver.faults


def events_due(snapshot: Snapshot) -> Iterator[str]:
    """Each paid payment of an account with an endpoint has one event, and others have none."""
    rows = snapshot.rows("SELECT DISTINCT account_id FROM webhook_endpoint")
    listens = {row[0] for row in rows}
    if None in listens:  # an endpoint of the provider
        listens = {account_id for (account_id,) in snapshot.rows("SELECT id FROM account")}
    owners = {attempt.payment_id: attempt.account_id for attempt in snapshot.attempts.values()}
    paid = _charged(snapshot) | set(_by_staff(snapshot, "")) | _returned(snapshot)
    due = {payment_id for payment_id in paid if owners[payment_id] in listens}
    counts = Counter(snapshot.webhook_payments("payment.succeeded"))
    for payment_id in due | counts.keys():
        if counts[payment_id] != (payment_id in due):
            yield f"payment {payment_id} has {counts[payment_id]} events"


def crossings(snapshot: Snapshot) -> Iterator[str]:
    """V7: each crossing of minus the credit limit is one event, and the last one is the state."""
    found = defaultdict(list)
    for account_id, kind in snapshot.rows(CROSSINGS):
        found[account_id].append(kind)
    for account_id, balance, credit_limit, is_exhausted in snapshot.rows(FUNDS):
        kinds = found[account_id]
        expected = ["balance.restored", "balance.exhausted"] * len(kinds)
        if kinds != expected[: len(kinds)]:
            yield f"account {account_id} crossed in the order {kinds}"
        recorded = not kinds or kinds[-1] == "balance.exhausted"
        if {bool(is_exhausted), recorded} != {balance <= -credit_limit}:
            yield f"account {account_id} is recorded as exhausted or not, and has {balance}"


def sequences(snapshot: Snapshot) -> Iterator[str]:
    """V7: each event has its row, and the numbers have no gap.

    All are numbered where the provider has an endpoint that receives all.
    """
    rows = snapshot.rows(NUMBERED)
    yield from (f"event {row[0]} cannot be numbered" for row in rows if row[1] is None)
    numbers = sorted(row[2] for row in rows if row[2] is not None)
    if numbers != list(range(1, len(numbers) + 1)):
        yield "the numbers of events have a gap"
    has_endpoint = snapshot.count("webhook_endpoint WHERE account_id IS NULL")
    if has_endpoint and len(numbers) < len(rows):
        yield f"{len(rows) - len(numbers)} events have no number"


def holds(snapshot: Snapshot, journal: Journal) -> Iterator[str]:
    """T12, V6: each answered hold exists, usage ends its hold, no hold stays open, and what was
    reported is debited once.
    """
    used = {(account, reference): at for account, reference, at in snapshot.rows(USED_AT)}
    stored = {(account, ref): (state, end) for account, ref, state, end in snapshot.rows(HOLDS)}
    for reference, hold in journal.holds.items():
        mine = hold.account_id, reference
        state, ends_at = stored.pop(mine, ("", None))
        if not state and hold.answered:
            yield f"the hold {reference} was answered but does not exist"
        if state == "open":
            yield f"the hold {reference} is still open"
        if state == "ended" and mine not in used:
            yield f"the hold {reference} ended without usage"
        is_late = mine in used and ends_at is not None and ends_at <= used[mine]
        if mine in used and state not in ("ended", "") and not (state == "expired" and is_late):
            yield f"{reference} was used, but its hold is {state}"
        if state == "released" and not hold.given_up:
            yield f"the hold {reference} was released without a request"
    yield from (f"the hold {which} exists without a request" for which in stored)
    for account_id, reference, amount in snapshot.rows(REPORTED):
        posted = snapshot.rows(
            "SELECT coalesce(-sum(amount), 0) FROM ledger_entry "
            f"WHERE account_id = {account_id} AND reference LIKE '{reference}#%'"
        )
        if posted != [(amount,)]:
            yield f"the hold {reference} counts {amount} as used, the ledger {posted}"
    for account_id, count in snapshot.rows("SELECT id, open_holds FROM account"):
        if count:
            yield f"account {account_id} counts {count} open holds"


def copies(received: list[Delivery]) -> int:
    """Return how many deliveries repeated an event."""
    return len(received) - len({(one.path, one.event_id) for one in received})


def _charged(snapshot: Snapshot) -> set[int]:
    """Return the ids of payments that were charged."""
    keys = [charge.key for charge in snapshot.charges if charge.key in snapshot.attempts]
    return {snapshot.attempts[key].payment_id for key in keys}


def _by_staff(snapshot: Snapshot, kind: str) -> Iterator[int]:
    """Yield the ids of payments credited by staff, except opening balances, of this kind or all."""
    kinds = dict(snapshot.rows("SELECT id, kind FROM payment"))
    reversals = snapshot.reversal_payments
    for attempt in snapshot.attempts.values():
        is_credit = attempt.processor == OPERATOR and attempt.amount > 0
        is_mine = is_credit and attempt.note != OPENING and attempt.payment_id not in reversals
        if is_mine and kind in ("", kinds[attempt.payment_id]):
            yield attempt.payment_id


def _returned(snapshot: Snapshot) -> set[int]:
    """Return the ids of payments that credit returned reversals."""
    return {one.credit_id for one in snapshot.reversals if one.credit_id}
