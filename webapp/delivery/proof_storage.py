"""Store proofs of wire transfers on this host's disk, outside all served folders."""

import os
import re
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from webapp.domain.shared.errors import NotFound

_NAME = re.compile(r"[0-9a-f]{32}")


class ProofFolder:
    """Files at `<folder>/<account>/<random>`: no part of the path comes from the uploading user."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, account_id: int, content: bytes) -> str:
        """Write a new file with owner-only permissions. Returns its random name."""
        name = token_hex(16)
        self.put_back(account_id, name, content)
        return name

    def put_back(self, account_id: int, name: str, content: bytes) -> None:
        path = self._path(account_id, name)
        for folder in (self._folder, path.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        try:
            with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def read(self, account_id: int, name: str) -> bytes:
        """Read a file. Raises `NotFound` if it is missing, as after an incomplete restore."""
        try:
            return self._path(account_id, name).read_bytes()
        except OSError as error:
            raise NotFound("The file of that proof") from error

    def discard(self, account_id: int, name: str) -> None:
        with suppress(OSError):
            self._path(account_id, name).unlink()

    def _path(self, account_id: int, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise NotFound("The file of that proof")
        return self._folder / str(account_id) / name
