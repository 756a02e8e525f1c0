"""Events are append-only (E1, P2): the database rejects changes of their rows."""

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from tests.conftest import on_postgres
from webapp.domain.events import recording
from webapp.domain.events.rows import EventRow
from webapp.domain.events.users import ConfirmationRequested
from webapp.domain.notifications.outbox import Notice
from webapp.domain.users.user import User

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


def test_an_event_that_only_an_email_shows_keeps_no_facts(world):
    """An address that nobody confirmed may belong to another person, and a row stays forever."""
    user = world.session.get_one(User, world.owner.user_id)
    recording.record_for(world.ctx, user, ConfirmationRequested("stranger@example.com"))
    world.session.commit()
    rows = world.session.scalars(select(EventRow).where(EventRow.kind == "confirmation_requested"))
    assert [row.facts for row in rows] == [{}]
    [notice] = world.session.scalars(select(Notice).where(Notice.kind == "confirm_email"))
    assert notice.facts["email"] == "stranger@example.com"


def test_changing_a_loaded_entry_is_refused(world):
    """P2: the ORM has no way around the guard."""
    entry = world.session.query(EventRow).first()
    entry.audit = "nothing"
    with pytest.raises(DBAPIError, match="append-only"):
        world.session.flush()
    world.session.rollback()
