"""The timetable: what runs by the clock. Each job is a single call to an action."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask
from sqlalchemy.orm import Session

from webapp.actions.each import each
from webapp.actions.finish_setup import expire_setups
from webapp.actions.go_on import GOING_ON, go_on
from webapp.actions.lift_suspensions import lift_suspensions
from webapp.actions.reconcile import reconcile
from webapp.actions.revoke_methods import revoke_methods
from webapp.actions.send_notices import send_notices
from webapp.actions.sweep import sweep, sweep_notifications
from webapp.actions.warn_of_expiry import warn_of_expiry
from webapp.domain import top_ups
from webapp.domain.top_ups import Waiting
from webapp.extensions import Parts, db, parts

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    name: str
    seconds: int
    """Between two runs."""
    run: Callable[[Session, Parts], int]
    done: str
    """What the count it returns means."""


def _go_on(session: Session, it: Parts) -> int:
    ready = top_ups.ready_to_go_on(session)
    session.rollback()

    def carry_on(waiting: Waiting) -> bool:
        go_on(session, waiting, it.processors, it.clock, it.policy)
        return True

    return each(session, ready, carry_on, GOING_ON)


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
        lambda session, it: reconcile(session, it.processors, it.clock, it.policy),
        "unknown outcomes settled",
    ),
    Job(
        "give up setups",
        30,
        lambda session, it: expire_setups(session, it.processors, it.clock, it.policy),
        "setups given up",
    ),
    Job(
        "warn of expiry",
        600,
        lambda session, it: warn_of_expiry(session, it.clock.now(), it.policy),
        "notices owed",
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
    Job("top up", 30, _go_on, "payments carried on"),
    Job(
        "revoke methods",
        300,
        lambda session, it: revoke_methods(session, it.processors, it.clock),
        "methods revoked",
    ),
    Job(
        "send notices",
        30,
        lambda session, it: send_notices(session, it.mailer, it.clock),
        "mails handled",
    ),
)
"""In the order in which one run makes the next one's work."""


def run_job(app: Flask, job: Job) -> int:
    with app.app_context():
        return job.run(db.session(), parts())


def run_due(app: Flask) -> dict[str, int]:
    """Run every job once, now. What each did, by name."""
    return {job.name: run_job(app, job) for job in JOBS}


def schedule(app: Flask) -> BackgroundScheduler:
    """A started scheduler. Two of them do no harm: the database decides who does what."""
    scheduler = BackgroundScheduler(timezone="UTC")
    for job in JOBS:
        scheduler.add_job(
            run_job,
            "interval",
            (app, job),
            seconds=job.seconds,
            id=job.name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.start()
    return scheduler
