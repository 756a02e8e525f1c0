"""Rows from one database into another: both prove to hold the same, or nothing is kept."""

from contextlib import contextmanager

import pytest
from sqlalchemy import text

from tests.tampering import tamper
from webapp.backup.migrate import migrate
from webapp.backup.rows import copy_rows, require_empty
from webapp.backup.snapshot import open_sqlite, view, writing
from webapp.domain.shared.errors import Refusal
from webapp.extensions import db


@pytest.fixture
def target(tmp_path):
    engine = open_sqlite(tmp_path / "target.db")
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def source(world):
    world.pay(world.card())
    world.use("1.234567")
    world.session.rollback()
    return db.engine


@contextmanager
def unwatched(total):
    yield lambda rows: None


def copy(source, target, watch=unwatched):
    with view(source) as rows, writing(target) as copied:
        copy_rows(rows, copied, watch)


def is_empty(engine):
    with view(engine) as connection:
        require_empty(connection)
    return True


def test_an_entry_that_breaks_the_chain_is_not_taken(source, target, session):
    """L2: the target's own guards prove the ledger on its way."""
    tamper(session, "UPDATE ledger_entry SET amount = amount - 1 WHERE id = 2")
    with pytest.raises(Refusal, match="ledger_entry was rejected: a ledger entry must continue"):
        copy(source, target)
    assert is_empty(target)


def test_a_balance_that_is_not_its_ledgers_is_not_taken(source, target, session):
    """L2"""
    tamper(session, "UPDATE account SET balance = balance + 1")
    with pytest.raises(Refusal, match="account was rejected: a balance must be the end"):
        copy(source, target)
    assert is_empty(target)


def test_what_arrives_otherwise_is_found_out(source, target):
    with writing(target) as connection:
        connection.execute(
            text(
                "CREATE TRIGGER meddler AFTER INSERT ON notice BEGIN "
                "UPDATE notice SET tries = tries + 1 WHERE id = NEW.id; END"
            )
        )
    with pytest.raises(Refusal, match="differs from its source in notice: nothing is kept"):
        copy(source, target)
    assert is_empty(target)


def test_how_far_it_is_can_be_watched(source, target):
    told = []

    @contextmanager
    def watch(total):
        yield told.append
        assert sum(told) == total

    copy(source, target, watch)
    assert told
