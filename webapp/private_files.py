"""File permissions: an installation's files are accessible only to its own user."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

UMASK = 0o077
"""Umask of every process: new files and folders are not accessible to other users."""

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def is_open(path: Path) -> bool:
    """Return whether users other than the owner have permissions; False if it does not exist."""
    try:
        return bool(path.stat().st_mode & OTHERS)
    except OSError:
        return False


def close(paths: Iterable[Path]) -> list[Path]:
    """Remove the permissions of other users; returns the paths that were changed.

    A path that belongs to another user is unchanged.
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
