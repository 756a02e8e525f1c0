"""Whether a connection pooler, such as PgBouncer, stands between Ballast and PostgreSQL.

In transaction mode each transaction may have another connection to the server. What belongs to a
session is then another client's, or lost: SET, advisory locks, LISTEN and prepared statements. So
behind a pooler, in whichever mode, nothing of a session is used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

POOLED = "pooled"
"""Where a connection that SQLAlchemy keeps says so: `connection.info.get(POOLED)`."""


def is_pooled(connection: "psycopg.Connection") -> bool:
    """A pooler greets its clients with a process number that is not the server's."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid
