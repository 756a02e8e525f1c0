"""Claims: one has a piece of work in hand, the others pass it by."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.conftest import on_postgres, on_sqlite
from webapp.database.advisory_locks import claim
from webapp.extensions import db


@on_postgres
def test_the_first_has_it_until_it_is_done(session):
    with claim(session, "top-up", 1) as first:
        with claim(session, "top-up", 1) as second:
            assert (first, second) == (True, False)
        with claim(session, "top-up", 1) as third:
            assert not third, "who was passed by gives nothing free"
    with claim(session, "top-up", 1) as fourth:
        assert fourth


@on_postgres
def test_other_work_is_another_claim(session):
    with (
        claim(session, "top-up", 1),
        claim(session, "top-up", 2) as other_item,
        claim(session, "notice", 1) as other_work,
    ):
        assert other_item
        assert other_work


@on_postgres
def test_it_is_free_after_an_accident(session):
    with pytest.raises(RuntimeError), claim(session, "top-up", 1):
        raise RuntimeError("a bad day")
    with claim(session, "top-up", 1) as mine:
        assert mine


@on_postgres
def test_it_ends_with_its_process(session):
    """The server ends the connection of a process that is killed; here it does so by itself.

    Five seconds are the longest that it waits for the connection to end, and with it the lock.
    """
    killed = claim(session, "top-up", 1)
    killed.__enter__()
    with db.engine.connect() as connection:
        holders = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
        connection.execute(text(holders))
    with claim(session, "top-up", 1) as mine:
        assert mine
    with pytest.raises(OperationalError):
        killed.__exit__(None, None, None)


@on_postgres
def test_no_transaction_is_open_for_it_l3(session):
    """L3: a processor may be called while it is held."""
    session.rollback()
    with claim(session, "top-up", 1), db.engine.connect() as connection:
        states = "SELECT state FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = :it"
        assert connection.scalars(text(states), {"it": "advisory"}).all() == ["idle"]


@on_sqlite
def test_sqlite_needs_none(session):
    """One writes at a time, and finds what is done."""
    with claim(session, "top-up", 1) as first, claim(session, "top-up", 1) as second:
        assert (first, second) == (True, True)
