"""Records of the sandbox's own database, a file beside the product's.

A new version may add tables, but never changes columns of existing ones, so older files open.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, UniqueConstraint, select
from sqlalchemy.orm import Mapped, column_property, foreign, mapped_column, relationship

from webapp.ports import NeedsCustomer, ReversalKind, ReversalState, SavedAgreement, SavedCard
from webapp.processors.sandbox.cards import BEHAVIOURS, PAYERS, Behaviour, has_expired
from webapp.processors.sandbox.store import Base

CHALLENGE_LIFE = timedelta(minutes=15)
"""An older challenge can only be cancelled."""


class AnswerKind(StrEnum):
    """A scripted answer to a charge."""

    DECLINE = "decline"
    SLOW = "slow"
    """The card's usual answer, after a delay."""
    TIMEOUT_AFTER_CHARGE = "timeout_after_charge"
    """The charge is booked, but the answer is lost."""
    TIMEOUT_BEFORE_CHARGE = "timeout_before_charge"
    """The request is lost."""
    SERVER_ERROR = "server_error"
    REFUSE_TO_LOOK = "refuse_to_look"
    AUTHENTICATION_REQUIRED = "authentication_required"


class ChallengeKind(StrEnum):
    CARD = "card"
    """The bank asks before a card is saved (M6)."""
    AGREEMENT = "agreement"
    """PayPal asks the payer to approve an agreement."""
    CHARGE = "charge"
    """The bank asks the customer to confirm a charge."""


class ChallengeState(StrEnum):
    OPEN = "open"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Status(StrEnum):
    """The outcome of a charge."""

    PAID = "paid"
    DECLINED = "declined"
    NEEDS_CUSTOMER = "needs_customer"
    CANCELLED = "cancelled"
    """The challenge was cancelled."""


class Owner(Base):
    """The account of a token or challenge (M14)."""

    __tablename__ = "owner"

    subject: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int]


class CardColumns:
    """Columns that tokens and cards share. The card number is not stored (M7)."""

    id: Mapped[str] = mapped_column(primary_key=True)
    behaviour_name: Mapped[str] = mapped_column("behaviour")
    fingerprint: Mapped[str]
    brand: Mapped[str]
    last4: Mapped[str]
    exp_month: Mapped[int]
    exp_year: Mapped[int]
    cardholder: Mapped[str]
    address_country: Mapped[str]
    address_line: Mapped[str]
    address_city: Mapped[str]
    address_postcode: Mapped[str]
    created_at: Mapped[datetime]

    @property
    def behaviour(self) -> Behaviour:
        return BEHAVIOURS[self.behaviour_name]

    def details(self) -> dict[str, Any]:
        """The card's details by column, to save them under another reference."""
        names = CardColumns.__annotations__.keys() - {"id", "created_at"}
        return {name: getattr(self, name) for name in names}


class Token(CardColumns, Base):
    """A card that was entered in the form and can be saved once."""

    __tablename__ = "token"


class HeldCard(CardColumns, Base):
    """A card whose challenge is still open; it cannot be charged."""

    __tablename__ = "held_card"


class Card(CardColumns, Base):
    """A saved card."""

    __tablename__ = "card"

    revoked_at: Mapped[datetime | None]

    @property
    def is_gone(self) -> bool:
        return self.revoked_at is not None

    @property
    def saved(self) -> SavedCard:
        details = self.details()
        del details["behaviour_name"]
        return SavedCard(self.id, **details)

    @property
    def bound_to(self) -> str:
        """The card's name in the queue of scripted answers."""
        return self.last4

    def has_expired(self, now: datetime) -> bool:
        return has_expired(self.exp_month, self.exp_year, now)


class Agreement(Base):
    """A payer's approved agreement."""

    __tablename__ = "agreement"

    id: Mapped[str] = mapped_column(primary_key=True)
    payer_id: Mapped[str]
    payer_email: Mapped[str]
    created_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    """Cancelled by the payer at PayPal."""
    revoked_at: Mapped[datetime | None]
    """Revoked by the merchant."""

    @property
    def is_gone(self) -> bool:
        return self.cancelled_at is not None or self.revoked_at is not None

    @property
    def saved(self) -> SavedAgreement:
        return SavedAgreement(self.id, self.payer_id, self.payer_email)

    @property
    def bound_to(self) -> str:
        """The payer's name in the queue of scripted answers."""
        return self.payer_email

    def has_expired(self, now: datetime) -> bool:
        return False

    @property
    def behaviour(self) -> Behaviour:
        return PAYERS.get(self.payer_email.partition("@")[0].lower(), Behaviour())


class Challenge(Base):
    """A question to the customer on the sandbox's own pages, answered once."""

    __tablename__ = "challenge"
    __table_args__ = (UniqueConstraint("kind", "subject"),)

    reference: Mapped[str] = mapped_column("id", primary_key=True)
    """Unguessable, so no other authentication is needed to answer."""
    kind: Mapped[ChallengeKind]
    subject: Mapped[str]
    """The waiting object: the future reference of a card or agreement, or a charge's key."""
    decline_code: Mapped[str] = mapped_column(default="")
    """The bank's decline after a confirmation; empty if it then approves."""
    return_to: Mapped[str] = mapped_column(default="")
    state: Mapped[ChallengeState] = mapped_column(default=ChallengeState.OPEN)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    owner: Mapped[Owner | None] = relationship(
        primaryjoin=foreign(reference) == Owner.subject, viewonly=True, lazy="joined"
    )
    """The account for which it was started (M14); none for a charge."""

    @property
    def account_id(self) -> int | None:
        return self.owner.account_id if self.owner else None

    @property
    def at(self) -> datetime:
        """When it ended, or when it began if it is open."""
        return self.ended_at or self.created_at

    def can_be_answered(self, now: datetime) -> bool:
        return self.state is ChallengeState.OPEN and now - self.created_at < CHALLENGE_LIFE

    def can_end(self, state: ChallengeState, now: datetime) -> bool:
        """Whether it can still be answered or, at any age, cancelled."""
        cancels = self.state is ChallengeState.OPEN and state is ChallengeState.CANCELLED
        return cancels or self.can_be_answered(now)

    def asks(self) -> NeedsCustomer:
        return NeedsCustomer(
            self.reference, self.created_at, challenge_url(self.kind, self.reference)
        )


def challenge_url(kind: ChallengeKind, reference: str) -> str:
    page = "paypal" if kind is ChallengeKind.AGREEMENT else "challenges"
    return f"/sandbox/{page}/{reference}"


class Booking(Base):
    """The bank's first answer to a charge; the outcome of a challenge is in `Challenge`."""

    __tablename__ = "charge"
    __table_args__ = (CheckConstraint("amount > 0"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    request: Mapped[str]
    """Digest of the request, to compare requests with the same key."""
    reference: Mapped[str] = mapped_column(unique=True)
    method_reference: Mapped[str] = mapped_column("card_reference")
    """Of a card or an agreement."""
    amount: Mapped[int]
    currency: Mapped[str]
    customer_present: Mapped[bool]
    status: Mapped[Status]
    decline_code: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class Verification(Base):
    """The bank's answer to a verification without a charge."""

    __tablename__ = "verification"

    key: Mapped[str] = mapped_column(primary_key=True)
    method_reference: Mapped[str] = mapped_column("card_reference")
    decline_code: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class Reversal(Base):
    """A refund, dispute or reversal of a charge."""

    __tablename__ = "taken_back"
    __table_args__ = (CheckConstraint("amount > 0"),)

    reference: Mapped[str] = mapped_column("id", primary_key=True)
    kind: Mapped[ReversalKind]
    key: Mapped[str] = mapped_column()
    """The charge's."""
    amount: Mapped[int]
    state: Mapped[ReversalState] = mapped_column(default=ReversalState.TAKEN)
    at: Mapped[datetime] = mapped_column("created_at")
    currency: Mapped[str] = column_property(
        select(Booking.currency).where(Booking.key == key).scalar_subquery()
    )


class WebhookEvent(Base):
    """An event for the product's webhook."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    processor: Mapped[str]
    about: Mapped[str]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class ScriptedAnswer(Base):
    """A scripted answer to the next charge of a method, or of any."""

    __tablename__ = "answer"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[AnswerKind]
    decline_code: Mapped[str] = mapped_column(default="")
    seconds: Mapped[float] = mapped_column(default=0.0)
    last4: Mapped[str] = mapped_column(default="")
