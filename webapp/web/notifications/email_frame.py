"""A mail as it looks, for a frame on a page of ours."""

from flask import Response, make_response

from webapp.extensions import services
from webapp.ports import Mailer
from webapp.web.http.person import Person

# Mail programs want styles inline; nothing else in a mail may do anything. Shown in a frame.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def letters_for(person: Person) -> Mailer:
    """Renders what they read on our pages.

    A link that is signed for a person works only where the outbox takes the place of a mailbox: in
    a sandbox without a mail server, and never before staff. Elsewhere whoever has a person's
    session could read the link to a new password.
    """
    is_mailbox = not services().mailer.delivers and not services().settings.has_real_processor
    return services().mailer if is_mailbox and not person.is_operator else services().letters


def framed(html: str) -> Response:
    # Its links are meant for the whole window.
    response: Response = make_response(html.replace("<head>", '<head><base target="_top">', 1))
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
