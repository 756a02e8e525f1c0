"""The word that a SQLite file leaves for whoever would go on writing to it after its data moved.

Triggers say it, so also to a person at a database prompt. Little but SQLite is imported here: the
server asks before it loads the rest.
"""

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime

from webapp.env import sqlite_file

MARK = "moved_"
EVENTS = ("INSERT", "UPDATE", "DELETE")

WORD = re.compile(r"This database was moved to .*\. Set DATABASE_URL to where it is\.")


def leave_word(file: sqlite3.Connection, tables: Iterable[str], to: str, now: datetime) -> None:
    """From here on the file can be read, and answers every write with where the data is."""
    word = f"This database was moved to {to} on {now:%Y-%m-%d}. Set DATABASE_URL to where it is."
    quoted = word.replace("'", "''")
    for table in tables:
        for event in EVENTS:
            file.execute(
                f'CREATE TRIGGER "{MARK}{table}_{event}" BEFORE {event} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, '{quoted}'); END"
            )


def word_left(file: sqlite3.Connection) -> str:
    """Empty while the file is in use."""
    marks = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name LIKE ? LIMIT 1"
    found = file.execute(marks, (f"{MARK}%",)).fetchone()
    return word_in(found[0]) if found else ""


def word_left_at(url: str) -> str:
    """As `word_left`, for a DATABASE_URL. What else is wrong with it comes out when it is used."""
    path = sqlite_file(url)
    if path is None:
        return ""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            return word_left(file)
    except sqlite3.Error:
        return ""


def word_in(text: str) -> str:
    """Of what the database answers to a write; empty where that is something else."""
    found = WORD.search(text)
    return found[0].replace("''", "'") if found else ""
