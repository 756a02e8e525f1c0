"""The worker: starts due work within a second, without waiting for the sweep (T4).

A request handler wakes the worker after its commit; on PostgreSQL a commit of another process does,
too. Work that becomes due with time, such as the end of a suspension, is found by polling: every
half second the worker reads six partial indexes that are nearly always empty.
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
from webapp.extensions import db, make_context, services
from webapp.reads.system.writable import check_writable
from webapp.supervisor import Supervisor, Task

POLL = 0.5
"""Seconds between two polls."""

THREADS = 8
"""Accounts charged at once; each thread mostly waits for the processor."""

MAX_IN_PROGRESS = 2 * THREADS
"""No charges are looked up while this many tasks are queued or running. A burst is so read in
batches, and not again for each charge that ends."""

MIN_PAUSE = 0.02
"""Seconds between two polls, however often the worker is woken: requests need the CPU, too."""

COOL_DOWN = 15.0
"""Seconds after which a failed task is tried again."""

WEBHOOK_THREADS = 4
"""Webhook endpoints served at once; receivers may be slow."""

DELIVER = "deliver webhooks"
CHECK = "check when due"
SEND = "send emails"
"""Task names. Two are those of the scheduler's jobs, because both meet the same outages."""


def do_nothing() -> None:
    """Default for `after_poll`."""


class Worker:
    def __init__(
        self, supervisor: Supervisor | None = None, after_poll: Callable[[], None] = do_nothing
    ) -> None:
        self._supervisor = supervisor or Supervisor()
        self._after_poll = after_poll
        self._due = Event()
        self._lock = Lock()
        self._under_way: set[Pending | str] = set()
        self._cooling_until: dict[Pending | str, float] = {}
        """End of each failed item's cool-down, by the monotonic clock."""
        self._no_check_until = 0.0
        """The same for accounts due for a check: another process is checking them."""
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="charge")
        self._email_pool = ThreadPoolExecutor(1, thread_name_prefix="email")
        self._webhook_pool = ThreadPoolExecutor(WEBHOOK_THREADS, thread_name_prefix="webhook")

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
                listen,  # imported here because its driver needs memory
            )

            args = (engine, self.wake, self._supervisor.should_continue)
            Thread(target=listen, args=args, name="listener", daemon=True).start()

    def stop(self, within: float = 30.0) -> list[str]:
        """Start no new tasks and wait for running ones, `within` seconds.

        Returns the names of the tasks that are still running.
        """
        left = self._supervisor.end(within)
        self._due.set()
        for pool in (self._pool, self._email_pool, self._webhook_pool):
            pool.shutdown(wait=False, cancel_futures=True)
        return left

    def _run(self, app: Flask) -> None:
        while self._supervisor.should_continue():
            self._supervisor.heartbeat("the worker")
            self._due.wait(POLL)
            self._due.clear()
            self._supervisor.run("correcting the schedule", self._after_poll)
            self._supervisor.run("polling for due work", lambda: self._poll(app))
            time.sleep(MIN_PAUSE)

    def _poll(self, app: Flask) -> None:
        with app.app_context():
            services().schema.check(db.session())
            if self._supervisor.has_outage:
                check_writable(db.engine)
                self._supervisor.outage_is_over()
                self._cooling_until.clear()
            ready = top_ups.pending_charges(db.session()) if self._has_capacity() else []
            ctx = make_context()
            endpoints = webhooks.with_something_due(ctx)
            check_due = time.monotonic() >= self._no_check_until and is_anything_due(ctx)
            db.session.remove()
        if check_due:
            self._submit(self._pool, CHECK, CHECK, partial(self._check, app))
        for endpoint_id in endpoints:
            endpoint, deliver = f"webhook {endpoint_id}", partial(self._deliver, app, endpoint_id)
            self._submit(self._webhook_pool, endpoint, DELIVER, deliver)
        for item in ready:
            self._submit(self._pool, item, item.kind, partial(self._resume, app, item))
        self._submit(self._email_pool, SEND, SEND, partial(self._send, app))

    def _has_capacity(self) -> bool:
        with self._lock:
            return len(self._under_way) < MAX_IN_PROGRESS

    def _submit(self, pool: ThreadPoolExecutor, item: Pending | str, task: str, do: Task) -> None:
        """Queue a task for the item, unless one is already running or in cool-down."""
        with self._lock:
            if item in self._under_way or time.monotonic() < self._cooling_until.get(item, 0.0):
                return
            self._under_way.add(item)
        pool.submit(self._do, item, task, do)

    def _do(self, item: Pending | str, task: str, do: Task) -> None:
        succeeded = self._supervisor.run(task, do)
        with self._lock:
            self._under_way.discard(item)
            self._cooling_until.pop(item, None)
            if not succeeded:
                self._cooling_until[item] = time.monotonic() + COOL_DOWN

    def _check(self, app: Flask) -> int:
        """If this fails, the sweep checks the same accounts."""
        with app.app_context():
            done = check_when_due(make_context())
        if done:
            self.wake()
        else:
            self._no_check_until = time.monotonic() + COOL_DOWN
        return done

    def _resume(self, app: Flask, item: Pending) -> None:
        """If this fails, the attempt stays open and reconciliation queries it."""
        with app.app_context(), claim(db.session(), PENDING_WORK, item) as mine:
            if mine:
                resume_pending(make_context(), item, self._supervisor.should_continue)
        if mine:
            self.wake()

    def _deliver(self, app: Flask, endpoint_id: int) -> int:
        """If this fails, the claim expires and the event is sent again under the same id."""
        with app.app_context(), claim(db.session(), DELIVERING, endpoint_id) as mine:
            if not mine:
                return 0
            return deliver_to(
                make_context(),
                endpoint_id,
                services().webhook_sender,
                self._supervisor.should_continue,
            )

    def _send(self, app: Flask) -> int:
        """If this fails, the claim expires and the email is sent again."""
        with app.app_context():
            done = send_emails(make_context(), services().mailer, self._supervisor.should_continue)
        if done:
            self.wake()
        return done
