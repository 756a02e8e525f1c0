"""What runs beside the requests of one process: the worker and the timetable, as one shift."""

from apscheduler.schedulers.background import BackgroundScheduler
from flask import Flask

from webapp.background.scheduler import keep_pace, schedule
from webapp.background.worker import Worker
from webapp.supervisor import Supervisor


class Background:
    def __init__(self) -> None:
        self.supervisor = Supervisor()
        self.worker = Worker(self.supervisor, self._each_round)
        self._scheduler: BackgroundScheduler | None = None

    def start(self, app: Flask) -> None:
        self._scheduler = schedule(app, self.supervisor)
        self.worker.start(app)

    def stop(self, within: float) -> list[str]:
        """Finish what is under way and take nothing new.

        What is still under way so many seconds after `shift.close` is left: its rows tell the next
        process how to go on.
        """
        self.supervisor.close()
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
        return self.worker.stop(within)

    def _each_round(self) -> None:
        if self._scheduler is not None:
            keep_pace(self._scheduler)
