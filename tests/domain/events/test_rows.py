"""Events are append-only (E1, P2): the database rejects changes of their rows."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.conftest import on_postgres
from webapp.domain.events.rows import EventRow

CHANGES = [
    "UPDATE event SET actor_name = 'Somebody else'",
    "UPDATE event SET facts = '{}'",
    "DELETE FROM event",
]


def expect_refusal(session, statement):
    with pytest.raises(DBAPIError, match="append-only"):
        session.execute(text(statement))
    session.rollback()


@pytest.mark.parametrize("statement", CHANGES)
def test_updates_and_deletes_are_refused(world, statement):
    """P2"""
    before = [(e.id, e.actor_name, e.facts) for e in world.session.query(EventRow)]
    assert before
    expect_refusal(world.session, statement)
    after = [(e.id, e.actor_name, e.facts) for e in world.session.query(EventRow)]
    assert after == before


@on_postgres
def test_truncating_is_refused(world):
    """P2"""
    expect_refusal(world.session, "TRUNCATE event CASCADE")


def test_changing_a_loaded_entry_is_refused(world):
    """P2: the ORM has no way around the guard."""
    entry = world.session.query(EventRow).first()
    entry.audit = "nothing"
    with pytest.raises(DBAPIError, match="append-only"):
        world.session.flush()
    world.session.rollback()
