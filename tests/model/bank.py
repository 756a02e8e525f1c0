"""Simulated banks of the model: scripted answers by card, and the charge booked under each key."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

CHALLENGE_LIFE = timedelta(minutes=15)

NO_ANSWER = "no answer"
NOT_LOOKED_AT = "not looked at"
PAID = "paid"
CHALLENGED = "asks"
GIVEN_UP = "given up"
GONE = "method_gone"
"""Outcomes of a charge; any other outcome is a decline code."""


@dataclass
class Booked:
    """A charge booked under an idempotency key; `at` is the bank's time of its latest outcome."""

    outcome: str
    at: datetime
    if_confirmed: str = PAID
    customer_present: bool = False


@dataclass
class Banks:
    """`scripted` holds the answers to a card's next charges, keyed by its last four digits."""

    scripted: dict[str, deque[tuple[str, str]]] = field(default_factory=lambda: defaultdict(deque))

    def charge(self, attempt, now: datetime) -> str:
        if attempt.booked is not None:
            return attempt.booked.outcome
        queue = self.scripted[attempt.card.last4]
        kind, code = queue.popleft() if queue else ("", "")
        if kind in ("timeout_before_charge", "server_error"):
            return NO_ANSWER
        if kind == "refuse_to_look":
            return NOT_LOOKED_AT
        if attempt.reference in attempt.card.gone_there:
            return NO_ANSWER if kind == "timeout_after_charge" else GONE
        attempt.booked = self._decide(attempt, kind, code, now)
        return NO_ANSWER if kind == "timeout_after_charge" else attempt.booked.outcome

    def _decide(self, attempt, kind: str, code: str, now: datetime) -> Booked:
        card = attempt.card
        if kind == "decline":
            return Booked(code, now)
        confirmed = "generic_decline" if card.habit == "declines" else PAID
        if now >= card.expired_from:
            confirmed = "expired_card"
        if kind == "authentication_required" or (card.habit == "asks" and confirmed == PAID):
            return Booked(CHALLENGED, now, confirmed, customer_present=attempt.customer_present)
        return Booked(confirmed, now)

    def answer(self, attempt, how: str, now: datetime) -> None:
        """The customer answers the bank's challenge, which expires after 15 minutes."""
        booked = attempt.booked
        open_ = booked is not None and booked.outcome == CHALLENGED and booked.customer_present
        if not open_ or (how != "cancel" and now - booked.at >= CHALLENGE_LIFE):
            return
        outcome = {"complete": booked.if_confirmed, "fail": "authentication_required"}
        booked.outcome, booked.at = outcome.get(how, GIVEN_UP), now
