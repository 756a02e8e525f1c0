"""Restore a backup into an empty installation, on SQLite or PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from webapp.backup.archive import BOOKS, KEY, Manifest, proof_name
from webapp.backup.migrate import migrate
from webapp.backup.reader import OpenedBackup, opened, require_agreement
from webapp.backup.rows import Watch, copy_rows, require_empty
from webapp.backup.snapshot import view, writing
from webapp.database import vault
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
    """Verify a backup without restoring it. Raises `Refusal` if verification fails."""
    with opened(file, services.settings.home) as copy:
        _seal_for(_key_after(copy, services.settings), copy, services.settings)
        with view(copy.engine) as database:
            return Restored(copy.manifest, read_holdings(database))


def restore(file: Path, engine: Engine, services: Services, watch: Watch) -> Restored:
    """Restore a backup into an empty database.

    The database is written last, in one transaction, so an interrupted restore can be repeated:
    files and sandbox books without their database have no effect. Raises `Refusal` if the backup
    cannot be verified, `Conflict` if the database is not empty, or `WrongKey` if the backup's
    secrets cannot be decrypted.
    """
    with view(engine) as existing:
        require_empty(existing)
    with opened(file, services.settings.home) as copy:
        key = _key_after(copy, services.settings)
        _seal_for(key, copy, services.settings)
        with view(copy.engine) as source:
            _require_processors(read_processors(source), copy.manifest.made_at, services)
            migrate(engine)
            _put_back_files(copy, services)
            with writing(engine) as target:
                require_empty(target)
                copy_rows(source, target, watch)
            restored = Restored(copy.manifest, read_holdings(source))
    vault.give_key(engine, key)
    require_agreement(engine, services.sandbox, "The restored database cannot be verified")
    return restored


def _key_in(copy: OpenedBackup) -> str:
    """The secret key in the backup; empty if its installation got the key from the environment."""
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
    """Require that the methods' processors are configured, and automatic refills off for real
    ones.

    A real processor has continued since the backup. Balances that were refilled after the backup
    are low again in it, so the customers' cards would be charged a second time.
    """
    if missing := ", ".join(sorted(named - services.processors.keys())):
        raise Conflict(
            f"The backup has payment methods of {missing}, which this installation does not use. "
            "Set CARD_PROCESSOR and PAYPAL_PROCESSOR as they were."
        )
    real = ", ".join(sorted(named - set(SANDBOXES)))
    if real and services.policy.automatic is Automatic.ON:
        raise Conflict(
            f"Since {made_at} {real} may have made charges that this backup does not contain and "
            "that would be repeated. Set AUTOMATIC_PAYMENTS=off, restore, compare, and then set it "
            "to on: see docs/backup.md."
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
        key = settings.key_file.read_text("utf-8").strip()
        settings = settings.model_copy(update={"secret_key": key})
    settings.mark()


def _replace_key(key: Path, settings: Settings) -> None:
    """Install the backup's key, so that sessions and links in emails keep working."""
    fresh = settings.key_file.with_name(f"{KEY}.restored")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_bytes(key.read_bytes())
    fresh.replace(settings.key_file)
