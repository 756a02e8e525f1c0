"""Isolation that both databases guarantee to concurrent transactions."""

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tests.conftest import on_postgres
from tests.factories import START, context, micros, sum_of
from tests.postgres.server import KEEPER
from webapp.actions.usage.post_usage import post_usage
from webapp.domain.accounts.account import Account
from webapp.domain.usage.record import Usage
from webapp.extensions import db


def debit_elsewhere(world, amount):
    with Session(db.engine) as session:
        usage = Usage(micros(amount), "elsewhere", START)
        post_usage(context(session, now=START, policy=world.policy), world.account_id, [usage])


def test_a_reader_sees_a_consistent_snapshot_l2(world, session):
    """L2: queries before and after a concurrent debit show one balance."""
    session.rollback()
    balance = session.scalar(select(Account.balance))
    debit_elsewhere(world, "10.00")
    assert sum_of(session, world.account_id) == balance
    session.rollback()
    assert sum_of(session, world.account_id) == balance - micros("10.00")


def test_a_writer_sees_the_committed_state_t14(world, session):
    """T14: even if the account was read before the lock was taken."""
    read_before = session.get_one(Account, world.account_id)
    assert read_before.balance == micros("100.00")
    debit_elsewhere(world, "10.00")
    account = Account.locked(session, world.account_id)
    assert account.balance == micros("90.00")
    assert sum_of(session, world.account_id) == micros("90.00")


@on_postgres
def test_lock_waits_have_a_timeout(session):
    assert session.scalar(text("SHOW lock_timeout")) == "15s"


@on_postgres
def test_a_restarted_server_causes_no_failed_request(session, world):
    session.rollback()
    with db.engine.connect() as connection:  # not the connection that the session will use
        session.scalar(text("SELECT 1"))
        session.rollback()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'kept' "
        others += "AND pid <> pg_backend_pid() AND application_name <> :keeper"
        connection.execute(text(others), {"keeper": KEEPER})
    world.use("1.00")
    assert world.balance == "99.00"
