"""Rewriting an SQLite file leaves nothing behind, or fails."""

import sqlite3

import pytest
from sqlalchemy import create_engine, text

from webapp.database import engine as engines
from webapp.database.rewriting import rewrite


def test_a_reader_that_keeps_the_log_in_use_is_an_error(tmp_path, monkeypatch):
    """Otherwise `accounts erase` would succeed while the log keeps the erased texts."""
    monkeypatch.setattr(engines, "PATIENCE", 0.1)
    file = tmp_path / "file.db"
    engine = create_engine(f"sqlite:///{file}")
    engines.tune(engine)
    with engine.begin() as writer:
        writer.execute(text("CREATE TABLE note (words)"))
        writer.execute(text("INSERT INTO note VALUES ('remembered')"))
    with engine.connect() as reader:
        reader.execute(text("SELECT * FROM note")).all()
        with engine.begin() as writer:
            writer.execute(text("UPDATE note SET words = 'x'"))
        with pytest.raises(sqlite3.OperationalError):
            rewrite(engine)
    rewrite(engine)
    engine.dispose()
    assert b"remembered" not in file.read_bytes()
