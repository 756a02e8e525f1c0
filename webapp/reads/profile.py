"""A person's own page: who they are, and which accounts they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

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
    belongings: tuple[Belonging, ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    """By field name."""


def read_profile(session: Session, user_id: int, account_id: int) -> ProfileScreen:
    user = session.get_one(User, user_id)
    return ProfileScreen(
        name=user.name,
        email=user.email,
        belongings=tuple(
            Belonging(a.id, a.name, in_words(user.roles_in(a.id)), a.id == account_id)
            for a in user.accounts
        ),
    )
