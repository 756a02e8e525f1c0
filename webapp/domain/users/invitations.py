"""Invitations to an account: recipient, roles and expiry."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import JSON, ForeignKey, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base, partial_index
from webapp.domain.shared.email_address import LENGTH
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users.user import Role

LASTS = timedelta(days=7)

INVITABLE = tuple(role for role in Role if role is not Role.OWNER)
"""Roles to which people can invite others. Only the provider invites an owner (V4); later,
ownership can only be transferred."""


class InvitationState(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


class Invitation(Base):
    __tablename__ = "invitation"
    __table_args__ = (
        partial_index(
            "uq_invitation_account_id_email",
            "account_id",
            "email",
            where="state = 'open'",
            unique=True,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    email: Mapped[str] = mapped_column(String(LENGTH))
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), default="", server_default="")
    """The person's name, if it is known; they can change it when they join."""
    roles: Mapped[list[str]] = mapped_column(JSON)
    state: Mapped[InvitationState] = mapped_column(String(10), default=InvitationState.OPEN)
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    times_sent: Mapped[int] = mapped_column(default=1)
    """Number of emails sent; only the link of the latest one works."""
    sent_at: Mapped[datetime]
    created_at: Mapped[datetime]

    @property
    def expires_at(self) -> datetime:
        return self.sent_at + LASTS

    def can_be_accepted(self, times_sent: int, now: datetime) -> bool:
        is_last = self.times_sent == times_sent
        return self.state == InvitationState.OPEN and is_last and now < self.expires_at

    @property
    def is_for_owner(self) -> bool:
        return Role.OWNER in self.roles

    def in_roles(self) -> list[Role]:
        return [Role(role) for role in self.roles]


def find_open(session: Session, account_id: int, invitation_id: int) -> Invitation:
    """Return the account's open invitation. Raises `NotFound`, also for another account's."""
    found = session.scalar(
        select(Invitation).where(
            Invitation.id == invitation_id,
            Invitation.account_id == account_id,
            Invitation.state == InvitationState.OPEN,
        )
    )
    if found is None:
        raise NotFound("That invitation")
    return found


def listed(session: Session, account_id: int) -> list[Invitation]:
    """Return the open invitations, including expired ones, which can be sent again."""
    query = select(Invitation).where(
        Invitation.account_id == account_id, Invitation.state == InvitationState.OPEN
    )
    return list(session.scalars(query.order_by(Invitation.id)))


def of_owner(session: Session, account_id: int) -> Invitation | None:
    """Return the open invitation of the account's owner."""
    return next((it for it in listed(session, account_id) if it.is_for_owner), None)
