"""The audit log only grows (P2): its database user's usual statements change no line of it."""

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


def refuses(session, statement):
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(statement))
    session.rollback()


@pytest.mark.parametrize("statement", CHANGES)
def test_no_statement_changes_a_line(world, statement):
    """P2"""
    before = [(e.id, e.actor_name, e.details) for e in world.session.query(AuditEntry)]
    assert before
    refuses(world.session, statement)
    after = [(e.id, e.actor_name, e.details) for e in world.session.query(AuditEntry)]
    assert after == before


@on_postgres
def test_nor_empties_the_table(world):
    """P2"""
    refuses(world.session, "TRUNCATE audit_entry")


def test_nor_does_a_record_of_ours(world):
    """P2: whatever code may try."""
    entry = world.session.query(AuditEntry).first()
    entry.what = "nothing"
    with pytest.raises(DBAPIError, match="append-only"):
        world.session.flush()
    world.session.rollback()
