"""People are invited into an account, and come (P1, P3)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.notifications import outbox
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import texts
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users import invitations, passwords
from webapp.domain.users import user as users
from webapp.domain.users.invitations import INVITABLE, Invitation, InvitationState
from webapp.domain.users.user import ROLE_NAMES, Role, User

DEAD = "This invitation does not work any more. Ask whoever invited you to send it again."
NO_ROLE = "Choose at least one role"


def invite(
    session: Session,
    account_id: int,
    email: str,
    roles: Sequence[Role],
    actor: Actor,
    now: datetime,
) -> Invitation:
    """Owe the address its link. Raises `Invalid` with an error for each bad field."""
    account = Account.locked(session, account_id)
    email = email.strip().lower()
    if faults := _faults(session, account_id, email, roles):
        session.rollback()
        raise Invalid(faults)
    invitation = Invitation(
        account_id=account_id,
        email=email,
        roles=[str(role) for role in roles],
        state=InvitationState.OPEN,
        invited_by_id=actor.user_id,
        times_sent=1,
        sent_at=now,
        created_at=now,
    )
    session.add(invitation)
    session.flush()
    _send(session, account, invitation, actor, now)
    told = {"email": email, "roles": invitation.roles}
    audit.record(session, account_id, actor, "invited", now, **told)
    session.commit()
    return invitation


def invite_again(
    session: Session, account_id: int, invitation_id: int, actor: Actor, now: datetime
) -> Invitation:
    """Another mail; the link of the one before is dead. Raises `NotFound`."""
    account = Account.locked(session, account_id)
    invitation = invitations.find_open(session, account_id, invitation_id)
    invitation.times_sent += 1
    invitation.sent_at = now
    _send(session, account, invitation, actor, now)
    audit.record(session, account_id, actor, "invited_again", now, email=invitation.email)
    session.commit()
    return invitation


def revoke_invitation(
    session: Session, account_id: int, invitation_id: int, actor: Actor, now: datetime
) -> Invitation:
    """Raises `NotFound`."""
    Account.locked(session, account_id)
    invitation = invitations.find_open(session, account_id, invitation_id)
    invitation.state = InvitationState.REVOKED
    audit.record(session, account_id, actor, "invitation_revoked", now, email=invitation.email)
    session.commit()
    return invitation


def accept_as_new(
    session: Session,
    invitation_id: int,
    times_sent: int,
    name: str,
    password: str,
    address: str,
    now: datetime,
) -> int:
    """Somebody who was not here before: the new person's id.

    Raises `Invalid` with an error for each bad field, and `Refusal` for a dead invitation.
    """
    faults = {}
    if fault := "Enter your name" if not name.strip() else texts.fault(name.strip(), NAME_LENGTH):
        faults["name"] = fault
    if fault := passwords.fault(password, (name, *_invited(session, invitation_id))):
        faults["password"] = fault
    if faults:
        raise Invalid(faults)
    hashed = passwords.hash_password(password)
    begin_writing(session)
    invitation = _alive(session, invitation_id, times_sent, now)
    user = User(email=invitation.email, name=name.strip(), password_hash=hashed, created_at=now)
    session.add(user)
    try:
        session.flush()
    except IntegrityError:  # they have signed up meanwhile
        session.rollback()
        raise Refusal("There is a person with this address now. Sign in to accept.") from None
    _join(session, invitation, user, address, now)
    user_id = user.id
    session.commit()
    return user_id


def accept_as(
    session: Session, invitation_id: int, times_sent: int, user_id: int, address: str, now: datetime
) -> int:
    """Somebody who is here already and signed in: the account's id.

    Raises `Refusal` for a dead invitation, or one to somebody else.
    """
    begin_writing(session)
    invitation = _alive(session, invitation_id, times_sent, now)
    user = session.get_one(User, user_id)
    if user.email != invitation.email:
        session.rollback()
        raise Refusal(f"This invitation is for {invitation.email}. Sign in with that address.")
    _join(session, invitation, user, address, now)
    account_id = invitation.account_id
    session.commit()
    return account_id


def _join(
    session: Session, invitation: Invitation, user: User, address: str, now: datetime
) -> None:
    invitation.state = InvitationState.ACCEPTED
    user.confirm()  # the mail has reached them
    session.flush()
    both = {*user.roles_in(invitation.account_id), *invitation.in_roles()}
    users.set_roles(session, invitation.account_id, user.id, both)
    actor = Actor(user.id, user.name, address)
    audit.record(
        session, invitation.account_id, actor, "joined", now, roles=[str(role) for role in both]
    )


def _invited(session: Session, invitation_id: int) -> list[str]:
    """The address that is invited, and into which company."""
    invitation = session.get(Invitation, invitation_id)
    if invitation is None:
        return []
    return [invitation.email, session.get_one(Account, invitation.account_id).name]


def _alive(session: Session, invitation_id: int, times_sent: int, now: datetime) -> Invitation:
    """Locked, so that two who press at once come in once."""
    invitation = session.get(
        Invitation, invitation_id, with_for_update=True, populate_existing=True
    )
    if invitation is None or not invitation.can_be_accepted(times_sent, now):
        session.rollback()
        raise Refusal(DEAD)
    return invitation


def _faults(session: Session, account_id: int, email: str, roles: Sequence[Role]) -> dict[str, str]:
    faults = {}
    if not is_address(email):
        faults["email"] = "Enter an e-mail address such as ana@example.com"
    elif any(user.email == email for user in users.members(session, account_id)):
        faults["email"] = "This person belongs to the account already"
    elif any(one.email == email for one in invitations.listed(session, account_id)):
        faults["email"] = "This address is invited already. You can send the mail again below"
    if not roles or not set(roles) <= set(INVITABLE):
        faults["roles"] = NO_ROLE
    return faults


def _send(
    session: Session, account: Account, invitation: Invitation, actor: Actor, now: datetime
) -> None:
    tongue, roles = account.translator, [ROLE_NAMES[role] for role in invitation.in_roles()]
    facts = {
        "account_name": account.name,
        "by": actor.name,
        "roles": ", ".join(map(tongue.gettext, roles)),
        "until": account.mailed(invitation.expires_at, now),
        "link": [invitation.id, invitation.times_sent],
    }
    kind, email = NoticeKind.INVITATION, invitation.email
    outbox.enqueue_personal(
        session, None, email, kind, facts, tongue.language, now, account_id=account.id
    )
