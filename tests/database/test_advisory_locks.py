"""Advisory locks: a claimed item is skipped by others."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from tests.conftest import on_postgres, on_sqlite
from webapp.database.advisory_locks import claim
from webapp.extensions import db


@on_postgres
def test_a_claim_is_held_until_its_block_ends(session):
    with claim(session, "top-up", 1) as first:
        with claim(session, "top-up", 1) as second:
            assert (first, second) == (True, False)
        with claim(session, "top-up", 1) as third:
            assert not third, "a failed claim releases nothing"
    with claim(session, "top-up", 1) as fourth:
        assert fourth


@on_postgres
def test_claims_are_separate_per_kind_and_item(session):
    with (
        claim(session, "top-up", 1),
        claim(session, "top-up", 2) as other_item,
        claim(session, "notice", 1) as other_work,
    ):
        assert other_item
        assert other_work


@on_postgres
def test_an_exception_releases_the_claim(session):
    with pytest.raises(RuntimeError), claim(session, "top-up", 1):
        raise RuntimeError("failed")
    with claim(session, "top-up", 1) as mine:
        assert mine


@on_postgres
def test_a_claim_ends_with_its_process(session):
    """The server ends a killed process's connection; the test terminates it.

    `pg_terminate_backend` waits up to five seconds for the connection and its lock to end.
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
def test_a_claim_keeps_no_transaction_open_l3(session):
    """L3: a processor may be called during a claim."""
    session.rollback()
    with claim(session, "top-up", 1), db.engine.connect() as connection:
        states = (
            "SELECT state FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = :type"
        )
        assert connection.scalars(text(states), {"type": "advisory"}).all() == ["idle"]


@on_sqlite
def test_sqlite_needs_no_claims(session):
    """Writers are serialized, so the second finds the finished work."""
    with claim(session, "top-up", 1) as first, claim(session, "top-up", 1) as second:
        assert (first, second) == (True, True)
