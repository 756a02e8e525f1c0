"""Create an API key. The full key is shown once."""

from collections.abc import Collection
from dataclasses import dataclass

from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import ApiKey, KeyChoice
from webapp.domain.events import recording as events
from webapp.domain.events.api_keys import ApiKeyCreated
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.users.user import Right


@dataclass(frozen=True)
class NewKey:
    id: int
    name: str
    key: str
    """The full key. Only its hash is stored, so it cannot be shown again."""


def create_key(
    ctx: Context, account_id: int | None, choice: KeyChoice, rights: Collection[Right]
) -> NewKey:
    """Create a key of the account; without one, of the provider (V1).

    `rights`: those of the user who creates it.

    Raises `Invalid` with an error for each invalid field.
    """
    grantable = api_keys.lock_owner(ctx.session, account_id)
    api_keys.require_not_closed(ctx.session, account_id)
    if faults := choice.faults(rights, grantable):
        raise Invalid(faults)
    api_keys.require_room(ctx, account_id)
    record, key = ApiKey.issue(account_id, choice, ctx.now)
    ctx.session.add(record)
    ctx.session.flush()
    made = NewKey(record.id, record.name, key)
    event = ApiKeyCreated(record.hint, record.name, record.scopes, record.networks)
    events.record(ctx, account_id, event, to=events.actor(ctx))
    ctx.session.commit()
    return made
