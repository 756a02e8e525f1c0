"""The audit log is append-only (P2): the database rejects changes of its rows."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import on_postgres
from webapp.domain.accounts.audit import AuditEntry

CHANGES = [
    "UPDATE audit_entry SET actor_name = 'Somebody else'",
    "UPDATE audit_entry SET details = '{}'",
    "DELETE FROM audit_entry",
]


def expect_refusal(session, statement):
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(statement))
    session.rollback()


@pytest.mark.parametrize("statement", CHANGES)
def test_updates_and_deletes_are_refused(world, statement):
    """P2"""
    before = [(e.id, e.actor_name, e.details) for e in world.session.query(AuditEntry)]
    assert before
    expect_refusal(world.session, statement)
    after = [(e.id, e.actor_name, e.details) for e in world.session.query(AuditEntry)]
    assert after == before


@on_postgres
def test_truncating_is_refused(world):
    """P2"""
    expect_refusal(world.session, "TRUNCATE audit_entry")


def test_changing_a_loaded_entry_is_refused(world):
    """P2: the ORM has no way around the guard."""
    entry = world.session.query(AuditEntry).first()
    entry.what = "nothing"
    with pytest.raises(DBAPIError, match="append-only"):
        world.session.flush()
    world.session.rollback()
