"""File permissions: what an installation keeps is readable by its own user alone."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

UMASK = 0o077
"""For every process of Ballast: new files and folders are closed to other users."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def is_open(path: Path) -> bool:
    """Users other than the owner can use it. False where it is absent."""
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def close(paths: Iterable[Path]) -> list[Path]:
    """Take the permissions of other users away. Returns the paths that were open and now are not.

    A path that belongs to another user is left as it is.
    """
    return [path for path in paths if is_open(path) and _take_away(path)]


def _take_away(path: Path) -> bool:
    try:
        found = path.stat()
        # A folder with the sticky bit, such as /tmp, is meant to be shared.
        if found.st_uid != os.geteuid() or found.st_mode & stat.S_ISVTX:
            return False
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    except OSError:
        return False
    return True
