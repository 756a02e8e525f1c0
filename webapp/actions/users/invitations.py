"""Create, resend, revoke and accept invitations to an account (P1, P3)."""

from collections.abc import Sequence

from sqlalchemy.exc import IntegrityError

from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.users import (
    InvitationRevoked,
    Invited,
    InvitedAgain,
    Joined,
    OwnerInvited,
)
from webapp.domain.shared import texts
from webapp.domain.shared.context import Actor, Context
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Conflict, Invalid, Refusal
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users import invitations, operators, passwords
from webapp.domain.users import user as users
from webapp.domain.users.invitations import INVITABLE, Invitation, InvitationState
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import Role, User

DEAD = "This invitation no longer works. Ask the person who invited you to send a new one."
NO_ROLE = "Choose at least one role"
OWNED = "The account has an owner, who can transfer it."
OF_PROVIDER = "Your provider has invited the owner, and can withdraw the invitation."
OF_STAFF = "This address belongs to one of the provider’s staff, who cannot join an account."


def invite(ctx: Context, account_id: int, email: str, roles: Sequence[Role]) -> Invitation:
    """Invite an address by email. Raises `Invalid` with an error for each invalid field."""
    account = Account.locked(ctx.session, account_id)
    account.require_not_closed()
    email = email.strip().lower()
    if faults := _faults(ctx, account_id, email, roles):
        ctx.session.rollback()
        raise Invalid(faults)
    invitation = Invitation(
        account_id=account_id,
        email=email,
        roles=[str(role) for role in roles],
        state=InvitationState.OPEN,
        invited_by_id=ctx.actor.user_id,
        times_sent=1,
        sent_at=ctx.now,
        created_at=ctx.now,
    )
    ctx.session.add(invitation)
    ctx.session.flush()
    _send(ctx, account, invitation)
    ctx.session.commit()
    return invitation


def invite_owner(ctx: Context, account: Account, owner: OwnerChoice) -> None:
    """Invite the owner of a locked account that has none, instead of the person invited before.

    The owner joins by the link in the email, so a wrong address gives nobody access (V4). Raises
    `Conflict` if the account has an owner.
    """
    if users.owner_of(ctx.session, account.id) is not None:
        ctx.session.rollback()
        raise Conflict(OWNED, code="owner_has_joined")
    if (before := invitations.of_owner(ctx.session, account.id)) is not None:
        before.state = InvitationState.REVOKED
        events.record(ctx, account.id, InvitationRevoked(before.email))
        ctx.session.flush()
    invitation = Invitation(
        account_id=account.id,
        email=owner.address,
        name=owner.name.strip(),
        roles=[Role.OWNER.value],
        state=InvitationState.OPEN,
        times_sent=1,
        sent_at=ctx.now,
        created_at=ctx.now,
    )
    ctx.session.add(invitation)
    ctx.session.flush()
    _send(ctx, account, invitation, OwnerInvited)


def invite_again(ctx: Context, account_id: int, invitation_id: int) -> Invitation:
    """Resend the invitation; the link of the earlier email stops working. Raises `NotFound`."""
    account = Account.locked(ctx.session, account_id)
    invitation = invitations.find_open(ctx.session, account_id, invitation_id)
    invitation.times_sent += 1
    invitation.sent_at = ctx.now
    _send(ctx, account, invitation, OwnerInvited if invitation.is_for_owner else InvitedAgain)
    ctx.session.commit()
    return invitation


def revoke_invitation(ctx: Context, account_id: int, invitation_id: int) -> Invitation:
    """Revoke an open invitation. Raises `NotFound`, or `Refusal` for the owner's."""
    Account.locked(ctx.session, account_id)
    invitation = invitations.find_open(ctx.session, account_id, invitation_id)
    if invitation.is_for_owner:
        ctx.session.rollback()
        raise Refusal(OF_PROVIDER)
    invitation.state = InvitationState.REVOKED
    events.record(ctx, account_id, InvitationRevoked(invitation.email))
    ctx.session.commit()
    return invitation


def accept_as_new(
    ctx: Context, invitation_id: int, times_sent: int, name: str, password: str, address: str
) -> int:
    """Accept as a new user. Returns the user's id.

    Raises `Invalid` with an error for each invalid field, or `Refusal` if the invitation no longer
    works.
    """
    faults = {}
    if fault := "Enter your name" if not name.strip() else texts.fault(name.strip(), NAME_LENGTH):
        faults["name"] = fault
    if fault := passwords.fault(password, (name, *_invited_to(ctx, invitation_id))):
        faults["password"] = fault
    if faults:
        raise Invalid(faults)
    hashed = passwords.hash_password(password)
    begin_writing(ctx.session)
    invitation = _acceptable(ctx, invitation_id, times_sent)
    user = User(email=invitation.email, name=name.strip(), password_hash=hashed, created_at=ctx.now)
    ctx.session.add(user)
    try:
        ctx.session.flush()
    except IntegrityError:  # the address was registered meanwhile
        ctx.session.rollback()
        raise Refusal("This email address is already in use. Sign in to accept.") from None
    _join(ctx, invitation, user, address)
    user_id = user.id
    ctx.session.commit()
    return user_id


def accept_as(ctx: Context, invitation_id: int, times_sent: int, user_id: int, address: str) -> int:
    """Accept as a signed-in user. Returns the account's id.

    Raises `Refusal` if the invitation no longer works, or is for another address or an operator.
    """
    begin_writing(ctx.session)
    invitation = _acceptable(ctx, invitation_id, times_sent)
    user = ctx.session.get_one(User, user_id)
    if user.email != invitation.email:
        ctx.session.rollback()
        raise Refusal(f"This invitation is for {invitation.email}. Sign in with that address.")
    if operators.is_operator(ctx.session, user.id):
        ctx.session.rollback()
        raise Refusal(OF_STAFF)  # a member of an account is no operator any more
    _join(ctx, invitation, user, address)
    account_id = invitation.account_id
    ctx.session.commit()
    return account_id


def _join(ctx: Context, invitation: Invitation, user: User, address: str) -> None:
    owner = users.owner_of(ctx.session, invitation.account_id)
    if invitation.is_for_owner and owner is not None:
        ctx.session.rollback()
        raise Refusal(OWNED)
    invitation.state = InvitationState.ACCEPTED
    user.confirm()  # the email with the link has reached the user
    ctx.session.flush()
    roles = {*user.roles_in(invitation.account_id), *invitation.in_roles()}
    users.set_roles(ctx.session, invitation.account_id, user.id, roles)
    actor = Actor(user.id, user.name, address)
    joined = Joined([str(role) for role in roles])
    events.record(ctx.by(actor), invitation.account_id, joined)


def _invited_to(ctx: Context, invitation_id: int) -> list[str]:
    """The invited address and the account's name, which the password must not resemble."""
    invitation = ctx.session.get(Invitation, invitation_id)
    if invitation is None:
        return []
    return [invitation.email, ctx.session.get_one(Account, invitation.account_id).name]


def _acceptable(ctx: Context, invitation_id: int, times_sent: int) -> Invitation:
    """The invitation, locked so that concurrent requests accept it once. Raises `Refusal`."""
    invitation = ctx.session.get(
        Invitation, invitation_id, with_for_update=True, populate_existing=True
    )
    if invitation is None or not invitation.can_be_accepted(times_sent, ctx.now):
        ctx.session.rollback()
        raise Refusal(DEAD)
    return invitation


def _faults(ctx: Context, account_id: int, email: str, roles: Sequence[Role]) -> dict[str, str]:
    faults = {}
    if not is_address(email):
        faults["email"] = "Enter an email address such as ana@example.com"
    elif any(user.email == email for user in users.members(ctx.session, account_id)):
        faults["email"] = "This person is already a member of the account"
    elif any(one.email == email for one in invitations.listed(ctx.session, account_id)):
        faults["email"] = (
            "This address has already been invited. You can resend the invitation below"
        )
    if not roles or not set(roles) <= set(INVITABLE):
        faults["roles"] = NO_ROLE
    return faults


def _send(
    ctx: Context, account: Account, invitation: Invitation, kind: type[Invited] = Invited
) -> None:
    link = (invitation.id, invitation.times_sent)
    until = account.mailed(invitation.expires_at, ctx.now)
    event = kind(invitation.email, invitation.roles, link, until)
    events.record(ctx, account.id, event, address=invitation.email)
