"""Challenges: questions the sandbox asks customers on its own pages, and their outcomes.

A challenge is the bank's 3-D Secure question when a card is saved or charged, or PayPal's request
to approve an agreement. Each can be answered once, within `CHALLENGE_LIFE`.
"""

import re
from collections.abc import Container
from datetime import datetime
from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.processors.sandbox.records import (
    Agreement,
    Booking,
    Card,
    Challenge,
    ChallengeKind,
    ChallengeState,
    HeldCard,
    Owner,
)
from webapp.processors.sandbox.store import Store

# One slash and no backslash, because browsers read "//host" and "/\host" as another host.
_PATH_HERE = re.compile(r"/(?!/)[!-\[\]-~]*")


def leads_here(path: str) -> bool:
    """Whether the path is on this host, so that no page redirects to another host."""
    return _PATH_HERE.fullmatch(path) is not None


def begin(
    session: Session,
    kind: ChallengeKind,
    subject: str,
    return_to: str,
    now: datetime,
    *,
    decline_code: str = "",
    account_id: int | None = None,
) -> Challenge:
    """Start a challenge in the caller's transaction.

    `decline_code`: the bank's decline after a confirmation; empty if it then approves.
    """
    challenge = Challenge(
        reference=f"ask_{token_hex(16)}",
        kind=kind,
        subject=subject,
        decline_code=decline_code,
        return_to=return_to,
        created_at=now,
    )
    session.add(challenge)
    if account_id is not None:
        session.add(Owner(subject=challenge.reference, account_id=account_id))
    return challenge


class Challenges:
    """Ends and finds challenges.

    Methods return the challenge in its new state, or None if it does not exist.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, reference: str, kinds: Container[ChallengeKind]) -> Challenge | None:
        with self._store.reading() as session:
            challenge = session.get(Challenge, reference)
        return challenge if challenge is not None and challenge.kind in kinds else None

    def complete(self, reference: str, now: datetime) -> Challenge | None:
        """Record the customer's confirmation: the card is saved, or the charge continues."""
        return self._end(reference, ChallengeState.COMPLETED, now)

    def agree(self, reference: str, payer_email: str, now: datetime) -> Challenge | None:
        """Record the payer's approval of an agreement."""
        return self._end(reference, ChallengeState.COMPLETED, now, payer_email)

    def fail(self, reference: str, now: datetime) -> Challenge | None:
        return self._end(reference, ChallengeState.FAILED, now)

    def cancel(self, reference: str, now: datetime) -> Challenge | None:
        """Cancel a challenge for the customer or the merchant, at any age."""
        return self._end(reference, ChallengeState.CANCELLED, now)

    def _end(
        self, reference: str, state: ChallengeState, now: datetime, payer_email: str = ""
    ) -> Challenge | None:
        with self._store.writing() as session:
            challenge = session.get(Challenge, reference)
            if challenge is None or not challenge.can_end(state, now):
                return challenge
            challenge.state, challenge.ended_at = state, now
            completed = state is ChallengeState.COMPLETED
            if challenge.kind is ChallengeKind.CARD:
                _release_card(session, challenge.subject, now, is_saved=completed)
            elif challenge.kind is ChallengeKind.CHARGE and completed:
                _decline_if_gone(session, challenge)
            elif completed:
                payer_id = self._store.keyed_digest(f"payer {payer_email.lower()}")
                session.add(
                    Agreement(
                        id=challenge.subject,
                        payer_id=payer_id,
                        payer_email=payer_email,
                        created_at=now,
                    )
                )
        return challenge


def _release_card(session: Session, reference: str, now: datetime, *, is_saved: bool) -> None:
    """Save or discard a held card (M6)."""
    held = session.get_one(HeldCard, reference)
    if is_saved:
        session.add(Card(id=reference, created_at=now, **held.details()))
    session.delete(held)


def _decline_if_gone(session: Session, challenge: Challenge) -> None:
    """M10: decline the charge if its method was revoked during the challenge."""
    booking = session.scalars(select(Booking).where(Booking.key == challenge.subject)).one()
    reference = booking.method_reference
    method = session.get(Card, reference) or session.get(Agreement, reference)
    if method is not None and method.is_gone:
        challenge.decline_code = "invalreferenceaccount"
