"""The model's own banks: what a card answers, and what they have booked under each key."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

CHALLENGE_LIFE = timedelta(minutes=15)

NO_ANSWER = "no answer"
NOT_LOOKED_AT = "not looked at"
PAID = "paid"
ASKS = "asks"
GIVEN_UP = "given up"
GONE = "method_gone"
"""Beside these an answer is the code of a decline."""


@dataclass
class Booked:
    """What stands under a key; `at` is the bank's own time of what stands."""

    says: str
    at: datetime
    if_confirmed: str = PAID
    asks_somebody: bool = False


@dataclass
class Banks:
    """`told` holds how the next charges of a card are answered, by its last four digits."""

    told: dict[str, deque[tuple[str, str]]] = field(default_factory=lambda: defaultdict(deque))

    def charge(self, attempt, now: datetime) -> str:
        if attempt.booked is not None:
            return attempt.booked.says
        queue = self.told[attempt.card.last4]
        kind, code = queue.popleft() if queue else ("", "")
        if kind in ("timeout_before_charge", "server_error"):
            return NO_ANSWER
        if kind == "refuse_to_look":
            return NOT_LOOKED_AT
        if attempt.reference in attempt.card.gone_there:
            return NO_ANSWER if kind == "timeout_after_charge" else GONE
        attempt.booked = self._decide(attempt, kind, code, now)
        return NO_ANSWER if kind == "timeout_after_charge" else attempt.booked.says

    def _decide(self, attempt, kind: str, code: str, now: datetime) -> Booked:
        card = attempt.card
        if kind == "decline":
            return Booked(code, now)
        confirmed = "generic_decline" if card.habit == "declines" else PAID
        if now >= card.expired_from:
            confirmed = "expired_card"
        if kind == "authentication_required" or (card.habit == "asks" and confirmed == PAID):
            return Booked(ASKS, now, confirmed, asks_somebody=attempt.somebody_there)
        return Booked(confirmed, now)

    def answer(self, attempt, how: str, now: datetime) -> None:
        """The customer at the bank's page; its life is a quarter of an hour."""
        booked = attempt.booked
        open_ = booked is not None and booked.says == ASKS and booked.asks_somebody
        if not open_ or (how != "cancel" and now - booked.at >= CHALLENGE_LIFE):
            return
        says = {"complete": booked.if_confirmed, "fail": "authentication_required"}
        booked.says, booked.at = says.get(how, GIVEN_UP), now
