"""Create an API key. The full key is shown once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from webapp.actions.users.security_emails import KEY_CREATED, enqueue_security_email
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey, KeyChoice
from webapp.domain.shared.errors import Invalid
from webapp.domain.users.user import Right


@dataclass(frozen=True)
class NewKey:
    id: int
    name: str
    key: str
    """The full key. Only its hash is stored, so it cannot be shown again."""


def create_key(
    session: Session,
    account_id: int,
    choice: KeyChoice,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
) -> NewKey:
    """Create a key. `rights` are those of the user who creates it.

    Raises `Invalid` with an error for each invalid field.
    """
    if faults := choice.faults(rights):
        raise Invalid(faults)
    Account.locked(session, account_id)
    api_keys.require_room(session, account_id, now)
    record, key = ApiKey.issue(account_id, choice, now)
    session.add(record)
    session.flush()
    made = NewKey(record.id, record.name, key)
    audit.record(
        session,
        account_id,
        actor,
        "api_key_created",
        now,
        key=record.hint,
        name=record.name,
        scopes=list(record.scopes),
        networks=list(record.networks),
    )
    enqueue_security_email(session, actor.user_id, KEY_CREATED, actor, now, made.name)
    session.commit()
    return made
