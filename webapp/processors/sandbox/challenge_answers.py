"""Answer, cancel and look up challenges; each takes effect once."""

from collections.abc import Container
from datetime import datetime
from sqlite3 import Connection

from webapp.processors.sandbox import challenges
from webapp.processors.sandbox.agreements import Agreements
from webapp.processors.sandbox.challenges import Challenge, ChallengeKind, ChallengeState
from webapp.processors.sandbox.store import Store
from webapp.processors.sandbox.vault import admit, dismiss


class ChallengeAnswers:
    """Methods return the challenge in its new state, or None if it does not exist."""

    def __init__(self, store: Store, agreements: Agreements) -> None:
        self._store = store
        self._agreements = agreements

    def find(self, id_: str, kinds: Container[ChallengeKind]) -> Challenge | None:
        challenge = challenges.find(self._store.db, id_)
        return challenge if challenge is not None and challenge.kind in kinds else None

    def complete(self, id_: str, now: datetime) -> Challenge | None:
        """Record the customer's confirmation: the card is saved, or the charge continues."""
        with self._store.writing() as db:
            ended = challenges.end(db, id_, ChallengeState.COMPLETED, now)
            challenge = challenges.find(db, id_)
            if ended and challenge is not None:
                if challenge.kind is ChallengeKind.CARD:
                    admit(db, challenge.subject, now)
                else:
                    _decline_if_gone(db, challenge)
        return challenge

    def agree(self, id_: str, payer_email: str, now: datetime) -> Challenge | None:
        """Record the payer's approval of an agreement."""
        with self._store.writing() as db:
            ended = challenges.end(db, id_, ChallengeState.COMPLETED, now)
            challenge = challenges.find(db, id_)
            if ended and challenge is not None:
                self._agreements.sign(db, challenge.subject, payer_email, now)
        return challenge

    def fail(self, id_: str, now: datetime) -> Challenge | None:
        return self._end(id_, ChallengeState.FAILED, now)

    def cancel(self, id_: str, now: datetime) -> Challenge | None:
        """Cancel a challenge for the customer or the merchant, at any age."""
        return self._end(id_, ChallengeState.CANCELLED, now)

    def _end(self, id_: str, state: ChallengeState, now: datetime) -> Challenge | None:
        with self._store.writing() as db:
            ended = challenges.end(db, id_, state, now)
            challenge = challenges.find(db, id_)
            if ended and challenge is not None and challenge.kind is ChallengeKind.CARD:
                dismiss(db, challenge.subject)
        return challenge


def _decline_if_gone(db: Connection, challenge: Challenge) -> None:
    """M10: decline the charge if its method was revoked during the challenge."""
    db.execute(
        "UPDATE challenge SET decline_code = 'invalid_account' WHERE id = ? AND EXISTS ("
        "SELECT 1 FROM charge LEFT JOIN card ON card.id = charge.card_reference "
        "LEFT JOIN agreement ON agreement.id = charge.card_reference "
        "WHERE charge.key = ? AND coalesce("
        "card.revoked_at, agreement.revoked_at, agreement.cancelled_at) IS NOT NULL)",
        (challenge.id, challenge.subject),
    )
