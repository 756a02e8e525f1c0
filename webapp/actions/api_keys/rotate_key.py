"""Replace an API key by a new one. Both work during the overlap, so clients can switch."""

from collections.abc import Collection
from datetime import timedelta

from webapp.actions.api_keys.create_key import NewKey
from webapp.actions.users.portal import end_access_by_key
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.events import recording as events
from webapp.domain.events.api_keys import ApiKeyRotated
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Denied, Refusal
from webapp.domain.users.user import Right

LONGEST_OVERLAP = timedelta(days=7)


def rotate_key(
    ctx: Context,
    account_id: int | None,
    key_id: int,
    overlap: timedelta,
    rights: Collection[Right],
) -> NewKey:
    """Create the successor. The old key ends after `overlap`; without one it ends at once, and
    with it the portal links and sessions that it has made (V8).

    Raises `NotFound`, `Refusal` for an overlap out of range, `Denied`, or `Conflict` if the key no
    longer works or has been rotated before.
    """
    api_keys.lock_owner(ctx.session, account_id)
    api_keys.require_not_closed(ctx.session, account_id)
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
    both_until = (ctx.now + overlap).isoformat()
    event = ApiKeyRotated(record.hint, record.name, old.hint, both_until)
    events.record(ctx, account_id, event, to=events.actor(ctx))
    if not overlap:
        end_access_by_key(ctx, old)
    ctx.session.commit()
    return made
