"""Replace an API key by a new one. Both work during the overlap, so clients can switch."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from webapp.actions.api_keys.create_key import NewKey
from webapp.actions.users.security_emails import KEY_ROTATED, enqueue_security_email
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.audit import Actor
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.shared.errors import Conflict, Denied, Refusal
from webapp.domain.users.user import Right

LONGEST_OVERLAP = timedelta(days=7)


def rotate_key(
    session: Session,
    account_id: int,
    key_id: int,
    overlap: timedelta,
    rights: Collection[Right],
    actor: Actor,
    now: datetime,
) -> NewKey:
    """Create the successor. The old key ends after `overlap`.

    Raises `NotFound`, `Refusal` for an overlap out of range, `Denied`, or `Conflict` if the key no
    longer works or has been rotated before.
    """
    Account.locked(session, account_id)
    old = api_keys.find(session, account_id, key_id)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Refusal(f"The overlap can be at most {LONGEST_OVERLAP.days} days.")
    if not old.works(now):
        raise Conflict("This key no longer works. Create a new one instead.")
    if api_keys.successors(session, [old]):
        raise Conflict("This key has already been rotated.")
    if why := old.rotation_denial(rights):
        raise Denied(why)
    record, key = old.succeed(overlap, now)
    session.add(record)
    session.flush()
    made = NewKey(record.id, record.name, key)
    audit.record(
        session,
        account_id,
        actor,
        "api_key_rotated",
        now,
        key=record.hint,
        name=record.name,
        replaces=old.hint,
        both_until=(now + overlap).isoformat(),
    )
    enqueue_security_email(session, actor.user_id, KEY_ROTATED, actor, now, made.name)
    session.commit()
    return made
