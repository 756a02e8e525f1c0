"""Copying rows between databases: the copy is verified, or nothing is kept."""

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
def without_progress(total):
    yield lambda rows: None


def copy(source, target, watch=without_progress):
    with view(source) as rows, writing(target) as copied:
        copy_rows(rows, copied, watch)


def is_empty(engine):
    with view(engine) as connection:
        require_empty(connection)
    return True


def test_a_broken_ledger_chain_is_refused(source, target, session):
    """L2: the target's triggers check the copied ledger."""
    tamper(session, "UPDATE ledger_entry SET amount = amount - 1 WHERE id = 2")
    with pytest.raises(Refusal, match="ledger_entry was rejected: a ledger entry must continue"):
        copy(source, target)
    assert is_empty(target)


def test_a_balance_that_differs_from_its_ledger_is_refused(source, target, session):
    """L2"""
    tamper(session, "UPDATE account SET balance = balance + 1")
    with pytest.raises(Refusal, match="account was rejected: a balance must be the end"):
        copy(source, target)
    assert is_empty(target)


def test_a_row_that_changes_on_the_way_is_detected(source, target):
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


def test_the_progress_is_reported(source, target):
    copied = []

    @contextmanager
    def watch(total):
        yield copied.append
        assert sum(copied) == total

    copy(source, target, watch)
    assert copied
