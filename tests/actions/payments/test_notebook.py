"""An adapter's notebook: the first value is kept, for every process (L3)."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine

from webapp.actions.payments.notebook import DatabaseNotebook
from webapp.extensions import db
from webapp.ports import CannotKeep


@pytest.fixture
def engine(app):
    return db.engine


def test_a_kept_value_is_read_again(engine):
    notebook = DatabaseNotebook("paypal", lambda: engine)

    assert notebook.kept("attempt-1") is None
    assert notebook.keep("attempt-1", "order A") == "order A"
    assert notebook.kept("attempt-1") == "order A"


def test_the_first_value_wins(engine):
    first, second = (DatabaseNotebook("paypal", lambda: engine) for _ in range(2))
    first.keep("attempt-1", "order A")

    assert second.keep("attempt-1", "order B") == "order A"
    assert second.kept("attempt-1") == "order A"


def test_each_processor_has_its_own_notebook(engine):
    DatabaseNotebook("paypal", lambda: engine).keep("attempt-1", "order A")

    assert DatabaseNotebook("other", lambda: engine).kept("attempt-1") is None


def test_concurrent_writers_agree_on_one_value(engine):
    start = threading.Barrier(6)

    def keep(order):
        notebook = DatabaseNotebook("paypal", lambda: engine)
        start.wait()
        return notebook.keep("attempt-1", f"order {order}")

    with ThreadPoolExecutor(6) as pool:
        kept = set(pool.map(keep, range(6)))

    assert kept == {DatabaseNotebook("paypal", lambda: engine).kept("attempt-1")}


def test_an_unreachable_database_raises_cannot_keep(tmp_path):
    gone = create_engine(f"sqlite:///{tmp_path / 'no' / 'where.db'}")
    notebook = DatabaseNotebook("paypal", lambda: gone)

    with pytest.raises(CannotKeep):
        notebook.kept("attempt-1")
    with pytest.raises(CannotKeep):
        notebook.keep("attempt-1", "order A")
