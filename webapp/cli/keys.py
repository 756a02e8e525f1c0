"""`flask keys` and `flask provider-keys`: API keys, and the installation's secret key."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from webapp.actions.api_keys.create_key import NewKey, create_key
from webapp.actions.api_keys.revoke_key import revoke_key
from webapp.actions.api_keys.rotate_key import LONGEST_OVERLAP, rotate_key
from webapp.actions.rotate_secret import rotate_secret
from webapp.cli.shared.arguments import ACCOUNT, ANY_ID, Owner, of_provider
from webapp.cli.shared.output import Commands, as_json, lines, print_json, prints, sentence
from webapp.domain.api_keys import api_key as api_keys
from webapp.domain.api_keys.api_key import KeyChoice, Scope
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.errors import Refusal
from webapp.domain.users.user import Right
from webapp.extensions import make_context, services
from webapp.reads.api_keys import KeyRecord, read_key_records
from webapp.reads.system.installation import SHORTEST_KEY

MOST_HOURS = int(LONGEST_OVERLAP / timedelta(hours=1))

KEY = click.argument("key", type=ANY_ID)


def _line(row: KeyRecord) -> str:
    used = f"{row.last_used_at:%Y-%m-%d %H:%M}" if row.last_used_at else "never used"
    return f"{row.id:>6}  {row.prefix}…  {row.state:<8} {used:<16}  {row.name}"


def group(
    name: str, about: str, owner: Owner, offered: Sequence[Scope], default: Sequence[Scope]
) -> Commands:
    """Return the commands for keys of one kind of owner.

    `owner` passes `account` to each command; `offered` are the scopes that a key can have.
    """
    commands = Commands(name, help=about)

    @commands.command()
    @owner
    @click.option("--name", required=True, help="The key's purpose. Shown in the key list.")
    @click.option(
        "--scope",
        "scopes",
        multiple=True,
        type=click.Choice([scope.value for scope in offered]),
        help=f"A permission; can be repeated. Default: {', '.join(default)}.",
    )
    @click.option(
        "--from",
        "networks",
        multiple=True,
        metavar="CIDR",
        help="An allowed network; can be repeated. Default: any.",
    )
    @click.option(
        "--days", type=click.IntRange(1, 3650), help="Days until it expires. Default: never."
    )
    @prints()
    def create(
        account: int | None,
        name: str,
        scopes: tuple[str, ...],
        networks: tuple[str, ...],
        days: int | None,
    ) -> dict[str, object]:
        """Create a key. It is shown only once."""
        lasts = timedelta(days=days) if days else None
        choice = KeyChoice(name, scopes or tuple(default), networks, lasts)
        made = create_key(make_context(COMMAND_LINE), account, choice, frozenset(Right))
        return {"scopes": choice.scopes, **_shown_once(account, made)}

    @commands.command("list")
    @owner
    @prints(lines(_line, "No API keys."))
    def list_(account: int | None) -> Sequence[KeyRecord]:
        """List the keys, newest first. The secret part is not stored."""
        return read_key_records(make_context(), account)

    @commands.command()
    @owner
    @KEY
    @click.option(
        "--overlap",
        type=click.IntRange(0, MOST_HOURS),
        default=24,
        show_default=True,
        help="Hours for which the old key still works.",
    )
    @prints()
    def rotate(account: int | None, key: int, overlap: int) -> dict[str, object]:
        """Replace KEY, an id from the list, with a new key."""
        ctx, lasts = make_context(COMMAND_LINE), timedelta(hours=overlap)
        return _shown_once(account, rotate_key(ctx, account, key, lasts, frozenset(Right)))

    @commands.command()
    @owner
    @KEY
    @prints(sentence("Key {id} is revoked."))
    def revoke(account: int | None, key: int) -> dict[str, object]:
        """Revoke KEY immediately and permanently."""
        revoked = revoke_key(make_context(COMMAND_LINE), account, key)
        return {**_owner(account), "id": key, "revoked_at": revoked.revoked_at}

    return commands


def _owner(account: int | None) -> dict[str, object]:
    return {} if account is None else {"account": account}


def _shown_once(account: int | None, made: NewKey) -> dict[str, object]:
    field = "key" if account is None else "api_key"
    return {**_owner(account), "id": made.id, "name": made.name, field: made.key}


commands = group(
    "keys",
    "Create, list, rotate and revoke API keys. rotate-secret replaces SECRET_KEY.",
    ACCOUNT,
    api_keys.OF_ACCOUNT,
    api_keys.READING,
)
provider_commands = group(
    "provider-keys",
    "Create, list, rotate and revoke the provider's API keys, which act for every account.",
    of_provider,
    api_keys.OF_PROVIDER,
    api_keys.OF_PROVIDER,
)


@commands.command("rotate-secret")
@click.option(
    "--new-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with the new key, if SECRET_KEY is set instead of stored in BALLAST_HOME.",
)
@as_json
def rotate_secret_key(new_key_file: Path | None, as_json: bool) -> None:
    """Replace SECRET_KEY and re-encrypt all secrets in the database.

    Stop the server and `flask jobs start` first. The change is one transaction; if it is
    interrupted, run the command again. All users are signed out, and links in emails sent before
    no longer work.
    """
    settings = services().settings
    is_kept = settings.keeps_its_key
    key_file = settings.key_file if is_kept else new_key_file
    if is_kept and new_key_file:
        raise Refusal(f"{key_file} holds the current key and is updated: omit --new-key-file.")
    if key_file is None:
        raise Refusal("SECRET_KEY is set: write a new key to a file and add --new-key-file FILE.")
    new = settings.next_key() if is_kept else key_file.read_text(encoding="utf-8").strip()
    if len(new) < SHORTEST_KEY or new == settings.secret_key:
        raise Refusal(f"{key_file}: use a new key of at least {SHORTEST_KEY} characters.")
    count = rotate_secret(make_context(COMMAND_LINE), settings.secret_key, new)
    settings.take_key(new)
    if as_json:
        print_json({"secrets": count, "key_file": str(key_file)})
        return
    click.echo(f"Secrets encrypted with the new key: {count:,}. The key is in {key_file}.")
    if not is_kept:
        click.echo("Set SECRET_KEY to it before the next start.")
    click.echo(
        "All users are signed out, and links in emails sent before (password reset, confirmation, "
        "invitation, payment, unsubscribe) no longer work. Keep the old key for older backups."
    )
