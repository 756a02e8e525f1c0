"""`flask provider-keys`: the provider's own API keys, which act for every account (V1)."""

from collections.abc import Sequence
from datetime import timedelta

import click

from webapp.actions.api_keys.create_key import NewKey, create_key
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.api_keys.rotate_key import rotate_key
from webapp.cli.keys import DAYS, KEY_ID, NAME, NETWORKS, OVERLAP, key_line
from webapp.cli.shared.output import Commands, lines, prints, sentence
from webapp.domain.api_keys.api_key import OF_PROVIDER, KeyChoice
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.users.user import Right
from webapp.extensions import make_context
from webapp.reads.api_keys import KeyRecord, read_key_records

commands = Commands(
    "provider-keys", help="Create, list, rotate and revoke the provider's API keys."
)


@commands.command()
@NAME
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in OF_PROVIDER]),
    help="A permission; can be repeated. Name those that the program needs. Default: all.",
)
@NETWORKS
@DAYS
@prints()
def create(
    name: str, scopes: tuple[str, ...], networks: tuple[str, ...], days: int | None
) -> dict[str, object]:
    """Create a key that acts for every account. It is shown only once."""
    lasts = timedelta(days=days) if days else None
    choice = KeyChoice(name, scopes or OF_PROVIDER, networks, lasts)
    made = create_key(make_context(COMMAND_LINE), None, choice, frozenset(Right))
    return _shown_once(made) | {"scopes": choice.scopes}


@commands.command("list")
@prints(lines(key_line, "No provider keys."))
def list_() -> Sequence[KeyRecord]:
    """List the provider's keys, newest first. The secret part is not stored."""
    return read_key_records(make_context(), None)


@commands.command()
@KEY_ID
@OVERLAP
@prints()
def rotate(key: int, overlap: int) -> dict[str, object]:
    """Replace KEY, an id from `flask provider-keys list`, with a new key."""
    lasts = timedelta(hours=overlap)
    return _shown_once(rotate_key(make_context(COMMAND_LINE), None, key, lasts, frozenset(Right)))


@commands.command()
@KEY_ID
@prints(sentence("Provider key {id} is revoked."))
def revoke(key: int) -> dict[str, object]:
    """Revoke KEY immediately and permanently."""
    revoked = revoke_key(make_context(COMMAND_LINE), None, key)
    return {"id": key, "revoked_at": revoked.revoked_at}


def _shown_once(made: NewKey) -> dict[str, object]:
    return {"id": made.id, "name": made.name, "key": made.key}
