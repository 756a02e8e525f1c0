"""Log each request that was refused for security, for whoever looks for attacks (ASVS 16.3).

The line names the route, the status, the person by their id and the address. What was sent is not
in it.
"""

import logging

from flask import Flask, Response, g, request

from webapp import outages

log = logging.getLogger(__name__)

REFUSED = (400, 403, 429)
"""A form without its token or an altered one, a right that is missing, too many tries."""


def init_app(app: Flask) -> None:
    app.after_request(note)


def note(response: Response) -> Response:
    # Pages answer 401 where they ask to sign in or to confirm, which is no refusal.
    unknown_key = response.status_code == 401 and "WWW-Authenticate" in response.headers
    if response.status_code in REFUSED or unknown_key:
        # Not asked of the database here: it may be what is away.
        person = getattr(g.get("_login_user"), "id", None) or "unknown"
        line = "%s %s was refused with %s: person %s, address %s"
        place, address = outages.place(), request.remote_addr
        log.warning(line, request.method, place, response.status_code, person, address)
    return response
