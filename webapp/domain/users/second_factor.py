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
from webapp.domain.shared.context import Context
from webapp.domain.users.user import User

ISSUER = "Ballast"
"""Name of the entry in authenticator apps."""

DRIFT = 1
"""Accepted steps of 30 seconds before and after, for inaccurate clocks and slow typing."""

RECOVERY_CODES = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Characters of recovery codes, without those that look alike on paper."""
GROUPS = 6
"""Groups of four characters. At least 112 bits may be hashed without salt (ASVS 6.5.2)."""

_CODE = pattern(r"[0-9]{6}")


class RecoveryCode(Base):
    """A single-use code for a lost phone, shown once and stored hashed."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


def new_secret() -> str:
    return random_base32()


def address(secret: str, email: str) -> str:
    """Return the content of the QR code: `otpauth://…`."""
    return TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def step_of(secret: str, text: str, now: datetime) -> int | None:
    """Return the 30-second step that a code belongs to; None if it is not valid now."""
    code = "".join(text.split())
    if not _CODE.fullmatch(code):
        return None
    totp = TOTP(secret)
    present = totp.timecode(now)
    for step in (present, *(present + way * DRIFT for way in (-1, 1))):
        if compare_digest(totp.generate_otp(step), code):
            return step
    return None


def accept(ctx: Context, user: User, text: str) -> str:
    """Verify and use up a code: returns "code", "recovery code", or "" if it is invalid.

    Part of the current write transaction. Each code works once, also in concurrent requests.
    """
    if user.totp_secret is None:
        return ""
    step = step_of(user.totp_secret, text, ctx.clock.wall())
    if step is not None:
        return "code" if _use_step(ctx.session, user.id, step) else ""
    return "recovery code" if _use_recovery_code(ctx, user.id, text) else ""


def issue_recovery_codes(ctx: Context, user_id: int) -> list[str]:
    """Replace the person's recovery codes; returns the new ones, to be shown once."""
    forget_recovery_codes(ctx.session, user_id)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    ctx.session.add_all(
        RecoveryCode(user_id=user_id, code_hash=hash_code(code), created_at=ctx.now)
        for code in codes
    )
    return codes


def forget_recovery_codes(session: Session, user_id: int) -> None:
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def codes_left(session: Session, user_id: int) -> int:
    unused = (RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None))
    return session.scalar(select(func.count()).where(*unused)) or 0


def hash_code(text: str) -> str:
    # With 118 random bits (79 in older codes), a slow hash would not make them safer.
    return sha256("".join(filter(str.isalnum, text.lower())).encode()).hexdigest()


def _use_step(session: Session, user_id: int, step: int) -> bool:
    """Mark a step as used; False if it, or a later one, was used before."""
    newer = or_(User.totp_step.is_(None), User.totp_step < step)
    used = session.connection().execute(
        update(User).where(User.id == user_id, newer).values(totp_step=step)
    )
    return used.rowcount == 1


def _use_recovery_code(ctx: Context, user_id: int, text: str) -> bool:
    used = ctx.session.connection().execute(
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user_id,
            RecoveryCode.code_hash == hash_code(text),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=ctx.now)
    )
    return used.rowcount == 1


def _new_code() -> str:
    return "-".join("".join(choice(LETTERS) for _ in range(4)) for _ in range(GROUPS))
