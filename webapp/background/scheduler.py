"""The timetable: what runs by the clock. Each job is a single call to an action."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy.orm import Session

from webapp.actions.api_keys.idempotency import forget_answers
from webapp.actions.batch import Going, always, each
from webapp.actions.notifications.send_emails import send_notices
from webapp.actions.payment_methods.finish_setup import expire_setups
from webapp.actions.payment_methods.lift_suspensions import lift_suspensions
from webapp.actions.payment_methods.revoke_methods import revoke_methods
from webapp.actions.payment_methods.warn_of_expiry import warn_of_expiry
from webapp.actions.payments.catch_up import catch_up
from webapp.actions.payments.reconcile import reconcile
from webapp.actions.top_ups.resume_pending import GOING_ON, go_on
from webapp.actions.top_ups.set_missing_limits import set_missing_limits
from webapp.actions.top_ups.sweep import sweep, sweep_notifications
from webapp.actions.usage.expire_holds import expire_holds
from webapp.actions.users.expire_sign_ups import expire_sign_ups
from webapp.actions.webhooks.delete_old_events import forget_events
from webapp.actions.webhooks.deliver_webhooks import deliver_webhooks
from webapp.actions.wires.delete_old_proofs import forget_proofs
from webapp.clock import Clock
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Waiting
from webapp.extensions import Parts, db, parts
from webapp.supervisor import Shift

SCHEDULER = "the scheduler"

SLACK = timedelta(seconds=1)
"""What a run may lie farther ahead than its interval: reading the clock twice takes time."""


@dataclass(frozen=True)
class Job:
    name: str
    seconds: int
    """Between two runs."""
    run: Callable[[Session, Parts], int]
    done: str
    """What the count it returns means."""
    at_start: bool = False
    """Also when the scheduler starts: what came while nobody listened is long due."""


def _go_on(session: Session, it: Parts) -> int:
    ready = top_ups.ready_to_go_on(session)
    session.rollback()

    def carry_on(waiting: Waiting) -> bool:
        go_on(session, waiting, it.processors, it.clock, it.policy, it.going)
        return True

    return each(session, ready, carry_on, GOING_ON, it.going)


JOBS = (
    Job(
        "lift suspensions",
        5,
        lambda session, it: lift_suspensions(session, it.clock.now(), it.policy),
        "suspensions ended",
    ),
    Job(
        "reconcile",
        5,
        lambda session, it: reconcile(session, it.processors, it.clock, it.policy, it.going),
        "unknown outcomes settled",
    ),
    Job(
        "give up setups",
        30,
        lambda session, it: expire_setups(session, it.processors, it.clock, it.policy, it.going),
        "setups given up",
    ),
    Job(
        "catch up",
        3600,
        lambda session, it: catch_up(session, it.processors, it.clock, it.policy, it.going),
        "events taken that no webhook had told",
        at_start=True,
    ),
    Job(
        "warn of expiry",
        600,
        lambda session, it: warn_of_expiry(session, it.clock.now(), it.policy),
        "notices owed",
    ),
    Job(
        "set missing limits",
        60,
        lambda session, it: set_missing_limits(session, it.clock.now(), it.policy),
        "accounts given limits",
    ),
    Job(
        "sweep",
        60,
        lambda session, it: sweep(session, it.clock.now(), it.policy),
        "top-ups opened",
    ),
    Job(
        "sweep notifications",
        60,
        lambda session, it: sweep_notifications(session, it.clock.now(), it.policy),
        "notifications told",
    ),
    Job(
        "forget answers",
        3600,
        lambda session, it: forget_answers(session, it.clock.now()),
        "answers to machines forgotten",
    ),
    Job(
        "forget events",
        3600,
        lambda session, it: forget_events(session, it.clock.now()),
        "events of webhooks forgotten",
    ),
    Job(
        "forget proofs",
        3600,
        lambda session, it: forget_proofs(session, it.proofs, it.clock.now()),
        "proofs of cancelled wire transfers removed",
    ),
    Job(
        "expire sign-ups",
        3600,
        lambda session, it: expire_sign_ups(session, it.clock.now()),
        "sign-ups expired",
    ),
    Job("top up", 30, _go_on, "payments carried on"),
    Job(
        "expire holds", 60, lambda session, it: expire_holds(session, it.clock.now()), "holds ended"
    ),
    Job(
        "revoke methods",
        300,
        lambda session, it: revoke_methods(session, it.processors, it.clock, it.going),
        "methods revoked",
    ),
    Job(
        "deliver webhooks",
        30,
        lambda session, it: deliver_webhooks(session, it.courier, it.clock, it.going),
        "webhooks delivered",
    ),
    Job(
        "send notices",
        30,
        lambda session, it: send_notices(session, it.mailer, it.clock, it.going),
        "mails handled",
    ),
)
"""In the order in which one run makes the next one's work."""


def run_job(app: Flask, job: Job, going: Going = always) -> int:
    with app.app_context():
        it = replace(parts(), going=going)
        it.schema.check(db.session())
        return job.run(db.session(), it)


def run_due(app: Flask) -> dict[str, int]:
    """Run every job once, now. What each did, by name."""
    return {job.name: run_job(app, job) for job in JOBS}


def schedule(app: Flask, shift: Shift | None = None) -> BackgroundScheduler:
    """A started scheduler. Two of them do no harm: the database decides who does what."""
    shift = shift or Shift()
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in JOBS:
        first = {"next_run_time": Clock().now()} if job.at_start else {}
        scheduler.add_job(
            _keep_to_it,
            "interval",
            (app, job, shift),
            seconds=job.seconds,
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            **first,
        )
    shift.come_round(SCHEDULER)
    scheduler.start()
    return scheduler


def keep_pace(scheduler: BackgroundScheduler) -> None:
    """To be called every second or so: a clock that is set back would put every run off as far."""
    now = Clock().now()
    for job in scheduler.get_jobs():
        pace: timedelta = job.trigger.interval
        if job.next_run_time is not None and job.next_run_time > now + pace + SLACK:
            job.modify(next_run_time=now)


def _keep_to_it(app: Flask, job: Job, shift: Shift) -> None:
    shift.come_round(SCHEDULER)
    shift.run(job.name, partial(run_job, app, job, shift.going))
