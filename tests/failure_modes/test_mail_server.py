"""A mail server that is down, hangs, or recovers after hours."""

import asyncio
import logging
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP

from tests.factories import VISA
from tests.failure_modes.conftest import wait_until
from tests.host import free_port
from tests.smtp import serving, smtp_mailer
from webapp.actions.notifications.send_emails import send_emails
from webapp.background.worker import Worker
from webapp.domain.notifications.outbox import CLAIM, GIVE_UP
from webapp.ports import MailServerUnavailable
from webapp.settings import ROOT


class Inbox:
    """Records the Message-IDs that a real mail server accepted; it is slow for one recipient."""

    def __init__(self, slow="", seconds=3.0):
        self.ids, self.slow, self.seconds = [], slow, seconds

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address == self.slow:
            await asyncio.sleep(self.seconds)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        lines = envelope.content.decode().splitlines()
        self.ids += [line for line in lines if line.lower().startswith("message-id:")]
        return "250 OK"


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def mailer(port):
    return smtp_mailer(port)


def mail_server(port, *slow):
    return serving(port, Inbox(*slow))


@contextmanager
def hanging_server(port):
    """A server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", port), backlog=64)):
        yield


@pytest.fixture
def owing(world):
    """An account with eight unsent receipts."""
    visa = world.card(VISA)
    for _ in range(8):
        world.pay(visa, "30.00")
    return world


@pytest.fixture
def working(owing, mailer):
    """A worker that sends through that server."""
    app = owing.app
    app.extensions["ballast"] = replace(owing.services, mailer=mailer)
    owing.session.rollback()
    worker = Worker()
    worker.start(app)
    yield worker
    worker.stop()


def test_after_hours_of_downtime_every_email_is_sent_once(owing, mailer, port):
    """F11, L6: emails are sent at once when the server is back."""
    for _ in range(20):
        with pytest.raises(MailServerUnavailable):
            send_emails(owing.ctx, mailer)
        owing.clock.advance(minutes=15)
    assert {str(notice.state) for notice in owing.notices} == {"owed"}
    assert "Connection refused" in owing.notices[0].last_error
    with mail_server(port) as inbox:
        assert send_emails(owing.ctx, mailer) == 8
        owing.clock.advance(days=1)
        assert send_emails(owing.ctx, mailer) == 0
    assert len(inbox.ids) == len(set(inbox.ids)) == 8
    assert {(str(notice.state), notice.tries) for notice in owing.notices} == {("sent", 1)}


class Counting(SMTP):
    """Counts its connections."""

    connections = 0

    def connection_made(self, transport):
        type(self).connections += 1
        super().connection_made(transport)


@contextmanager
def closing_server(port, close, after):
    """A mail server that ends each connection in this way after `after` emails."""
    inbox = Inbox()

    class Closing(Counting):
        taken = 0

        async def smtp_MAIL(self, arg):  # noqa: N802
            if self.taken >= after:
                await close(self)
            else:
                await super().smtp_MAIL(arg)

        async def smtp_DATA(self, arg):  # noqa: N802
            await super().smtp_DATA(arg)
            self.taken += 1

    class Server(Controller):
        def factory(self):
            return Closing(inbox)

    with serving(port, inbox, Server):
        Closing.connections = 0
        yield inbox, Closing


async def never(smtp):
    raise AssertionError


async def close_with_421(smtp):
    await smtp.push("421 Too many messages in this connection")
    smtp.transport.close()


async def abort(smtp):
    smtp.transport.abort()


async def refuse_next_email(smtp):
    await smtp.push("452 Too many messages in this connection")


def test_one_connection_sends_many_emails(owing, mailer, port):
    """Connecting and logging in costs more than an email."""
    with closing_server(port, never, after=100) as (inbox, server):
        assert send_emails(owing.ctx, mailer) == 8
        assert len(set(inbox.ids)) == 8
        assert server.connections == 1


@pytest.mark.parametrize("close", [close_with_421, abort, refuse_next_email])
def test_a_closed_connection_loses_and_repeats_no_email(owing, mailer, port, close):
    """The next email is sent over a new connection."""
    with closing_server(port, close, after=3) as (inbox, server):
        assert send_emails(owing.ctx, mailer) == 8
        assert len(inbox.ids) == len(set(inbox.ids)) == 8
        assert server.connections == 3
    assert {(str(notice.state), notice.tries) for notice in owing.notices} == {("sent", 1)}


KILLED = """
import os, signal, sys
from tests.factories import context
from webapp.actions.notifications.send_emails import send_emails
from webapp.app import create_app
from webapp.extensions import (db, services,)
from webapp.delivery.mailer import SmtpConnection
from webapp.settings import Settings

send, taken = SmtpConnection.send, []

def fatal(*args, **more):
    send(*args, **more)
    taken.append(1)
    if len(taken) == 3:
        os.kill(os.getpid(), signal.SIGKILL)

SmtpConnection.send = fatal
with create_app(Settings.from_environment(os.environ).ensure_home()).app_context():
    send_emails(context(db.session()), services().mailer)
"""
"""A process that is killed after the server accepts its third email, before the commit."""


def test_a_kill_before_the_commit_repeats_one_email(owing, mailer, port, process):
    """F11: no email is lost; only that one is repeated, under the same Message-ID."""
    owing.session.rollback()
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_SENDER": "b@example.com"}
    database = str(owing.services.settings.database_url)
    environ = {**process.environ, **mail, "DATABASE_URL": database, "RUN_JOBS": "0"}
    with mail_server(port) as inbox:
        command = [sys.executable, "-c", KILLED]
        killed = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert sorted(str(notice.state) for notice in owing.notices) == [
            *["owed"] * 6,
            *["sent"] * 2,
        ]
        owing.session.rollback()
        assert send_emails(owing.ctx, mailer) == 5, "one email is still claimed"
        owing.clock.advance(seconds=CLAIM.total_seconds())
        assert send_emails(owing.ctx, mailer) == 1
    assert len(inbox.ids) == 9
    assert len(set(inbox.ids)) == 8
    assert inbox.ids[2] == inbox.ids[-1]
    assert {str(notice.state) for notice in owing.notices} == {"sent"}


def test_an_unavailable_server_is_tried_once_per_round(owing, mailer):
    """Not once per email."""
    with pytest.raises(MailServerUnavailable):
        send_emails(owing.ctx, mailer)
    assert sum(bool(notice.last_error) for notice in owing.notices) == 1


def test_an_email_that_makes_the_server_hang_does_not_delay_others(owing, mailer, port):
    """It moves to the end of the queue."""
    first = owing.notices[0]
    first.recipient = "tarpit@example.com"
    owing.session.commit()
    with mail_server(port, "tarpit@example.com") as inbox:
        with pytest.raises(MailServerUnavailable):
            send_emails(owing.ctx, mailer)
        assert send_emails(owing.ctx, mailer) == 7
        assert len(inbox.ids) == 7


def test_old_emails_are_given_up(owing, mailer):
    """The operator sees the emails that were given up."""
    owing.clock.advance(seconds=GIVE_UP.total_seconds() + 60)
    for _ in range(8):
        with pytest.raises(MailServerUnavailable):
            send_emails(owing.ctx, mailer)
    assert {str(notice.state) for notice in owing.notices} == {"failed"}


def test_a_hanging_mail_server_does_not_delay_charges(owing, working, port, caplog):
    """T4: charges start within a second, and the log has one line."""
    with hanging_server(port):
        owing.refill()
        wait_until(lambda: "The mail server cannot be used" in caplog.text)
        began = time.monotonic()
        owing.use("300.00")
        working.wake()
        wait_until(lambda: owing.tries[-1] == ("4242", "100.00", "paid"))
        assert time.monotonic() - began < 5
    assert [r.levelno for r in caplog.records].count(logging.ERROR) == 1


def test_a_hanging_mail_server_does_not_delay_the_shutdown(owing, working, port):
    """L3: the current email times out, and no other is started."""
    with hanging_server(port):
        wait_until(lambda: "send emails" in working._supervisor._under_way.elements())
        began = time.monotonic()
        assert working.stop(within=20) == []
        assert time.monotonic() - began < 10
    assert {str(notice.state) for notice in owing.notices} == {"owed"}


def test_the_email_being_sent_is_finished_at_shutdown(owing, mailer, port):
    """F11: and no other is started."""
    owing.app.extensions["ballast"] = replace(owing.services, mailer=mailer)
    recipient = owing.notices[0].recipient
    owing.session.rollback()
    worker = Worker()
    with mail_server(port, recipient, 0.6) as inbox:
        worker.start(owing.app)
        wait_until(lambda: any(notice.tries for notice in owing.notices))
        assert worker.stop(within=20) == []
        assert len(inbox.ids) == 1
    assert sorted(str(notice.state) for notice in owing.notices) == [*["owed"] * 7, "sent"]
    assert not any(notice.last_error for notice in owing.notices)


def test_readiness_warns_of_unsent_emails(owing, client):
    """The probe still answers 200."""
    assert client.get("/readyz").text == "ready\n"
    owing.clock.advance(hours=3)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.text == "ready\nwarning: Not sent yet: 8 emails, the oldest for 3 h\n"
    assert "ballast_unsent_mails 8.0" in client.get("/metrics").text
