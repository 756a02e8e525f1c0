"""The bound of HTTP figures: minimal Flask views, served by the same `deploy/gunicorn.conf.py`."""

import os
import sqlite3
from pathlib import Path
from threading import Lock

from flask import Flask, request

from benchmarks.sqlite import connect

app = Flask(__name__)


@app.route("/", methods=["GET", "POST"])
def view() -> str:
    return "Hello"


@app.post("/usage")
def post() -> tuple[str, int]:
    """One record, one durable commit."""
    record = request.get_json()
    with _alone:
        _database.execute("BEGIN IMMEDIATE")
        _database.execute(
            "INSERT INTO usage (reference, amount) VALUES (?, ?)",
            (record["reference"], record["amount"]),
        )
        _database.execute("COMMIT")
    return "", 201


def _open() -> sqlite3.Connection:
    database = connect(Path(os.environ["BALLAST_HOME"]) / "bare.db")
    database.execute(
        "CREATE TABLE IF NOT EXISTS usage "
        "(id INTEGER PRIMARY KEY, reference TEXT UNIQUE, amount TEXT)"
    )
    return database


# One connection with a lock: threads that wait in Python lose less time than in SQLite.
_alone, _database = Lock(), _open()
