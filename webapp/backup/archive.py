"""The backup file: a gzipped tar whose last member is a manifest with checksums of the others."""

import gzip
import json
import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import file_digest, sha256
from io import BufferedReader, BytesIO
from os import SEEK_END, fsync
from pathlib import Path
from typing import Any

from webapp.domain.shared.errors import Refusal

TOP = "ballast"
"""Top folder inside the archive, for unpacking by hand."""

DATABASE, BOOKS, KEY, MANIFEST = "ballast.db", "sandbox.db", "secret_key", "manifest.json"

FORMAT = 1
CHUNK = 1024 * 1024
"""Bytes read at once."""

FAST = 1
"""Compression level: the default takes three times as long to save 5 % more."""

_PROOF = re.compile(r"proofs/([1-9][0-9]{0,17})/([0-9a-f]{32})")


def proof_name(account_id: int, file: str) -> str:
    return f"proofs/{account_id}/{file}"


@dataclass(frozen=True)
class Manifest:
    made_at: str
    """ISO 8601, UTC."""
    holdings: dict[str, Any]
    """Totals as in `reads.system.holdings`, for information."""
    files: dict[str, str]
    """SHA-256 of each file by name, in hexadecimal digits."""
    format: int = FORMAT

    @property
    def others(self) -> tuple[str, ...]:
        """Names of all files except proofs."""
        return tuple(name for name in self.files if not _PROOF.fullmatch(name))

    @property
    def proofs(self) -> list[tuple[int, str]]:
        """Account id and file name of each proof."""
        found = [_PROOF.fullmatch(name) for name in self.files]
        return [(int(match[1]), match[2]) for match in found if match]


class Packer:
    """Adds files to an archive and records their checksums."""

    def __init__(self, tar: tarfile.TarFile, at: int) -> None:
        self._tar = tar
        self._at = at
        self.files: dict[str, str] = {}

    def add(self, name: str, content: BufferedReader | BytesIO) -> None:
        """Add a file. `content` is read twice: for the checksum and for the archive."""
        self.files[name] = file_digest(content, "sha256").hexdigest()
        info = tarfile.TarInfo(f"{TOP}/{name}")
        info.size, info.mtime, info.mode = content.seek(0, SEEK_END), self._at, 0o600
        content.seek(0)
        self._tar.addfile(info, content)

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, BytesIO(content))

    def add_file(self, name: str, file: Path) -> None:
        with file.open("rb") as content:
            self.add(name, content)

    def close(self, manifest: Manifest) -> None:
        text = json.dumps(asdict(manifest), indent=2, default=datetime.isoformat)
        self.add_bytes(MANIFEST, text.encode())


@contextmanager
def packing(file: Path, at: int) -> Iterator[Packer]:
    """Create an archive that only its owner can read; it is synced to disk at the end.

    `at`: modification time of its members, Unix time.
    """
    file.touch(mode=0o600, exist_ok=False)
    with file.open("wb") as stream:
        with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=FAST) as tar:
            yield Packer(tar, at)
        stream.flush()
        fsync(stream.fileno())


def unpack(file: Path, into: Path) -> Manifest:
    """Unpack and verify a backup. Raises `Refusal` if the file is damaged or not a backup."""
    try:
        found = _unpack(file, into)
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Refusal(f"{file.name} is damaged, or not a backup of Ballast: {error}.") from error
    if found.pop(MANIFEST, None) is None:
        missing = f"{MANIFEST} is missing"
        raise Refusal(f"{file.name} is damaged, or not a backup of Ballast: {missing}.")
    manifest = _read_manifest(into / MANIFEST, file)
    for name in sorted(found.keys() | manifest.files.keys() | {DATABASE}):
        if name not in found:
            raise Refusal(f"{file.name} is damaged: {name} is missing.")
        if found[name] != manifest.files.get(name):
            raise Refusal(f"{file.name} is damaged: {name} does not match its checksum.")
    return manifest


def _read_manifest(path: Path, file: Path) -> Manifest:
    try:
        values = json.loads(path.read_bytes())
        if values["format"] != FORMAT:
            raise Refusal(f"{file.name} was made by a newer Ballast: update Ballast first.")
        return Manifest(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(f"{file.name} is damaged: {MANIFEST} cannot be read.") from error


def _unpack(file: Path, into: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    with gzip.open(file) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        for member in tar:
            name = member.name.removeprefix(f"{TOP}/")
            content = tar.extractfile(member) if _belongs(name) and member.isfile() else None
            if content is None or name in found:
                raise Refusal(
                    f"{file.name} is not a backup of Ballast: it contains {member.name!r}."
                )
            found[name] = _write(content, into / name)
        while stream.read(CHUNK):
            pass  # gzip verifies its checksum at the end of the stream
    return found


def _belongs(name: str) -> bool:
    """Whether a backup may contain this name; other names could lead out of the folder."""
    return name in (DATABASE, BOOKS, KEY, MANIFEST) or _PROOF.fullmatch(name) is not None


def _write(content: Any, file: Path) -> str:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    digest = sha256()
    with file.open("wb") as stream:
        while chunk := content.read(CHUNK):
            digest.update(chunk)
            stream.write(chunk)
    return digest.hexdigest()
