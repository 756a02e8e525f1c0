"""A mail as it looks, for a frame on a page of ours."""

from flask import Response, make_response

from webapp.extensions import parts
from webapp.ports import Mailer
from webapp.web.access import Person

# Mail programs want styles inline; nothing else in a mail may do anything. Shown in a frame.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def letters_for(person: Person) -> Mailer:
    """Renders what they read; links that are signed for a customer are dead before staff."""
    return parts().letters if person.is_operator else parts().mailer


def framed(html: str) -> Response:
    # Its links are meant for the whole window.
    response: Response = make_response(html.replace("<head>", '<head><base target="_top">', 1))
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
