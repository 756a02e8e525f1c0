"""Wake the worker at once when another process commits due work (PostgreSQL's LISTEN and NOTIFY).

Without it (connection lost, connection pooler, SQLite) the worker finds the same work by polling,
at most half a second later.
"""

import logging
import time
from collections.abc import Callable
from typing import cast

import psycopg
from sqlalchemy import Engine

from webapp.actions.batch import ShouldContinue
from webapp.database.notify import CHANNEL
from webapp.database.pooler import POOLED

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds between two checks whether to stop."""

RECONNECT_AFTER = 5.0
"""Seconds until a lost connection is opened again."""


def listen(engine: Engine, wake: Callable[[], None], should_continue: ShouldContinue) -> None:
    """Call `wake` at each notification, until `should_continue` is false. Runs in its own thread.

    Returns at once behind a connection pooler, which does not pass notifications on.
    """
    while should_continue():
        try:
            if not _listen(engine, wake, should_continue):
                return
        except psycopg.Error as error:
            log.warning("notifications cannot be received: %s", error)
            time.sleep(RECONNECT_AFTER)


def _listen(engine: Engine, wake: Callable[[], None], should_continue: ShouldContinue) -> bool:
    """Listen on one connection. Returns False behind a connection pooler."""
    own = engine.raw_connection()
    if own.info.get(POOLED):
        own.close()
        log.info("Behind a connection pooler the worker polls every half second (no LISTEN).")
        return False
    connection = cast(psycopg.Connection, own.driver_connection)
    own.detach()  # a listening connection must not return to the pool
    with connection:
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        wake()  # for notifications missed before LISTEN
        while should_continue():
            for _ in connection.notifies(timeout=PAUSE, stop_after=1):
                wake()
    return True
