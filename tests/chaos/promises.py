"""Comparing what was promised besides the money itself: money that went back, receipts, events in
and out, holds.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.found import BY_HAND, Found
from tests.chaos.journal import Journal
from tests.chaos.receiver import Receiver, Told

ENTRIES = """
SELECT a.payment_id, e.account_id, e.amount
FROM ledger_entry e JOIN attempt a ON a.id = e.attempt_id WHERE a.processor = 'operator'
"""

HOLDS = "SELECT account_id, reference, state, expires_at FROM hold"

USED_AT = "SELECT account_id, reference, posted_at FROM ledger_entry WHERE kind = 'usage'"

OPENING = "Opening balance"


def taken_back(found: Found) -> Iterator[str]:
    """L7: each refund, dispute and reversal was debited once, and credited once if it came back."""
    entries = defaultdict(list)
    for payment_id, account_id, amount in found.rows(ENTRIES):
        entries[payment_id].append((account_id, amount))
    followed = {one.reference: one for one in found.reversals}
    for row in found.taken_back:
        attempt, one = found.attempts.get(row.key), followed.pop(row.reference, None)
        if attempt is None or one is None or one.state != row.state:
            yield f"{row} was followed as {one}"
            continue
        gone = entries[one.debit_id] if one.debit_id else []
        back = entries[one.credit_id] if one.credit_id else []
        due = [(attempt.account_id, -row.amount)], [(attempt.account_id, row.amount)]
        # What had come back before we heard that it was gone is not booked at all.
        fine = [due, ([], [])] if row.state == "returned" else [(due[0], [])]
        if (gone, back) not in fine:
            yield f"{row} stands as {gone} and {back}"
    yield from (f"{one} is not at the processor" for one in followed.values())


def receipts(found: Found) -> Iterator[str]:
    """L6: numbered without gaps, one for each payment that a customer has paid, none for others."""
    numbers = defaultdict(list)
    given: Counter[int] = Counter()
    for account_id, number, payment_id in found.rows(
        "SELECT account_id, number, payment_id FROM receipt"
    ):
        numbers[account_id].append(number)
        given[payment_id] += 1
    for account_id, count in found.rows("SELECT id, receipts FROM account"):
        if sorted(numbers[account_id]) != list(range(1, count + 1)):
            yield f"account {account_id} counts {count} and has {sorted(numbers[account_id])}"
    due = _charged(found) | set(_by_hand(found, "wire"))
    for payment_id in due | given.keys():
        if given[payment_id] != (payment_id in due):
            yield f"payment {payment_id} has {given[payment_id]} receipts"


def events_in(found: Found) -> Iterator[str]:
    """What the processor has told was taken, each once (L13)."""
    taken = Counter(row[0] for row in found.rows("SELECT event_id FROM processor_event"))
    for name, delivered_at in found.events:
        if delivered_at is None or taken.pop(name, 0) != 1:
            yield f"{name}, delivered {delivered_at}, was not taken once"
    nowhere = taken.keys() - found.listed
    yield from (f"{name} was taken, and nobody told it" for name in nowhere)


def events_out(found: Found, receiver: Receiver) -> Iterator[str]:
    """Each that is owed has arrived at least once, always under its own id and with one body."""
    paths = {}
    for number, url, ended in found.rows("SELECT id, url, ended FROM webhook_endpoint"):
        paths[number] = next(path for path in receiver.secrets if url == receiver.url(path))
        if ended is not None:
            yield f"{url} was switched off: {ended}"
    bodies: dict[tuple[str, int], set[bytes]] = defaultdict(set)
    for told in receiver.received:
        bodies[told.path, told.event_id].add(told.body)
    for event_id, endpoint_id, state in found.rows(
        "SELECT event_id, endpoint_id, state FROM webhook_delivery"
    ):
        arrived = bodies.pop((paths[endpoint_id], event_id), set())
        if state != "delivered" or len(arrived) != 1:
            yield f"event {event_id} is {state}, and arrived with {len(arrived)} bodies"
    yield from (f"{which} was told, and is owed to nobody" for which in bodies)
    yield from receiver.faults


def events_due(found: Found) -> Iterator[str]:
    """For each payment that was paid, where somebody listens: one event, and none for others."""
    rows = found.rows("SELECT DISTINCT account_id FROM webhook_endpoint")
    listens = {row[0] for row in rows}
    owners = {attempt.payment_id: attempt.account_id for attempt in found.attempts.values()}
    paid = _charged(found) | set(_by_hand(found, "")) | _came_back(found)
    due = {payment_id for payment_id in paid if owners[payment_id] in listens}
    told = Counter(data["payment"] for data in found.told("payment.succeeded"))
    for payment_id in due | told.keys():
        if told[payment_id] != (payment_id in due):
            yield f"payment {payment_id} was told {told[payment_id]}×"


def holds(found: Found, journal: Journal) -> Iterator[str]:
    """T12: what was answered is there; its usage has ended it; nothing goes on being held."""
    used = {(account, reference): at for account, reference, at in found.rows(USED_AT)}
    stand = {(account, ref): (state, end) for account, ref, state, end in found.rows(HOLDS)}
    for reference, hold in journal.holds.items():
        mine = hold.account_id, reference
        state, ends_at = stand.pop(mine, ("", None))
        if not state and hold.answered:
            yield f"the hold {reference} was answered and is not there"
        if state == "open":
            yield f"the hold {reference} goes on"
        if state == "ended" and mine not in used:
            yield f"the hold {reference} has ended, and nothing was used"
        is_late = mine in used and ends_at is not None and ends_at <= used[mine]
        if mine in used and state not in ("ended", "") and not (state == "expired" and is_late):
            yield f"{reference} was used, and its hold is {state}"
        if state == "released" and not hold.given_up:
            yield f"the hold {reference} was released, and nobody asked"
    yield from (f"the hold {which} stands, and nobody asked" for which in stand)
    for account_id, count in found.rows("SELECT id, open_holds FROM account"):
        if count:
            yield f"account {account_id} counts {count} open holds"


def copies(received: list[Told]) -> int:
    """Events that arrived once more, under the same id."""
    return len(received) - len({(told.path, told.event_id) for told in received})


def _charged(found: Found) -> set[int]:
    """Payments."""
    keys = [charge.key for charge in found.charges if charge.key in found.attempts]
    return {found.attempts[key].payment_id for key in keys}


def _by_hand(found: Found, kind: str) -> Iterator[int]:
    """Payments that staff has credited after the opening; of this kind only."""
    kinds = dict(found.rows("SELECT id, kind FROM payment"))
    ours = found.booked_back
    for attempt in found.attempts.values():
        is_credit = attempt.processor == BY_HAND and attempt.amount > 0
        is_mine = is_credit and attempt.note != OPENING and attempt.payment_id not in ours
        if is_mine and kind in ("", kinds[attempt.payment_id]):
            yield attempt.payment_id


def _came_back(found: Found) -> set[int]:
    return {one.credit_id for one in found.reversals if one.credit_id}
