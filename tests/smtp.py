"""A real mail server on this host, and a mailer that sends through it."""

from contextlib import contextmanager

from aiosmtpd.controller import Controller

from tests.factories import unsigned
from webapp.delivery.mailer import SmtpMailer
from webapp.settings import ROOT


def smtp_mailer(port, *, sign=unsigned, public_url="http://127.0.0.1:8000", **options):
    """Return a mailer that sends to this port; `options` are those of `SmtpMailer`."""
    given = {"server": "127.0.0.1", "sender": "billing@example.com", "timeout": 1, "port": port}
    return SmtpMailer(ROOT / "templates", public_url, sign, **given | options)


@contextmanager
def serving(port, inbox, controller=Controller):
    """Serve a handler of aiosmtpd on this port."""
    server = controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield inbox
    finally:
        server.stop()
