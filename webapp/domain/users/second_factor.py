"""The second factor: a code that changes every 30 seconds (RFC 6238), or a recovery code."""

from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from re import compile as pattern
from secrets import choice

from pyotp import TOTP, random_base32
from sqlalchemy import ForeignKey, String, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.users.user import User

ISSUER = "Ballast"
"""How authenticator apps name the entry."""

DRIFT = 1
"""Steps of 30 seconds, either way: a phone's clock is a little off, and typing takes time."""

RECOVERY_CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that look alike on paper."""
GROUPS = 6
"""Of four letters. 112 bits or more may be hashed without salt and stretching (ASVS 6.5.2)."""

_CODE = pattern(r"[0-9]{6}")


class RecoveryCode(Base):
    """Instead of a lost phone: works once. Shown once, stored hashed."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


def new_secret() -> str:
    return random_base32()


def address(secret: str, email: str) -> str:
    """What the QR code says: `otpauth://…`."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, text: str, now: datetime) -> int | None:
    """Which 30 seconds this code belongs to, if it is right about now."""
    code = "".join(text.split())
    if not _CODE.fullmatch(code):
        return None
    totp = TOTP(secret)
    present = totp.timecode(now)
    for step in (present, *(present + way * DRIFT for way in (-1, 1))):
        if compare_digest(totp.generate_otp(step), code):
            return step
    return None


def accept(session: Session, user: User, text: str, now: datetime) -> str:
    """By what a person has proved themselves: "code", "recovery code", or "" for not at all.

    Part of the write transaction under way: each code has effect once, also for two who send the
    same one at once.
    """
    if user.totp_secret is None:
        return ""
    step = step_of(user.totp_secret, text, now)
    if step is not None:
        return "code" if _use_step(session, user.id, step) else ""
    return "recovery code" if _use_recovery_code(session, user.id, text, now) else ""


def issue_recovery_codes(session: Session, user_id: int, now: datetime) -> list[str]:
    """New ones, to be shown this once; the old ones are gone."""
    forget_recovery_codes(session, user_id)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    session.add_all(
        RecoveryCode(user_id=user_id, code_hash=hash_code(code), created_at=now) for code in codes
    )
    return codes


def forget_recovery_codes(session: Session, user_id: int) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def codes_left(session: Session, user_id: int) -> int:
    unused = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.scalar(select(func.count()).where(*unused)) or 0


def hash_code(text: str) -> str:
    # 118 random bits: a slow hash would protect nothing. Codes from before had 79.
    return sha256("".join(filter(str.isalnum, text.lower())).encode()).hexdigest()


def _use_step(session: Session, user_id: int, step: int) -> bool:
    """A code that was used, or one older than that, is not accepted again."""
    newer = or_(User.totp_step.is_(None), User.totp_step < step)
    used = session.connection().execute(
        update(User).where(User.id == user_id, newer).values(totp_step=step)
    )
    return used.rowcount == 1


def _use_recovery_code(session: Session, user_id: int, text: str, now: datetime) -> bool:
    used = session.connection().execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == hash_code(text),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return used.rowcount == 1


def _new_code() -> str:
    return "-".join("".join(choice(LETTERS) for _ in range(4)) for _ in range(GROUPS))
