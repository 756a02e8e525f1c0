"""Revoke access that an attacker may have prepared for a user or an account."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.users import passkeys, second_factor
from webapp.domain.users.invitations import Invitation, InvitationState
from webapp.domain.users.user import User
from webapp.domain.webhooks import endpoint as webhooks


def revoke_pending_access(session: Session, user: User, actor: Actor, now: datetime) -> None:
    """Drop an unconfirmed change of email and revoke open invitations that the user sent.

    Part of resetting or changing the password and of signing out everywhere: someone who had the
    session or the password before must not regain access through these.
    """
    user.pending_email = None
    sent = select(Invitation).where(
        Invitation.invited_by_id == user.id, Invitation.state == InvitationState.OPEN
    )
    for invitation in session.scalars(sent):
        invitation.state = InvitationState.REVOKED
        email = invitation.email
        audit.record(session, invitation.account_id, actor, "invitation_revoked", now, email=email)


def revoke_unconfirmed_access(session: Session, user: User, actor: Actor, now: datetime) -> None:
    """Revoke all access to accounts whose owner's address was not confirmed until now.

    The person who signed up may not be the owner of the address.
    """
    user.totp_secret = user.totp_since = None
    second_factor.forget_recovery_codes(session, user.id)
    for passkey in passkeys.of_user(session, user.id):
        session.delete(passkey)
    for account in user.accounts:
        for key in session.scalars(select(ApiKey).where(ApiKey.account_id == account.id)):
            if key.revoked_at is None:
                key.revoke(now)
                details = {"key": key.hint, "name": key.name}
                audit.record(session, account.id, actor, "api_key_revoked", now, **details)
        for endpoint in webhooks.of_account(session, account.id):
            endpoint.removed_at = now
            audit.record(session, account.id, actor, "webhook_removed", now, url=endpoint.url)
        webhooks.note_who_is_told(session, account)
