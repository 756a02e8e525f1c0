"""Who belongs to an account, and in which roles (P1)."""

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

OWNER_STAYS = "The owner stays. Hand the account over first."
NO_ROLE = "Choose at least one role"


def change_roles(
    session: Session,
    account_id: int,
    user_id: int,
    roles: Sequence[Role],
    actor: Actor,
    now: datetime,
) -> User:
    """These and no others. Raises `NotFound`, `Invalid`, or `Refusal` for the owner."""
    Account.locked(session, account_id)
    user = _not_the_owner(session, account_id, user_id)
    if not roles or not set(roles) <= set(INVITABLE):
        session.rollback()
        raise Invalid({"roles": NO_ROLE})
    before = user.roles_in(account_id)
    if before != set(roles):
        users.set_roles(session, account_id, user_id, roles)
        told = {"person": user.name, "before": in_order(before), "after": in_order(roles)}
        audit.record(session, account_id, actor, "roles", now, **told)
    session.commit()
    return user


def remove_person(
    session: Session, account_id: int, user_id: int, actor: Actor, now: datetime
) -> User:
    """Out of the account at once, also where they are signed in. Raises `NotFound`, `Refusal`."""
    Account.locked(session, account_id)
    user = _not_the_owner(session, account_id, user_id)
    users.set_roles(session, account_id, user_id, ())
    told = {"person": user.name, "email": user.email}
    audit.record(session, account_id, actor, "person_removed", now, **told)
    session.commit()
    return user


def hand_over(session: Session, account_id: int, user_id: int, actor: Actor, now: datetime) -> User:
    """The person becomes the owner, and the owner an admin; both are told by mail.

    Raises `NotFound`, and `Refusal` for who is not the owner or hands over to themselves.
    """
    account = Account.locked(session, account_id)
    user = users.member(session, account_id, user_id)
    owner = session.get_one(User, actor.user_id)
    if not owner.owns(account_id) or user.id == owner.id:
        session.rollback()
        raise Refusal("Only the owner can hand the account over, and to somebody else.")
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
    told = {"before": owner.name, "after": user.name}
    audit.record(session, account_id, actor, "ownership", now, **told)
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
