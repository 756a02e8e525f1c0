"""Keys by which machines speak for an account. Shown once, stored hashed."""

from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe

from sqlalchemy import ForeignKey, String, bindparam, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.domain.accounts import Account
from webapp.domain.base import Base

PREFIX = "bk_"


def hash_key(key: str) -> str:
    # A key has 256 random bits: a slow hash would protect nothing and cost every request.
    return sha256(key.encode()).hexdigest()


class ApiKey(Base):
    __tablename__ = "api_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"), index=True)
    key_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hint: Mapped[str] = mapped_column(String(12))
    """The first characters, by which a person recognises the key."""
    created_at: Mapped[datetime]

    @classmethod
    def issue(cls, account_id: int, now: datetime) -> tuple["ApiKey", str]:
        """A new key's record, and the key itself, which is stored nowhere."""
        key = PREFIX + token_urlsafe(32)
        record = cls(account_id=account_id, key_hash=hash_key(key), hint=key[:8], created_at=now)
        return record, key

    @staticmethod
    def account_of(session: Session, key: str) -> Account | None:
        """For whom this key speaks; None for a key that is not known."""
        return session.scalar(_ACCOUNT_OF, {"key_hash": hash_key(key)})


_ACCOUNT_OF = (
    select(Account)
    .join(ApiKey, ApiKey.account_id == Account.id)
    .where(ApiKey.key_hash == bindparam("key_hash"))
)
