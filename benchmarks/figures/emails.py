"""Receipts queued at once: how fast they reach a mail server on the same machine."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import delete, insert, select

from benchmarks import customers, homes
from benchmarks.bench import Bench
from benchmarks.rows import Row, at_least
from benchmarks.servers import free_port
from webapp.actions.payments.pay import pay_now
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.payment_methods.payment_method import listed
from webapp.domain.shared.context import COMMAND_LINE
from webapp.extensions import db, make_context
from webapp.settings import ROOT

PATIENCE = 300.0


def measure(bench: Bench) -> list[Row]:
    emails = bench.sizes.emails
    home = homes.new_home(bench.folder)
    _enqueue(home, emails)
    arrived = home / "arrived.txt"
    with _mail_server(arrived) as port:
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(port), "MAIL_SENDER": "b@example.com"}
        with bench.serving(home, "emails", **mail):
            times = _wait(arrived, emails)
    homes.prove(home)
    return [
        Row(
            figure=f"Emails handed to a mail server, {emails:,} queued at once",
            unit="emails/s",
            ours=((emails - 1) / (times[-1] - times[0]),),
            aim=at_least(200, "200 emails/s"),
        )
    ]


def _enqueue(home: Path, emails: int) -> None:
    """Queue copies of the receipt of one payment."""
    with homes.application(home) as it:
        customer = customers.sign_up(it)
        method = listed(db.session(), customer.account_id)[0]
        pay_now(
            make_context(COMMAND_LINE),
            customer.account_id,
            method.id,
            30_000_000,
            "k" * 16,
        )
        receipt = db.session.scalars(select(Notice).where(Notice.kind == NoticeKind.RECEIPT)).one()
        columns = {
            c.key: getattr(receipt, c.key) for c in Notice.__table__.columns if c.key != "id"
        }
        db.session.execute(delete(Notice))
        rows = (
            columns | {"about": f"attempt {n}", "message_id": f"{n}@ballast"} for n in range(emails)
        )
        db.session.execute(insert(Notice), list(rows))
        db.session.commit()


@contextmanager
def _mail_server(arrived: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.mail_sink", str(port), str(arrived)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        _until(arrived.exists)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait(arrived: Path, emails: int) -> list[float]:
    """Times of arrival. Raises if an email is missing or arrives twice."""
    _until(lambda: arrived.read_text(encoding="utf-8").count("\n") >= emails)
    time.sleep(1)  # a duplicate would follow at once
    lines = [line.split() for line in arrived.read_text(encoding="utf-8").splitlines()]
    if len(lines) != emails or len({message_id for _, message_id in lines}) != emails:
        raise RuntimeError(f"{emails} emails were expected, {len(lines)} arrived")
    return [float(at) for at, _ in lines]


def _until(truth: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not truth():
        if time.monotonic() > end:
            raise RuntimeError("the emails were not sent")
        time.sleep(0.1)
