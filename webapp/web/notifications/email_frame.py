"""Emails as HTML, for a frame on a page."""

from flask import Response, make_response

from webapp.extensions import services
from webapp.ports import Mailer
from webapp.web.http.person import Person

# Emails have inline styles. Nothing else in them may run or load.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def email_renderer_for(person: Person) -> Mailer:
    """The renderer of emails that the person reads on pages.

    Signed links work only where the outbox replaces a mailbox, that is in a sandbox without a mail
    server, and never for operators. Otherwise a stolen session could read a password reset link.
    """
    is_mailbox = not services().mailer.delivers and not services().settings.has_real_processor
    return services().mailer if is_mailbox and not person.is_operator else services().letters


def framed(html: str) -> Response:
    # Links open in the whole window.
    response: Response = make_response(html.replace("<head>", '<head><base target="_top">', 1))
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
