"""Back up an installation while it goes on working: one file, which is proved before it counts."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from webapp.backup.archive import BOOKS, DATABASE, KEY, Manifest, Packer, packing, proof_name
from webapp.backup.migrate import bring_up
from webapp.backup.moved_marker import word_left
from webapp.backup.reader import opened
from webapp.backup.rows import Watch, copy_rows
from webapp.backup.snapshot import copy_pages, file_of, one_moment, open_sqlite, view, writing
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
    """References of wires whose file is gone, or is not what the customer sent."""


def back_up(wanted: Path, engine: Engine, services: Services, watch: Watch) -> Backup:
    """Write a new file, or into a folder one that is named by the time.

    Raises `Conflict` where the file is there already, `OtherVersion` where the database is to be
    migrated first, and `Refusal` where the copy does not prove: then nothing is left.
    """
    now = services.clock.now()
    file = wanted / f"ballast-{now:%Y%m%d-%H%M%S}.tar.gz" if wanted.is_dir() else wanted
    if file.exists():
        raise Conflict(f"{file} is there already: no backup is written over another one.")
    if not file.parent.is_dir():
        raise Conflict(f"{file.parent} is no folder.")
    with TemporaryDirectory(prefix=".ballast-", dir=file.parent) as folder:
        packed = Path(folder) / file.name
        holdings, lost = _pack(packed, engine, services, now, watch)
        with opened(packed, packed.parent) as copy, view(copy.engine) as database:
            if read_holdings(database) != holdings:
                raise Refusal("The backup does not sum to what was backed up: nothing is kept.")
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
        # After the database that names them: a file is written before its row and never removed.
        lost = _add_proofs(packer, named, services.proofs)
        packer.close(Manifest(now.isoformat(timespec="seconds"), asdict(holdings), packer.files))
    return holdings, lost


def _copy_databases(
    engine: Engine, services: Services, into: Path, watch: Watch
) -> tuple[Holdings, Sequence[NamedProof]]:
    with one_moment(engine, services.sandbox) as (database, books):
        schema_version.check_in(database)
        if engine.dialect.name == "sqlite":
            if word := word_left(file_of(database)):
                raise Conflict(word)  # else a nightly backup would go on copying what is old
            copy_pages(file_of(database), into / DATABASE)
        else:
            copy = open_sqlite(into / DATABASE)
            bring_up(copy)
            with writing(copy) as target:
                copy_rows(database, target, watch)
            copy.dispose()
        if books:
            copy_pages(books, into / BOOKS)
        return read_holdings(database), read_named_proofs(database)


def _add_proofs(packer: Packer, named: Sequence[NamedProof], files: ProofFiles) -> tuple[str, ...]:
    """A proof that was lost before must not stand between the books and their backup."""
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
    """The new name, too, survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
