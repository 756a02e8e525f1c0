"""The scheduler: jobs that run at fixed intervals. Each job is a single call to an action."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

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
from webapp.actions.webhooks.delete_old_deliveries import (
    delete_old_deliveries,
    delete_old_numbers,
)
from webapp.actions.webhooks.deliver_webhooks import deliver_webhooks
from webapp.actions.wires.delete_old_proofs import delete_old_proofs
from webapp.clock import Clock
from webapp.domain.shared.context import Context
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Pending
from webapp.extensions import Services, db, make_context, services
from webapp.supervisor import Supervisor

SCHEDULER = "the scheduler"

SLACK = timedelta(seconds=1)
"""Tolerance for a run planned farther ahead than its interval: the clock is read twice."""


@dataclass(frozen=True)
class Job:
    name: str
    seconds: int
    """Interval between two runs."""
    run: Callable[[Context, Services], int]
    done: str
    """Describes the count that `run` returns, in the job's log line."""
    at_start: bool = False
    """Whether the job also runs when the scheduler starts: work may have become due before."""


def _resume_all(ctx: Context, services: Services) -> int:
    ready = top_ups.pending_charges(ctx.session)
    ctx.session.rollback()

    def resume(waiting: Pending) -> bool:
        resume_pending(ctx, waiting, services.should_continue)
        return True

    return run_each(ctx.session, ready, resume, PENDING_WORK, services.should_continue)


JOBS = (
    Job(
        "lift suspensions",
        5,
        lambda ctx, services: lift_suspensions(ctx),
        "suspensions ended",
    ),
    Job(
        "reconcile",
        5,
        lambda ctx, services: reconcile(ctx, services.should_continue),
        "unknown outcomes settled",
    ),
    Job(
        "expire setups",
        30,
        lambda ctx, services: expire_setups(ctx, services.should_continue),
        "setups expired",
    ),
    Job(
        "catch up",
        3600,
        lambda ctx, services: catch_up(ctx, services.should_continue),
        "missed events processed",
        at_start=True,
    ),
    Job(
        "warn of expiry",
        600,
        lambda ctx, services: warn_of_expiry(ctx),
        "expiry notices queued",
    ),
    Job(
        "set missing limits",
        60,
        lambda ctx, services: set_missing_limits(ctx),
        "accounts given limits",
    ),
    Job(
        "sweep",
        60,
        lambda ctx, services: sweep(ctx),
        "top-ups opened",
    ),
    Job(
        "sweep notifications",
        60,
        lambda ctx, services: sweep_notifications(ctx),
        "notifications queued",
    ),
    Job(
        "delete old answers",
        3600,
        lambda ctx, services: delete_old_answers(ctx),
        "stored API responses deleted",
    ),
    Job(
        "delete old events",
        3600,
        lambda ctx, services: delete_old_deliveries(ctx) + delete_old_numbers(ctx),
        "webhook deliveries and numbers of events deleted",
    ),
    Job(
        "delete old proofs",
        3600,
        lambda ctx, services: delete_old_proofs(ctx, services.proofs),
        "proofs of cancelled wire transfers deleted",
    ),
    Job(
        "expire sign-ups",
        3600,
        lambda ctx, services: expire_sign_ups(ctx),
        "sign-ups expired",
    ),
    Job("top up", 30, _resume_all, "pending payments resumed"),
    Job(
        "expire holds",
        60,
        lambda ctx, services: expire_holds(ctx),
        "holds expired",
    ),
    Job(
        "revoke methods",
        300,
        lambda ctx, services: revoke_methods(ctx, services.should_continue),
        "methods revoked",
    ),
    Job(
        "deliver webhooks",
        30,
        lambda ctx, services: deliver_webhooks(
            ctx, services.webhook_sender, services.should_continue
        ),
        "webhooks delivered",
    ),
    Job(
        "send emails",
        30,
        lambda ctx, services: send_emails(ctx, services.mailer, services.should_continue),
        "emails handled",
    ),
)
"""Ordered so that a job's results are handled by later jobs of the same run."""


def run_job(app: Flask, job: Job, should_continue: ShouldContinue = always) -> int:
    with app.app_context():
        job_services = replace(services(), should_continue=should_continue)
        job_services.schema.check(db.session())
        return job.run(make_context(), job_services)


def run_due(app: Flask) -> dict[str, int]:
    """Run every job once, now. Returns each job's count by name."""
    return {job.name: run_job(app, job) for job in JOBS}


def schedule(app: Flask, supervisor: Supervisor | None = None) -> BackgroundScheduler:
    """Start a scheduler. Several may run at once: locks in the database distribute the work."""
    supervisor = supervisor or Supervisor()
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in JOBS:
        first = {"next_run_time": Clock().now()} if job.at_start else {}
        scheduler.add_job(
            _run_supervised,
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


def correct_schedule(scheduler: BackgroundScheduler) -> None:
    """Run jobs now whose next run lies too far ahead because the clock was set back.

    Called about once a second.
    """
    now = Clock().now()
    for job in scheduler.get_jobs():
        interval: timedelta = job.trigger.interval
        if job.next_run_time is not None and job.next_run_time > now + interval + SLACK:
            job.modify(next_run_time=now)


def _run_supervised(app: Flask, job: Job, supervisor: Supervisor) -> None:
    supervisor.heartbeat(SCHEDULER)
    supervisor.run(job.name, partial(run_job, app, job, supervisor.should_continue))
