"""Hears at once what another process's commit has made due (PostgreSQL's LISTEN and NOTIFY).

Without it, or while its connection is lost, the worker finds the same by looking, half a second
later at most.
"""

import logging
import time
from collections.abc import Callable

import psycopg
from sqlalchemy import Engine

from webapp.actions.each import Going
from webapp.domain.base import CHANNEL

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds between two looks at whether to stop."""

AWAY = 5.0
"""Seconds until a lost connection is tried again."""


def listen(engine: Engine, wake: Callable[[], None], going: Going) -> None:
    """Call `wake` at each announcement, while `going`; a thread of its own."""
    while going():
        try:
            _hear(engine, wake, going)
        except psycopg.Error as error:
            log.warning("announcements cannot be heard: %s", error)
            time.sleep(AWAY)


def _hear(engine: Engine, wake: Callable[[], None], going: Going) -> None:
    args, options = engine.dialect.create_connect_args(engine.url)
    with psycopg.connect(*args, **options, autocommit=True) as connection:
        connection.execute(f"LISTEN {CHANNEL}")
        wake()  # for what was announced before
        while going():
            for _ in connection.notifies(timeout=PAUSE, stop_after=1):
                wake()
