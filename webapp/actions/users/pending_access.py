"""Revoke access that an attacker may have prepared for a user or an account."""

from sqlalchemy import select

from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.events import recording as events
from webapp.domain.events.api_keys import ApiKeyRevoked
from webapp.domain.events.users import InvitationRevoked
from webapp.domain.events.webhooks import WebhookRemoved
from webapp.domain.shared.context import Context
from webapp.domain.users import passkeys, second_factor
from webapp.domain.users.invitations import Invitation, InvitationState
from webapp.domain.users.user import User
from webapp.domain.webhooks import endpoint as webhooks


def revoke_pending_access(ctx: Context, user: User) -> None:
    """Drop an unconfirmed change of email and revoke open invitations that the user sent.

    Part of resetting or changing the password and of signing out everywhere: someone who had the
    session or the password before must not regain access through these.
    """
    user.pending_email = None
    sent = select(Invitation).where(
        Invitation.invited_by_id == user.id, Invitation.state == InvitationState.OPEN
    )
    for invitation in ctx.session.scalars(sent):
        invitation.state = InvitationState.REVOKED
        events.record(ctx, invitation.account_id, InvitationRevoked(invitation.email))


def revoke_unconfirmed_access(ctx: Context, user: User) -> None:
    """Revoke all access to accounts whose owner's address was not confirmed until now.

    The person who signed up may not be the owner of the address.
    """
    user.totp_secret = user.totp_since = None
    second_factor.forget_recovery_codes(ctx.session, user.id)
    for passkey in passkeys.of_user(ctx.session, user.id):
        ctx.session.delete(passkey)
    for account in user.accounts:
        for key in ctx.session.scalars(select(ApiKey).where(ApiKey.account_id == account.id)):
            if key.revoked_at is None:
                key.revoke(ctx.now)
                events.record(ctx, account.id, ApiKeyRevoked(key.hint, key.name))
        for endpoint in webhooks.of_owner(ctx.session, account.id):
            endpoint.removed_at = ctx.now
            events.record(ctx, account.id, WebhookRemoved(endpoint.url))
