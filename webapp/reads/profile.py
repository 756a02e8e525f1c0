"""A person's own page: who they are, and which accounts they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import moments, second_factor
from webapp.domain.accounts import Account
from webapp.domain.users import User
from webapp.reads.shell import in_words


@dataclass(frozen=True)
class Belonging:
    account_id: int
    account: str
    roles: str
    """ "Owner", or "Commercial, Billing"."""
    is_current: bool


@dataclass(frozen=True)
class ProfileScreen:
    name: str
    email: str
    is_confirmed: bool
    pending_email: str
    """The address whose link has not been opened yet; empty if none is waiting."""
    belongings: tuple[Belonging, ...]
    second_factor: str
    """ "On since 12 Nov", or empty while it is off."""
    codes_left: int
    insisted_by: str
    """The account of theirs that asks everybody for a second factor; empty if none does."""
    new_email: str = ""
    """As typed."""
    errors: Mapping[str, str] = field(default_factory=dict)
    """By field name."""


def read_profile(session: Session, user_id: int, account_id: int, now: datetime) -> ProfileScreen:
    user = session.get_one(User, user_id)
    account = session.get(Account, account_id)
    zone = account.time_zone if account else "UTC"  # of an operator
    since = moments.day(user.totp_since, zone, now) if user.totp_since else ""
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
        codes_left=second_factor.codes_left(session, user_id) if since else 0,
        insisted_by=next((a.name for a in user.accounts if a.second_factor_required), ""),
    )
