"""Members and invitations of an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.users import invitations
from webapp.domain.users import user as users
from webapp.domain.users.invitations import INVITABLE
from webapp.domain.users.user import Role
from webapp.reads.shell import in_words

WHAT_FOR = {
    Role.OWNER: "Everything; cannot be removed",
    Role.ADMIN: "Everything except changing the owner",
    Role.COMMERCIAL: "Payment methods, funds, low-balance settings, documents",
    Role.BILLING: "Payment methods, funds, low-balance settings, documents",
    Role.TECHNICAL: "API keys and webhooks; no access to billing",
}


@dataclass(frozen=True)
class RoleChoice:
    key: str
    name: str
    what_for: str
    is_chosen: bool


@dataclass(frozen=True)
class PersonRow:
    id: int
    name: str
    initials: str
    email: str
    roles: str
    """ "Commercial, Billing"."""
    detail: str
    """ "Two-step sign-in", "Address not confirmed", or empty."""
    is_owner: bool
    is_me: bool
    choices: tuple[RoleChoice, ...]


@dataclass(frozen=True)
class InvitationRow:
    id: int
    email: str
    roles: str
    detail: str
    """ "Expires Wed 2 Dec, 10:02"."""
    has_expired: bool
    is_for_owner: bool
    """The provider's invitation, which members cannot withdraw."""


@dataclass(frozen=True)
class UsersScreen:
    people: tuple[PersonRow, ...]
    invitations: tuple[InvitationRow, ...]
    roles: tuple[RoleChoice, ...]
    """Options of the invitation form."""
    second_factor_required: bool
    without_second_factor: int
    """Number of members without two-step sign-in."""
    email: str = ""
    """As typed."""
    errors: Mapping[str, str] = field(default_factory=dict)


def read_users(
    ctx: Context,
    account_id: int,
    user_id: int,
    *,
    email: str = "",
    roles: frozenset[Role] = frozenset(),
    errors: Mapping[str, str] | None = None,
) -> UsersScreen:
    account = ctx.session.get_one(Account, account_id)
    people = users.members(ctx.session, account_id)
    return UsersScreen(
        people=tuple(_person(user, account_id, user_id) for user in people),
        invitations=tuple(
            _invitation(one, account, ctx.now)
            for one in invitations.listed(ctx.session, account_id)
        ),
        roles=choices(roles),
        second_factor_required=account.second_factor_required,
        without_second_factor=sum(not user.has_second_factor for user in people),
        email=email,
        errors=errors or {},
    )


def read_person(ctx: Context, account_id: int, user_id: int, me: int) -> PersonRow:
    """Raises `NotFound`."""
    return _person(users.member(ctx.session, account_id, user_id), account_id, me)


def choices(chosen: frozenset[Role] | set[Role]) -> tuple[RoleChoice, ...]:
    return tuple(
        RoleChoice(role.value, role.value.capitalize(), WHAT_FOR[role], role in chosen)
        for role in INVITABLE
    )


def _person(user: users.User, account_id: int, me: int) -> PersonRow:
    roles = user.roles_in(account_id)
    detail = "" if user.is_confirmed else "Address not confirmed"
    return PersonRow(
        id=user.id,
        name=user.name,
        initials=user.initials,
        email=user.email,
        roles=in_words(roles),
        detail=detail or ("Two-step sign-in" if user.has_second_factor else ""),
        is_owner=Role.OWNER in roles,
        is_me=user.id == me,
        choices=choices(roles),
    )


def _invitation(one: invitations.Invitation, account: Account, now: datetime) -> InvitationRow:
    expired = now >= one.expires_at
    at = datetimes.when(one.expires_at, account.time_zone, now)
    return InvitationRow(
        id=one.id,
        email=one.email,
        roles=in_words(set(one.in_roles())),
        detail=f"Expired {at}" if expired else f"Invited, until {at}",
        has_expired=expired,
        is_for_owner=one.is_for_owner,
    )
