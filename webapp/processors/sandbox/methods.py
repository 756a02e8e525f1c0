"""Saved cards and agreements, and single-use tokens for cards that are not saved yet (M7).

Card numbers and security codes are not stored; of a number only a keyed fingerprint is kept.
"""

import hmac
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from secrets import token_hex
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from webapp.domain.payment_methods.declines import declined
from webapp.ports import RequestRejected, SavingAnswer, WrongAccount
from webapp.processors.sandbox.cards import Adding, behaviour_name, brand_of
from webapp.processors.sandbox.challenges import begin
from webapp.processors.sandbox.records import (
    Agreement,
    Card,
    Challenge,
    ChallengeKind,
    HeldCard,
    Owner,
    Token,
)
from webapp.processors.sandbox.store import Store

TOKEN_LIFE = timedelta(minutes=30)

# Built once, because every charge reads its method.
_CARD = select(Card).where(Card.id == bindparam("reference"))
_AGREEMENT = select(Agreement).where(Agreement.id == bindparam("reference"))


@dataclass(frozen=True)
class CardDetails:
    """A validated card from the form. It exists only during the request."""

    number: str = field(repr=False)
    exp_month: int
    exp_year: int
    cardholder: str
    address_country: str
    address_line: str
    address_city: str
    address_postcode: str


class Vault:
    """The saved cards and the tokens."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def form_for(self, account_id: int) -> str:
        """A signed value in the card form that binds its token to the account."""
        return f"{account_id}.{self._store.keyed_digest(f'form {account_id}')}"

    def account_of(self, form: str) -> int | None:
        """The account of a form; None if its signature is invalid."""
        account_id = form.partition(".")[0]
        if not (account_id.isascii() and account_id.isdigit()):
            return None
        expected = self.form_for(int(account_id))
        return int(account_id) if hmac.compare_digest(form.encode(), expected.encode()) else None

    def issue_token(
        self, details: CardDetails, now: datetime, account_id: int | None = None
    ) -> str:
        """Create a token that `save` accepts once, within `TOKEN_LIFE`, for this account.

        Without `account_id` any account may use it: the card was not entered in the product's form.
        """
        token = Token(id=f"tok_{token_hex(16)}", created_at=now, **self._stored(details))
        too_old = Token.created_at < now - TOKEN_LIFE
        with self._store.writing() as session:
            session.execute(delete(Owner).where(Owner.subject.in_(select(Token.id).where(too_old))))
            session.execute(delete(Token).where(too_old))
            session.add(token)
            if account_id is not None:
                session.add(Owner(subject=token.id, account_id=account_id))
        return token.id

    def save(self, account_id: int, token: str, return_to: str, now: datetime) -> SavingAnswer:
        """Use a token. One of another account is not used up (M14).

        A card that requires a challenge is held until the challenge is completed (M6).
        """
        reference = f"card_{token_hex(12)}"
        with self._store.writing() as session:
            entered, owner = session.get(Token, token), session.get(Owner, token)
            if owner is not None and owner.account_id != account_id:
                return WrongAccount(f"The card form was opened for account {owner.account_id}")
            if owner is not None:
                session.delete(owner)
            if entered is not None:
                session.delete(entered)
            if entered is None or now - entered.created_at > TOKEN_LIFE:
                return RequestRejected("This card token is unknown, was used, or has expired")
            behaviour, details = entered.behaviour, entered.details()
            if behaviour.adding is Adding.REFUSED:
                return declined(behaviour.code, now)
            if behaviour.adding is Adding.CHALLENGE:
                session.add(HeldCard(id=reference, created_at=now, **details))
                kind = ChallengeKind.CARD
                return begin(session, kind, reference, return_to, now, account_id=account_id).asks()
            card = Card(id=reference, created_at=now, **details)
            session.add(card)
        return card.saved

    def keep(self, details: CardDetails, now: datetime) -> str:
        """Save a card without a challenge and return its reference."""
        card = Card(id=f"card_{token_hex(12)}", created_at=now, **self._stored(details))
        with self._store.writing() as session:
            session.add(card)
        return card.id

    def card(self, reference: str) -> Card | None:
        with self._store.reading() as session:
            return session.scalars(_CARD, {"reference": reference}).first()

    def held(self, reference: str) -> HeldCard | None:
        """A card whose challenge is open."""
        with self._store.reading() as session:
            return session.get(HeldCard, reference)

    def revoke(self, reference: str, now: datetime) -> None:
        with self._store.writing() as session:
            end(session, Card.revoked_at, reference, now)

    def _stored(self, details: CardDetails) -> dict[str, Any]:
        stored = asdict(details)
        number = stored.pop("number")
        return stored | {
            "behaviour_name": behaviour_name(number),
            "fingerprint": self._store.keyed_digest(number),
            "brand": brand_of(number) or "",
            "last4": number[-4:],
        }


class Agreements:
    """PayPal agreements."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def propose(self, account_id: int, return_to: str, now: datetime) -> Challenge:
        """Start a challenge that asks the payer to approve an agreement for this account."""
        reference, kind = f"agr_{token_hex(12)}", ChallengeKind.AGREEMENT
        with self._store.writing() as session:
            return begin(session, kind, reference, return_to, now, account_id=account_id)

    def find(self, reference: str) -> Agreement | None:
        with self._store.reading() as session:
            return session.scalars(_AGREEMENT, {"reference": reference}).first()

    def among(self, references: Sequence[str]) -> Sequence[Agreement]:
        """The approved agreements among these references, oldest first."""
        found = select(Agreement).where(Agreement.id.in_(references)).order_by(Agreement.created_at)
        with self._store.reading() as session:
            return session.scalars(found).all()

    def revoke(self, reference: str, now: datetime) -> None:
        """Revoke an agreement as the merchant."""
        with self._store.writing() as session:
            end(session, Agreement.revoked_at, reference, now)


def end(
    session: Session,
    ended_at: InstrumentedAttribute[datetime | None],
    reference: str,
    now: datetime,
) -> None:
    """Set the time at which a card or agreement ended, unless it is set."""
    kind = ended_at.class_
    session.execute(
        update(kind).where(kind.id == reference, ended_at.is_(None)).values({ended_at: now})
    )
