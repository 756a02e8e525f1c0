"""Revoke an API key, immediately and permanently."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.users.security_emails import KEY_REVOKED, enqueue_security_email
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey


def revoke_key(
    session: Session, account_id: int, key_id: int, actor: Actor, now: datetime
) -> ApiKey:
    """Revoke the key; a second call changes nothing. Raises `NotFound`."""
    Account.locked(session, account_id)
    key = api_keys.find(session, account_id, key_id)
    if key.revoked_at is None:
        key.revoke(now)
        audit.record(
            session, account_id, actor, "api_key_revoked", now, key=key.hint, name=key.name
        )
        enqueue_security_email(session, actor.user_id, KEY_REVOKED, actor, now, key.name)
    session.commit()
    return key
