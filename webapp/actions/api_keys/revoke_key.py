"""Revoke an API key, immediately and permanently."""

from webapp.actions.users.portal import end_access_by_key
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.events import recording as events
from webapp.domain.events.api_keys import ApiKeyRevoked
from webapp.domain.shared.context import Context


def revoke_key(ctx: Context, account_id: int | None, key_id: int) -> ApiKey:
    """Revoke the key; a second call changes nothing. Raises `NotFound`.

    Portal links and sessions that a provider's key has made end with it (V8).
    """
    api_keys.lock_owner(ctx.session, account_id)
    key = api_keys.find(ctx.session, account_id, key_id)
    if key.revoked_at is None:
        key.revoke(ctx.now)
        event = ApiKeyRevoked(key.hint, key.name)
        events.record(ctx, account_id, event, to=events.actor(ctx))
        end_access_by_key(ctx, key)
    ctx.session.commit()
    return key
