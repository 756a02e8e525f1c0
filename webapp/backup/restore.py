"""Restore a backup into an empty installation, whichever database it has."""

from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Engine

from webapp.backup.archive import BOOKS, KEY, Manifest, proof_name
from webapp.backup.migrate import bring_up
from webapp.backup.reader import OpenedBackup, opened, require_agreement
from webapp.backup.rows import Watch, copy_rows, require_empty
from webapp.backup.snapshot import view, writing
from webapp.domain.shared import vault
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.policy import Automatic
from webapp.extensions import Services
from webapp.reads.ledger.ledger_check import SANDBOXES
from webapp.reads.system.holdings import Holdings, read_holdings, read_processors
from webapp.settings import Settings


@dataclass(frozen=True)
class Restored:
    manifest: Manifest
    holdings: Holdings


def check(file: Path, services: Services) -> Restored:
    """Open a backup and prove it. Raises `Refusal` where it does not prove."""
    with opened(file, services.settings.home) as copy:
        _seal_for(_key_after(copy, services.settings), copy, services.settings)
        with view(copy.engine) as database:
            return Restored(copy.manifest, read_holdings(database))


def restore(file: Path, engine: Engine, services: Services, watch: Watch) -> Restored:
    """Raises `Refusal` where the backup does not prove, `Conflict` where data is present, and
    `WrongKey` where its secrets cannot be opened.

    The database comes last and in one transaction, so what was cut short can be started again:
    files and pretend books without it count for nothing.
    """
    with view(engine) as here:
        require_empty(here)
    with opened(file, services.settings.home) as copy:
        key = _key_after(copy, services.settings)
        _seal_for(key, copy, services.settings)
        with view(copy.engine) as source:
            _require_processors(read_processors(source), copy.manifest.made_at, services)
            bring_up(engine)
            _put_back_files(copy, services)
            with writing(engine) as target:
                require_empty(target)
                copy_rows(source, target, watch)
            restored = Restored(copy.manifest, read_holdings(source))
    vault.give_key(engine, key)
    require_agreement(engine, services.sandbox, "What was restored does not prove")
    return restored


def _key_in(copy: OpenedBackup) -> str:
    """The secret key that the backup holds; empty where its installation was given one."""
    if KEY not in copy.manifest.files:
        return ""
    return (copy.folder / KEY).read_text(encoding="utf-8").strip()


def _key_after(copy: OpenedBackup, settings: Settings) -> str:
    """The secret key of this installation once the backup is restored."""
    return (settings.keeps_its_key and _key_in(copy)) or settings.secret_key


def _seal_for(key: str, copy: OpenedBackup, settings: Settings) -> None:
    """Encrypt the secrets of the unpacked copy under `key`. Raises `WrongKey`."""
    under = vault.Vault(_key_in(copy) or settings.secret_key)
    with writing(copy.engine) as database:
        vault.reseal(database, under, vault.Vault(key))


def _require_processors(named: frozenset[str], made_at: str, services: Services) -> None:
    """Those who are to charge the methods are there, and do not start to by themselves.

    The books of a real processor have gone on since the backup. Balances that have been refilled
    meanwhile are low again here, and the customer's card would be charged a second time.
    """
    if strange := ", ".join(sorted(named - services.processors.keys())):
        raise Conflict(
            f"The backup has methods that are charged by {strange}, and this installation has no "
            "such processor: set CARD_PROCESSOR and PAYPAL_PROCESSOR as they were."
        )
    real = ", ".join(sorted(named - set(SANDBOXES)))
    if real and services.policy.automatic is Automatic.ON:
        raise Conflict(
            f"Since {made_at} {real} may have charged what this backup does not know, and would "
            "charge it again. Set AUTOMATIC_PAYMENTS=off, restore, and set it to on when you have "
            "compared: see docs/backup.md."
        )


def _put_back_files(copy: OpenedBackup, services: Services) -> None:
    for account_id, name in copy.manifest.proofs:
        content = (copy.folder / proof_name(account_id, name)).read_bytes()
        services.proofs.put_back(account_id, name, content)
    if copy.books and services.sandbox:
        services.sandbox.replace_by(copy.folder / BOOKS)
    settings = services.settings
    if KEY in copy.manifest.files and settings.keeps_its_key:
        _replace_key(copy.folder / KEY, settings)
        settings = replace(settings, secret_key=settings.key_file.read_text("utf-8").strip())
    settings.mark()


def _replace_key(key: Path, settings: Settings) -> None:
    """With the key, sessions and the links in mails go on working."""
    fresh = settings.key_file.with_name(f"{KEY}.restored")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(key.read_bytes())
    fresh.replace(settings.key_file)
