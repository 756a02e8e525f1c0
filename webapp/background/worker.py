"""Starts what has just come due, within a second and without waiting for the sweep (T4).

A handler wakes it after its commit, and on PostgreSQL another process's commit does. The rest,
such as a suspension that has ended, it finds by itself: every half second it reads six partial
indexes that are nearly always empty.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Lock, Thread

from flask import Flask
from sqlalchemy import Engine

from webapp.actions.notifications.send_emails import send_emails
from webapp.actions.top_ups.check_when_due import check_when_due, is_anything_due
from webapp.actions.top_ups.resume_pending import PENDING_WORK, resume_pending
from webapp.actions.webhooks.deliver_webhooks import DELIVERING, deliver_to
from webapp.database.advisory_locks import claim
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Pending
from webapp.domain.webhooks import endpoint as webhooks
from webapp.extensions import db, services
from webapp.reads.system.writable import check_writable
from webapp.supervisor import Supervisor, Task

POLL = 0.5
THREADS = 8
"""How many accounts are charged at once; each mostly waits for the processor."""

PLENTY = 2 * THREADS
"""In hand: nothing more is looked for until there is less. A burst is read once, and not again for
each charge that ends."""

BREATH = 0.02
"""Seconds between two rounds, however often it is woken: requests need the processor too."""

REST = 15.0
"""Seconds after which what could not go on is tried again."""

HOOK_THREADS = 4
"""How many receivers of webhooks are told at once; each may take its time."""

HOOKS = "deliver webhooks"
LOOKS = "look when due"
MAILS = "send notices"
"""As the jobs are called: both meet the same trouble."""


def nothing_else() -> None:
    """Nobody else wants to be called each round."""


class Worker:
    def __init__(
        self, supervisor: Supervisor | None = None, each_round: Callable[[], None] = nothing_else
    ) -> None:
        self._supervisor = supervisor or Supervisor()
        self._each_round = each_round
        self._due = Event()
        self._lock = Lock()
        self._under_way: set[Pending | str] = set()
        self._rests: dict[Pending | str, float] = {}
        """Until when, by the monotonic clock."""
        self._no_looks_until = 0.0
        """The same, for accounts whose time has come: another process is looking at them."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="charge")
        self._post = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._hooks = ThreadPoolExecutor(HOOK_THREADS, thread_name_prefix="hook")

    def wake(self) -> None:
        self._due.set()

    def start(self, app: Flask) -> None:
        self._supervisor.heartbeat("the worker")
        Thread(target=self._run, args=(app,), name="worker", daemon=True).start()
        with app.app_context():
            self._listen(db.engine)

    def _listen(self, engine: Engine) -> None:
        if engine.dialect.name == "postgresql":
            from webapp.background.notify_listener import (
                listen,  # its driver takes no memory where it is not used
            )

            args = (engine, self.wake, self._supervisor.should_continue)
            Thread(target=listen, args=args, name="listener", daemon=True).start()

    def stop(self, within: float = 30.0) -> list[str]:
        """Take nothing new, and finish what is under way. What is not, so many seconds later."""
        left = self._supervisor.end(within)
        self._due.set()
        for pool in (self._pool, self._post, self._hooks):
            pool.shutdown(wait=False, cancel_futures=True)
        return left

    def _run(self, app: Flask) -> None:
        while self._supervisor.should_continue():
            self._supervisor.heartbeat("the worker")
            self._due.wait(POLL)
            self._due.clear()
            self._supervisor.run("keeping pace", self._each_round)
            self._supervisor.run("looking for what is due", lambda: self._hand_out(app))
            time.sleep(BREATH)

    def _hand_out(self, app: Flask) -> None:
        with app.app_context():
            services().schema.check(db.session())
            if self._supervisor.has_outage:
                check_writable(db.engine)
                self._supervisor.outage_is_over()
                self._rests.clear()
            ready = top_ups.pending_charges(db.session()) if self._has_room() else []
            now = services().clock.now()
            to_tell = webhooks.with_something_due(db.session(), now)
            to_look = time.monotonic() >= self._no_looks_until and is_anything_due(
                db.session(), now
            )
            db.session.remove()
        if to_look:
            self._submit(self._pool, LOOKS, LOOKS, partial(self._look, app))
        for endpoint_id in to_tell:
            receiver = f"webhook {endpoint_id}"
            self._submit(self._hooks, receiver, HOOKS, partial(self._deliver, app, endpoint_id))
        for item in ready:
            self._submit(self._pool, item, item.kind, partial(self._go_on, app, item))
        self._submit(self._post, MAILS, MAILS, partial(self._mail, app))

    def _has_room(self) -> bool:
        with self._lock:
            return len(self._under_way) < PLENTY

    def _submit(self, pool: ThreadPoolExecutor, item: Pending | str, task: str, do: Task) -> None:
        """Unless it is under way, or has just come to nothing."""
        with self._lock:
            if item in self._under_way or time.monotonic() < self._rests.get(item, 0.0):
                return
            self._under_way.add(item)
        pool.submit(self._do, item, task, do)

    def _do(self, item: Pending | str, task: str, do: Task) -> None:
        well = self._supervisor.run(task, do)
        with self._lock:
            self._under_way.discard(item)
            self._rests.pop(item, None)
            if not well:
                self._rests[item] = time.monotonic() + REST

    def _look(self, app: Flask) -> int:
        """Should it fail, the sweep looks at the same accounts."""
        with app.app_context():
            done = check_when_due(db.session(), services().clock.now(), services().policy)
        if done:
            self.wake()
        else:
            self._no_looks_until = time.monotonic() + REST
        return done

    def _go_on(self, app: Flask, item: Pending) -> None:
        """Should it fail, its attempt stays open and reconciliation asks about it."""
        with app.app_context(), claim(db.session(), PENDING_WORK, item) as mine:
            if mine:
                resume_pending(
                    db.session(),
                    item,
                    services().processors,
                    services().clock,
                    services().policy,
                    self._supervisor.should_continue,
                )
        if mine:
            self.wake()

    def _deliver(self, app: Flask, endpoint_id: int) -> int:
        """Should it fail, the claim runs out and the event is sent again, under the same id."""
        with app.app_context(), claim(db.session(), DELIVERING, endpoint_id) as mine:
            around = (services().webhook_sender, services().clock, self._supervisor.should_continue)
            return deliver_to(db.session(), endpoint_id, *around) if mine else 0

    def _mail(self, app: Flask) -> int:
        """Should it fail, the claim runs out and the notice is sent again."""
        with app.app_context():
            done = send_emails(
                db.session(), services().mailer, services().clock, self._supervisor.should_continue
            )
        if done:
            self.wake()
        return done
