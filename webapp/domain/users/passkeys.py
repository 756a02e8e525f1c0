"""Passkeys: sign-in with a device's fingerprint, face or PIN (Web Authentication, W3C)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.base import Base
from webapp.domain.shared.errors import NotFound
from webapp.domain.users.user import User

NAME_LENGTH = 60
MOST = 20
"""Maximum number of passkeys per person."""


@dataclass(frozen=True)
class RelyingParty:
    """The site that a passkey belongs to; browsers use it on no other host."""

    host: str
    """ "billing.example.com"."""
    origin: str
    """ "https://billing.example.com"."""
    name: str


class Passkey(Base):
    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    credential_id: Mapped[str] = mapped_column(String(1400), unique=True)
    """The credential's id in base64url."""
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    """The device's counter of uses; 0 if it has none."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]

    user: Mapped[User] = relationship()

    def use(self, session: Session, sign_count: int, now: datetime) -> bool:
        """Record a use; False if another use changed the counter first, as a copy would."""
        used = (
            update(Passkey)
            .where(Passkey.id == self.id, Passkey.sign_count == self.sign_count)
            .values(sign_count=sign_count, last_used_at=now)
        )
        return session.connection().execute(used).rowcount == 1


def of_user(session: Session, user_id: int) -> Sequence[Passkey]:
    query = select(Passkey).where(Passkey.user_id == user_id)
    return session.scalars(query.order_by(Passkey.id)).all()


def by_credential(session: Session, credential_id: str) -> Passkey | None:
    return session.scalar(select(Passkey).where(Passkey.credential_id == credential_id))


def find(session: Session, user_id: int, passkey_id: int) -> Passkey:
    """Return the person's passkey. Raises `NotFound`, also for another person's passkey."""
    mine = (Passkey.id == passkey_id, Passkey.user_id == user_id)
    found = session.scalar(select(Passkey).where(*mine))
    if found is None:
        raise NotFound("That passkey")
    return found
