"""Back up a running installation into one file, which is verified before it is kept."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from webapp.backup.archive import BOOKS, DATABASE, KEY, Manifest, Packer, packing, proof_name
from webapp.backup.migrate import migrate
from webapp.backup.moved_marker import moved_notice
from webapp.backup.reader import opened
from webapp.backup.rows import Watch, copy_rows
from webapp.backup.snapshot import consistent_view, copy_pages, file_of, open_sqlite, view, writing
from webapp.database import schema_version
from webapp.domain.shared.errors import Conflict, NotFound, Refusal
from webapp.domain.wires.proofs import digest
from webapp.extensions import Services
from webapp.ports import ProofFiles
from webapp.reads.system.holdings import Holdings, NamedProof, read_holdings, read_named_proofs


@dataclass(frozen=True)
class Backup:
    file: Path
    size: int
    """Bytes."""
    manifest: Manifest
    holdings: Holdings
    lost_proofs: tuple[str, ...]
    """References of wires whose proof file is missing or differs from the uploaded one."""


def back_up(wanted: Path, engine: Engine, services: Services, watch: Watch) -> Backup:
    """Write a backup to the file `wanted`, or to a file named by the time in the folder `wanted`.

    Raises `Conflict` if the file exists, `OtherVersion` if the database must be migrated first, or
    `Refusal` if the copy cannot be verified. On errors no file is left.
    """
    now = services.clock.now()
    file = wanted / f"ballast-{now:%Y%m%d-%H%M%S}.tar.gz" if wanted.is_dir() else wanted
    if file.exists():
        raise Conflict(f"{file} already exists and is not overwritten.")
    if not file.parent.is_dir():
        raise Conflict(f"{file.parent} is not a folder.")
    with TemporaryDirectory(prefix=".ballast-", dir=file.parent) as folder:
        packed = Path(folder) / file.name
        holdings, lost = _pack(packed, engine, services, now, watch)
        with opened(packed, packed.parent) as copy, view(copy.engine) as database:
            if read_holdings(database) != holdings:
                raise Refusal("The totals of the backup differ from its source: nothing is kept.")
        made = Backup(file, packed.stat().st_size, copy.manifest, holdings, lost)
        packed.rename(file)
    _sync_folder(file.parent)
    return made


def _pack(
    packed: Path, engine: Engine, services: Services, now: datetime, watch: Watch
) -> tuple[Holdings, tuple[str, ...]]:
    with (
        TemporaryDirectory(prefix="copies-", dir=packed.parent) as folder,
        packing(packed, int(now.timestamp())) as packer,
    ):
        copies = Path(folder)
        holdings, named = _copy_databases(engine, services, copies, watch)
        for copy in sorted(copies.iterdir()):
            packer.add_file(copy.name, copy)
        if services.settings.keeps_its_key:
            packer.add_file(KEY, services.settings.key_file)
        # After the database that names them: a file is written before its row is committed.
        lost = _add_proofs(packer, named, services.proofs)
        packer.close(Manifest(now.isoformat(timespec="seconds"), asdict(holdings), packer.files))
    return holdings, lost


def _copy_databases(
    engine: Engine, services: Services, into: Path, watch: Watch
) -> tuple[Holdings, Sequence[NamedProof]]:
    with consistent_view(engine, services.sandbox) as (database, books):
        schema_version.check_in(database)
        if engine.dialect.name == "sqlite":
            if notice := moved_notice(file_of(database)):
                raise Conflict(notice)  # otherwise a nightly backup would copy outdated data
            copy_pages(file_of(database), into / DATABASE)
        else:
            copy = open_sqlite(into / DATABASE)
            migrate(copy)
            with writing(copy) as target:
                copy_rows(database, target, watch)
            copy.dispose()
        if books:
            copy_pages(books, into / BOOKS)
        return read_holdings(database), read_named_proofs(database)


def _add_proofs(packer: Packer, named: Sequence[NamedProof], files: ProofFiles) -> tuple[str, ...]:
    """Add the proof files. Returns the wires of missing ones, which do not prevent the backup."""
    lost = []
    for proof in named:
        try:
            content = files.read(proof.account_id, proof.file)
        except NotFound:
            content = b""
        if digest(content) == proof.digest:
            packer.add_bytes(proof_name(proof.account_id, proof.file), content)
        else:
            lost.append(proof.wire)
    return tuple(lost)


def _sync_folder(folder: Path) -> None:
    """Sync the folder, so that the new file name survives a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
