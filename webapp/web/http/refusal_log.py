"""Log requests that were refused for security reasons (ASVS 16.3).

Each line has the route, status, user id and IP address, but no request data.
"""

import logging

from flask import Flask, Response, g, request

from webapp import outages

log = logging.getLogger(__name__)

REFUSED = (400, 403, 429)
"""A missing or altered CSRF token, a missing right, too many attempts."""


def init_app(app: Flask) -> None:
    app.after_request(note)


def note(response: Response) -> Response:
    # Pages also answer 401 to ask for sign-in or re-authentication, which is no refusal.
    unknown_key = response.status_code == 401 and "WWW-Authenticate" in response.headers
    if response.status_code in REFUSED or unknown_key:
        # Not loaded here: the database may be unavailable.
        person = getattr(g.get("_login_user"), "id", None) or "unknown"
        line = "%s %s was refused with %s: person %s, address %s"
        place, address = outages.place(), request.remote_addr
        log.warning(line, request.method, place, response.status_code, person, address)
    return response
