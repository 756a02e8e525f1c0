"""The timetable: what runs by the clock. Each job is a single call to an action."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy.orm import Session

from webapp.actions.api_keys.idempotency import delete_old_answers
from webapp.actions.batch import ShouldContinue, always, run_each
from webapp.actions.notifications.send_emails import send_emails
from webapp.actions.payment_methods.finish_setup import expire_setups
from webapp.actions.payment_methods.lift_suspensions import lift_suspensions
from webapp.actions.payment_methods.revoke_methods import revoke_methods
from webapp.actions.payment_methods.warn_of_expiry import warn_of_expiry
from webapp.actions.payments.catch_up import catch_up
from webapp.actions.payments.reconcile import reconcile
from webapp.actions.top_ups.resume_pending import PENDING_WORK, resume_pending
from webapp.actions.top_ups.set_missing_limits import set_missing_limits
from webapp.actions.top_ups.sweep import sweep, sweep_notifications
from webapp.actions.usage.expire_holds import expire_holds
from webapp.actions.users.expire_sign_ups import expire_sign_ups
from webapp.actions.webhooks.delete_old_events import delete_old_events
from webapp.actions.webhooks.deliver_webhooks import deliver_webhooks
from webapp.actions.wires.delete_old_proofs import delete_old_proofs
from webapp.clock import Clock
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Pending
from webapp.extensions import Services, db, services
from webapp.supervisor import Supervisor

SCHEDULER = "the scheduler"

SLACK = timedelta(seconds=1)
"""What a run may lie farther ahead than its interval: reading the clock twice takes time."""


@dataclass(frozen=True)
class Job:
    name: str
    seconds: int
    """Between two runs."""
    run: Callable[[Session, Services], int]
    done: str
    """What the count it returns means."""
    at_start: bool = False
    """Also when the scheduler starts: what came while nobody listened is long due."""


def _go_on(session: Session, services: Services) -> int:
    ready = top_ups.pending_charges(session)
    session.rollback()

    def carry_on(waiting: Pending) -> bool:
        resume_pending(
            session,
            waiting,
            services.processors,
            services.clock,
            services.policy,
            services.should_continue,
        )
        return True

    return run_each(session, ready, carry_on, PENDING_WORK, services.should_continue)


JOBS = (
    Job(
        "lift suspensions",
        5,
        lambda session, services: lift_suspensions(session, services.clock.now(), services.policy),
        "suspensions ended",
    ),
    Job(
        "reconcile",
        5,
        lambda session, services: reconcile(
            session, services.processors, services.clock, services.policy, services.should_continue
        ),
        "unknown outcomes settled",
    ),
    Job(
        "give up setups",
        30,
        lambda session, services: expire_setups(
            session, services.processors, services.clock, services.policy, services.should_continue
        ),
        "setups given up",
    ),
    Job(
        "catch up",
        3600,
        lambda session, services: catch_up(
            session, services.processors, services.clock, services.policy, services.should_continue
        ),
        "events taken that no webhook had told",
        at_start=True,
    ),
    Job(
        "warn of expiry",
        600,
        lambda session, services: warn_of_expiry(session, services.clock.now(), services.policy),
        "notices owed",
    ),
    Job(
        "set missing limits",
        60,
        lambda session, services: set_missing_limits(
            session, services.clock.now(), services.policy
        ),
        "accounts given limits",
    ),
    Job(
        "sweep",
        60,
        lambda session, services: sweep(session, services.clock.now(), services.policy),
        "top-ups opened",
    ),
    Job(
        "sweep notifications",
        60,
        lambda session, services: sweep_notifications(
            session, services.clock.now(), services.policy
        ),
        "notifications told",
    ),
    Job(
        "forget answers",
        3600,
        lambda session, services: delete_old_answers(session, services.clock.now()),
        "answers to machines forgotten",
    ),
    Job(
        "forget events",
        3600,
        lambda session, services: delete_old_events(session, services.clock.now()),
        "events of webhooks forgotten",
    ),
    Job(
        "forget proofs",
        3600,
        lambda session, services: delete_old_proofs(session, services.proofs, services.clock.now()),
        "proofs of cancelled wire transfers removed",
    ),
    Job(
        "expire sign-ups",
        3600,
        lambda session, services: expire_sign_ups(session, services.clock.now()),
        "sign-ups expired",
    ),
    Job("top up", 30, _go_on, "payments carried on"),
    Job(
        "expire holds",
        60,
        lambda session, services: expire_holds(session, services.clock.now()),
        "holds ended",
    ),
    Job(
        "revoke methods",
        300,
        lambda session, services: revoke_methods(
            session, services.processors, services.clock, services.should_continue
        ),
        "methods revoked",
    ),
    Job(
        "deliver webhooks",
        30,
        lambda session, services: deliver_webhooks(
            session, services.webhook_sender, services.clock, services.should_continue
        ),
        "webhooks delivered",
    ),
    Job(
        "send notices",
        30,
        lambda session, services: send_emails(
            session, services.mailer, services.clock, services.should_continue
        ),
        "mails handled",
    ),
)
"""In the order in which one run makes the next one's work."""


def run_job(app: Flask, job: Job, should_continue: ShouldContinue = always) -> int:
    with app.app_context():
        around = replace(services(), should_continue=should_continue)
        around.schema.check(db.session())
        return job.run(db.session(), around)


def run_due(app: Flask) -> dict[str, int]:
    """Run every job once, now. What each did, by name."""
    return {job.name: run_job(app, job) for job in JOBS}


def schedule(app: Flask, supervisor: Supervisor | None = None) -> BackgroundScheduler:
    """A started scheduler. Two of them do no harm: the database decides who does what."""
    supervisor = supervisor or Supervisor()
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in JOBS:
        first = {"next_run_time": Clock().now()} if job.at_start else {}
        scheduler.add_job(
            _keep_to_it,
            "interval",
            (app, job, supervisor),
            seconds=job.seconds,
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
            **first,
        )
    supervisor.heartbeat(SCHEDULER)
    scheduler.start()
    return scheduler


def keep_pace(scheduler: BackgroundScheduler) -> None:
    """To be called every second or so: a clock that is set back would put every run off as far."""
    now = Clock().now()
    for job in scheduler.get_jobs():
        pace: timedelta = job.trigger.interval
        if job.next_run_time is not None and job.next_run_time > now + pace + SLACK:
            job.modify(next_run_time=now)


def _keep_to_it(app: Flask, job: Job, supervisor: Supervisor) -> None:
    supervisor.heartbeat(SCHEDULER)
    supervisor.run(job.name, partial(run_job, app, job, supervisor.should_continue))
