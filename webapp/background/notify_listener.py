"""Hears at once what another process's commit has made due (PostgreSQL's LISTEN and NOTIFY).

Without it, while its connection is lost, or behind a connection pooler, the worker finds the same
by looking, half a second later at most.
"""

import logging
import time
from collections.abc import Callable
from typing import cast

import psycopg
from sqlalchemy import Engine

from webapp.actions.batch import ShouldContinue
from webapp.database.base import CHANNEL
from webapp.database.pooler import POOLED

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds between two looks at whether to stop."""

AWAY = 5.0
"""Seconds until a lost connection is tried again."""


def listen(engine: Engine, wake: Callable[[], None], should_continue: ShouldContinue) -> None:
    """Call `wake` at each announcement, while `going`; a thread of its own.

    Behind a pooler nothing can be heard, and it returns.
    """
    while should_continue():
        try:
            if not _hear(engine, wake, should_continue):
                return
        except psycopg.Error as error:
            log.warning("announcements cannot be heard: %s", error)
            time.sleep(AWAY)


def _hear(engine: Engine, wake: Callable[[], None], should_continue: ShouldContinue) -> bool:
    """Until `going` ends. False where a pooler stands between."""
    own = engine.raw_connection()
    if own.info.get(POOLED):
        own.close()
        log.info("Behind a connection pooler the worker looks every half second (no LISTEN).")
        return False
    connection = cast(psycopg.Connection, own.driver_connection)
    own.detach()  # nobody else is to be handed one that listens
    with connection:
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        wake()  # for what was announced before
        while should_continue():
            for _ in connection.notifies(timeout=PAUSE, stop_after=1):
                wake()
    return True
