"""Notice in a SQLite file whose data was moved: every write fails with the new location.

Triggers raise the notice, so it also appears at a database prompt. This module imports little,
because the server reads the notice before it loads the rest.
"""

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime

from webapp.env import sqlite_file

MARK = "moved_"
EVENTS = ("INSERT", "UPDATE", "DELETE")

NOTICE = re.compile(r"This database was moved to .*\. Set DATABASE_URL to where it is\.")


def mark_moved(file: sqlite3.Connection, tables: Iterable[str], to: str, now: datetime) -> None:
    """Make the file read-only by triggers that fail every write with the notice."""
    notice = f"This database was moved to {to} on {now:%Y-%m-%d}. Set DATABASE_URL to where it is."
    quoted = notice.replace("'", "''")
    for table in tables:
        for event in EVENTS:
            file.execute(
                f'CREATE TRIGGER "{MARK}{table}_{event}" BEFORE {event} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{quoted}'); END"
            )


def moved_notice(file: sqlite3.Connection) -> str:
    """The notice; empty if the data was not moved."""
    marks = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE ? LIMIT 1"
    found = file.execute(marks, (f"{MARK}%",)).fetchone()
    return word_in(found[0]) if found else ""


def word_left_at(url: str) -> str:
    """The notice of the file behind a DATABASE_URL; empty if the file cannot be read."""
    path = sqlite_file(url)
    if path is None:
        return ""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            return moved_notice(file)
    except sqlite3.Error:
        return ""


def word_in(text: str) -> str:
    """The notice in a database error's text; empty if it contains none."""
    found = NOTICE.search(text)
    return found[0].replace("''", "'") if found else ""
