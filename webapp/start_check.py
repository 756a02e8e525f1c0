"""The check of the installation before a process serves requests or runs jobs."""

import logging

from flask import Flask

from webapp.extensions import db, make_context, services
from webapp.reads.system.installation import Severity, findings_of_database, findings_of_settings
from webapp.supervisor import sentence_of

log = logging.getLogger(__name__)


def check_start(app: Flask) -> list[str]:
    """Log one line for each warning; returns the reasons why the process must not start.

    A database outage is not such a reason: `/readyz` reports it, and it may end.
    """
    with app.app_context():
        found = [*findings_of_settings(services().settings, services().sightings)]
        try:
            services().schema.check(db.session())
            found += findings_of_database(make_context(), services().settings)
        except Exception as error:
            if not sentence_of(error):
                raise
        finally:
            db.session.remove()
    for finding in found:
        if finding.severity is Severity.WARN:
            log.warning("%s.", finding.sentence)
    return [f"{it.sentence}." for it in found if it.severity is Severity.REFUSE]
