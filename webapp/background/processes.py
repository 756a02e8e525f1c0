"""Background work of one process: the worker and the scheduler."""

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from webapp.background.scheduler import correct_schedule, schedule
from webapp.background.worker import Worker
from webapp.supervisor import Supervisor


class Background:
    def __init__(self) -> None:
        self.supervisor = Supervisor()
        self.worker = Worker(self.supervisor, self._after_poll)
        self._scheduler: BackgroundScheduler | None = None

    def start(self, app: Flask) -> None:
        self._scheduler = schedule(app, self.supervisor)
        self.worker.start(app)

    def stop(self, within: float) -> list[str]:
        """Start no new tasks and wait for running ones. Returns the names of those still running.

        `within`: seconds to wait, counted from `supervisor.close`. Unfinished tasks are abandoned;
        the next process resumes them from their rows.
        """
        self.supervisor.close()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
        return self.worker.stop(within)

    def _after_poll(self) -> None:
        if self._scheduler is not None:
            correct_schedule(self._scheduler)
