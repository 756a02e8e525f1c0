"""Replace an API key by a new one. Both work during the overlap, so clients can switch."""

from collections.abc import Collection
from datetime import timedelta

from webapp.actions.api_keys.create_key import NewKey
from webapp.actions.users.security_emails import KEY_ROTATED, enqueue_security_email
from webapp.domain.accounts import audit
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Denied, Refusal
from webapp.domain.users.user import Right

LONGEST_OVERLAP = timedelta(days=7)


def rotate_key(
    ctx: Context, account_id: int, key_id: int, overlap: timedelta, rights: Collection[Right]
) -> NewKey:
    """Create the successor. The old key ends after `overlap`.

    Raises `NotFound`, `Refusal` for an overlap out of range, `Denied`, or `Conflict` if the key no
    longer works or has been rotated before.
    """
    Account.locked(ctx.session, account_id)
    old = api_keys.find(ctx.session, account_id, key_id)
    if not timedelta() <= overlap <= LONGEST_OVERLAP:
        raise Refusal(f"The overlap can be at most {LONGEST_OVERLAP.days} days.")
    if not old.works(ctx.now):
        raise Conflict("This key no longer works. Create a new one instead.")
    if api_keys.successors(ctx.session, [old]):
        raise Conflict("This key has already been rotated.")
    if why := old.rotation_denial(rights):
        raise Denied(why)
    record, key = old.succeed(overlap, ctx.now)
    ctx.session.add(record)
    ctx.session.flush()
    made = NewKey(record.id, record.name, key)
    audit.record(
        ctx,
        account_id,
        "api_key_rotated",
        key=record.hint,
        name=record.name,
        replaces=old.hint,
        both_until=(ctx.now + overlap).isoformat(),
    )
    enqueue_security_email(ctx, ctx.actor.user_id, KEY_ROTATED, made.name)
    ctx.session.commit()
    return made
