"""Starts what has just come due, within a second and without waiting for the sweep (T4).

A handler wakes it after its commit, and on PostgreSQL another process's commit does. What else
there is it finds by itself: it looks every half second, at three partial indexes that are nearly
always empty.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock, Thread

from flask import Flask
from sqlalchemy import Engine

from webapp.actions.go_on import GOING_ON, go_on
from webapp.actions.send_notices import send_notices
from webapp.domain import top_ups
from webapp.domain.claims import claim
from webapp.domain.top_ups import Waiting
from webapp.extensions import db, parts

log = logging.getLogger(__name__)

POLL = 0.5
THREADS = 8
"""How many accounts are charged at once; each mostly waits for the processor."""


class Worker:
    def __init__(self) -> None:
        self._due = Event()
        self._stopped = Event()
        self._lock = Lock()
        self._under_way: set[Waiting] = set()
        self._mailing = False
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="charge")
        self._post = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._thread: Thread | None = None

    def wake(self) -> None:
        self._due.set()

    def start(self, app: Flask) -> None:
        self._thread = Thread(target=self._run, args=(app,), name="worker", daemon=True)
        self._thread.start()
        with app.app_context():
            self._listen(db.engine)

    def _listen(self, engine: Engine) -> None:
        if engine.dialect.name == "postgresql":
            from webapp.listener import listen  # its driver takes no memory where it is not used

            args = (engine, self.wake, self._stopped)
            Thread(target=listen, args=args, name="listener", daemon=True).start()

    def stop(self) -> None:
        """Finish what is under way and take nothing new."""
        self._stopped.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.shutdown(wait=True)
        self._post.shutdown(wait=True)

    def _run(self, app: Flask) -> None:
        while not self._stopped.is_set():
            self._due.wait(POLL)
            self._due.clear()
            try:
                self._hand_out(app)
            except Exception:  # the worker must outlive a locked or absent database
                log.exception("the worker could not look for what is due")

    def _hand_out(self, app: Flask) -> None:
        with app.app_context():
            ready = top_ups.ready_to_go_on(db.session())
            db.session.remove()
        for item in ready:
            with self._lock:
                if item in self._under_way:
                    continue
                self._under_way.add(item)
            self._pool.submit(self._go_on, app, item)
        with self._lock:
            if self._mailing:
                return
            self._mailing = True
        self._post.submit(self._mail, app)

    def _go_on(self, app: Flask, item: Waiting) -> None:
        try:
            with app.app_context(), claim(db.session(), GOING_ON, item) as mine:
                if mine:
                    it = parts()
                    go_on(db.session(), item, it.processors, it.clock, it.policy)
            if mine:
                self.wake()
        except Exception:  # the attempt stays open and reconciliation asks about it
            log.exception("%s %s could not go on", item.kind, item.id)
        finally:
            with self._lock:
                self._under_way.discard(item)

    def _mail(self, app: Flask) -> None:
        try:
            with app.app_context():
                it = parts()
                send_notices(db.session(), it.mailer, it.clock)
        except Exception:  # the claim runs out and the notice is sent again
            log.exception("mails could not be sent")
        finally:
            with self._lock:
                self._mailing = False
