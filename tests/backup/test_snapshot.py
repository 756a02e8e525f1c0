"""Snapshots taken while the installation keeps running."""

from contextlib import nullcontext
from dataclasses import replace
from secrets import token_hex
from threading import Thread

from sqlalchemy.orm import Session

from webapp.actions.payments.pay import pay_now
from webapp.backup.back_up import _copy_databases
from webapp.backup.reader import require_agreement
from webapp.backup.snapshot import open_sqlite
from webapp.extensions import db
from webapp.processors.sandbox.books import SandboxBooks

LONG = 0.5
"""Seconds; a payment takes a hundredth of that."""


class SlowBooks(SandboxBooks):
    """Books whose snapshot starts after a payment has ended, or after `LONG`."""

    def await_first(self, payment):
        self.payment = payment

    def view(self):
        self.payment.start()
        self.payment.join(LONG)
        return super().view()


def test_a_snapshot_contains_no_half_of_a_charge(world, tmp_path):
    """L3, L13: neither a charge without its attempt nor a credit without its charge."""
    engine, method = db.engine, world.card().id
    world.session.rollback()

    def pay():
        with Session(engine) as session:
            pay_now(world.on(session), world.account_id, method, 30_000_000, token_hex(16))

    books = SlowBooks(world.services.settings.home / "sandbox.db")
    books.await_first(Thread(target=pay))
    services = replace(world.services, sandbox=books)
    _copy_databases(engine, services, tmp_path, lambda total: nullcontext(lambda rows: None))
    books.payment.join()
    copied = SandboxBooks(tmp_path / "sandbox.db")
    require_agreement(open_sqlite(tmp_path / "ballast.db"), copied, "The copies do not fit")

    assert copied.paid_charges() == []
    assert world.balance == "130.00"
