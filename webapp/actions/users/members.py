"""Change roles of members, remove members and transfer ownership (P1)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.users import user as users
from webapp.domain.users.invitations import INVITABLE
from webapp.domain.users.user import Role, User

OWNER_STAYS = "The owner cannot be changed or removed. Transfer ownership first."
NO_ROLE = "Choose at least one role"


def change_roles(
    session: Session,
    account_id: int,
    user_id: int,
    roles: Sequence[Role],
    actor: Actor,
    now: datetime,
) -> User:
    """Replace the member's roles. Raises `NotFound`, `Invalid`, or `Refusal` for the owner."""
    Account.locked(session, account_id)
    user = _not_the_owner(session, account_id, user_id)
    if not roles or not set(roles) <= set(INVITABLE):
        session.rollback()
        raise Invalid({"roles": NO_ROLE})
    before = user.roles_in(account_id)
    if before != set(roles):
        users.set_roles(session, account_id, user_id, roles)
        details = {"person": user.name, "before": in_order(before), "after": in_order(roles)}
        audit.record(session, account_id, actor, "roles", now, **details)
    session.commit()
    return user


def remove_person(
    session: Session, account_id: int, user_id: int, actor: Actor, now: datetime
) -> User:
    """Remove a member; their access ends at once, also in open sessions.

    Raises `NotFound`, or `Refusal` for the owner.
    """
    Account.locked(session, account_id)
    user = _not_the_owner(session, account_id, user_id)
    users.set_roles(session, account_id, user_id, ())
    details = {"person": user.name, "email": user.email}
    audit.record(session, account_id, actor, "person_removed", now, **details)
    session.commit()
    return user


def hand_over(session: Session, account_id: int, user_id: int, actor: Actor, now: datetime) -> User:
    """Transfer ownership: the member becomes the owner, the owner an admin. Both get an email.

    Raises `NotFound`, or `Refusal` if the actor is not the owner or names themselves.
    """
    account = Account.locked(session, account_id)
    user = users.member(session, account_id, user_id)
    owner = session.get_one(User, actor.user_id)
    if not owner.owns(account_id) or user.id == owner.id:
        session.rollback()
        raise Refusal("Only the owner can transfer ownership, and only to someone else.")
    users.set_roles(session, account_id, owner.id, [Role.ADMIN])
    users.set_roles(session, account_id, user.id, [Role.OWNER])
    facts = {
        "account_name": account.name,
        "before": owner.name,
        "after": user.name,
        "at": account.mailed(now, now),
    }
    kind, language = NoticeKind.OWNERSHIP, account.translator.language
    for person in (owner, user):
        outbox.enqueue_personal(session, person.id, person.email, kind, facts, language, now)
    details = {"before": owner.name, "after": user.name}
    audit.record(session, account_id, actor, "ownership", now, **details)
    session.commit()
    return user


def in_order(roles: Sequence[Role] | set[Role]) -> list[str]:
    return [role.value for role in Role if role in roles]


def _not_the_owner(session: Session, account_id: int, user_id: int) -> User:
    user = users.member(session, account_id, user_id)
    if user.owns(account_id):
        session.rollback()
        raise Refusal(OWNER_STAYS)
    return user
