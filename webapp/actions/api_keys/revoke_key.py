"""Revoke an API key, immediately and permanently."""

from webapp.actions.users.security_emails import KEY_REVOKED, enqueue_security_email
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.shared.context import Context


def revoke_key(ctx: Context, account_id: int, key_id: int) -> ApiKey:
    """Revoke the key; a second call changes nothing. Raises `NotFound`."""
    Account.locked(ctx.session, account_id)
    key = api_keys.find(ctx.session, account_id, key_id)
    if key.revoked_at is None:
        key.revoke(ctx.now)
        audit.record(ctx, account_id, "api_key_revoked", key=key.hint, name=key.name)
        enqueue_security_email(ctx, ctx.actor.user_id, KEY_REVOKED, key.name)
    ctx.session.commit()
    return key
