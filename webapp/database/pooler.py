"""Detection of a connection pooler, such as PgBouncer, in front of PostgreSQL.

In transaction mode each transaction may run on another server connection, so session state (SET,
advisory locks, LISTEN, prepared statements) is lost or shared with other clients. Behind a pooler
in any mode, Ballast uses no session state.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

POOLED = "pooled"
"""Key in `connection.info`: True if the connection goes through a pooler."""


def is_pooled(connection: "psycopg.Connection") -> bool:
    """Return whether the handshake's backend PID differs from the server's, as via a pooler."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is None or row[0] != connection.info.backend_pid
