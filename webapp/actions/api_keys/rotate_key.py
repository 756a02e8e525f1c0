"""A new key takes the place of another; for a while both work, so that nothing stands still."""

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
    """Raises `NotFound`, `Denied`, or `Conflict` where it has ended or was rotated before."""
    Account.locked(session, account_id)
    old = api_keys.find(session, account_id, key_id)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Refusal(f"The two can work together for up to {LONGEST_OVERLAP.days} days.")
    if not old.works(now):
        raise Conflict("This key does not work any more. Create a new one instead.")
    if api_keys.successors(session, [old]):
        raise Conflict("Another key has taken its place already.")
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
