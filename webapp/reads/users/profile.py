"""The profile page: name, email, accounts, two-step sign-in, sessions and passkeys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users import passkeys, second_factor
from webapp.domain.users.passkeys import Passkey
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import User
from webapp.reads.shell import in_words

PHONES = ("iPhone", "iPad", "Android")


@dataclass(frozen=True)
class Belonging:
    account_id: int
    account: str
    roles: str
    """ "Owner", or "Commercial, Billing"."""
    is_current: bool


@dataclass(frozen=True)
class SessionLine:
    id: int
    device: str
    detail: str
    """ "203.0.113.24 · password and code · Today, 18:02"."""
    icon: str
    is_current: bool


@dataclass(frozen=True)
class PasskeyLine:
    id: int
    name: str
    detail: str
    """ "Added 12 Mar · last used Today, 09:40"."""


@dataclass(frozen=True)
class ProfileScreen:
    name: str
    email: str
    is_confirmed: bool
    pending_email: str
    """New address that is not confirmed yet; empty if there is none."""
    belongings: tuple[Belonging, ...]
    second_factor: str
    """ "On since 12 Nov", or empty while it is off."""
    codes_left: int
    insisted_by: str
    """One of the user's accounts that requires two-step sign-in; empty if none does."""
    sessions: tuple[SessionLine, ...]
    """Current session first, then by last use."""
    passkeys: tuple[PasskeyLine, ...]
    new_email: str = ""
    """As typed."""
    passkey_name: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    """By field name."""


def read_profile(ctx: Context, user_id: int, account_id: int, session_id: int) -> ProfileScreen:
    ctx = ctx.later()
    user = ctx.session.get_one(User, user_id)
    account = ctx.session.get(Account, account_id)
    zone = account.time_zone if account else "UTC"  # operators may have no account
    since = datetimes.day(user.totp_since, zone, ctx.now) if user.totp_since else ""
    return ProfileScreen(
        name=user.name,
        email=user.email,
        is_confirmed=user.is_confirmed,
        pending_email=user.pending_email or "",
        belongings=tuple(
            Belonging(a.id, a.name, in_words(user.roles_in(a.id)), a.id == account_id)
            for a in user.accounts
        ),
        second_factor=f"On since {since}" if since else "",
        codes_left=second_factor.codes_left(ctx.session, user_id) if since else 0,
        insisted_by=next((a.name for a in user.accounts if a.second_factor_required), ""),
        passkeys=tuple(
            PasskeyLine(one.id, one.name, _use_of(one, zone, ctx.now))
            for one in passkeys.of_user(ctx.session, user_id)
        ),
        sessions=_sessions(ctx, user_id, session_id, zone, ctx.clock.wall()),
    )


def _use_of(passkey: Passkey, zone: str, now: datetime) -> str:
    added = f"Added {datetimes.day(passkey.created_at, zone, now)}"
    if passkey.last_used_at is None:
        return f"{added} · not used yet"
    return f"{added} · last used {datetimes.since(passkey.last_used_at, zone, now)}"


def _sessions(
    ctx: Context, user_id: int, session_id: int, zone: str, wall: datetime
) -> tuple[SessionLine, ...]:
    listed = UserSession.listed(ctx.session, user_id, wall)
    return tuple(
        _line(one, zone, wall, is_current=one.id == session_id)
        for one in sorted(listed, key=lambda one: one.id != session_id)
    )


def _line(one: UserSession, zone: str, wall: datetime, *, is_current: bool) -> SessionLine:
    used = "now" if is_current else datetimes.since(one.last_used_at, zone, wall)
    detail = " · ".join(filter(None, (one.address, one.signed_in_with, used)))
    is_phone = any(word in one.device for word in PHONES)
    icon = "device-mobile" if is_phone else "device-laptop"
    return SessionLine(one.id, one.device, detail, icon, is_current)
