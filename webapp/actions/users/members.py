"""Change roles of members, remove members and transfer ownership (P1)."""

from collections.abc import Sequence

from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.users import OwnershipTransferred, PersonRemoved, RolesChanged
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.users import user as users
from webapp.domain.users.invitations import INVITABLE
from webapp.domain.users.user import Role, User

OWNER_STAYS = "The owner cannot be changed or removed. Transfer ownership first."
NO_ROLE = "Choose at least one role"


def change_roles(ctx: Context, account_id: int, user_id: int, roles: Sequence[Role]) -> User:
    """Replace the member's roles. Raises `NotFound`, `Invalid`, or `Refusal` for the owner."""
    Account.locked(ctx.session, account_id)
    user = _not_the_owner(ctx, account_id, user_id)
    if not roles or not set(roles) <= set(INVITABLE):
        ctx.session.rollback()
        raise Invalid({"roles": NO_ROLE})
    before = user.roles_in(account_id)
    if before != set(roles):
        users.set_roles(ctx.session, account_id, user_id, roles)
        event = RolesChanged(user.name, in_order(before), in_order(roles))
        events.record(ctx, account_id, event)
    ctx.session.commit()
    return user


def remove_person(ctx: Context, account_id: int, user_id: int) -> User:
    """Remove a member; their access ends at once, also in open sessions.

    Raises `NotFound`, or `Refusal` for the owner.
    """
    Account.locked(ctx.session, account_id)
    user = _not_the_owner(ctx, account_id, user_id)
    users.set_roles(ctx.session, account_id, user_id, ())
    events.record(ctx, account_id, PersonRemoved(user.name, user.email))
    ctx.session.commit()
    return user


def hand_over(ctx: Context, account_id: int, user_id: int) -> User:
    """Transfer ownership: the member becomes the owner, the owner an admin. Both get an email.

    Raises `NotFound`, or `Refusal` if the actor is not the owner or names themselves.
    """
    Account.locked(ctx.session, account_id)
    user = users.member(ctx.session, account_id, user_id)
    owner = ctx.session.get_one(User, ctx.actor.user_id)
    if not owner.owns(account_id) or user.id == owner.id:
        ctx.session.rollback()
        raise Refusal("Only the owner can transfer ownership, and only to someone else.")
    users.set_roles(ctx.session, account_id, owner.id, [Role.ADMIN])
    users.set_roles(ctx.session, account_id, user.id, [Role.OWNER])
    event = OwnershipTransferred(owner.name, user.name)
    events.record(ctx, account_id, event, to=(owner, user))
    ctx.session.commit()
    return user


def in_order(roles: Sequence[Role] | set[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]


def _not_the_owner(ctx: Context, account_id: int, user_id: int) -> User:
    user = users.member(ctx.session, account_id, user_id)
    if user.owns(account_id):
        ctx.session.rollback()
        raise Refusal(OWNER_STAYS)
    return user
