"""The bound of what is asked over HTTP: the least that Flask can do, on the same server.

`deploy/gunicorn.conf.py` serves it as it serves Ballast.
"""

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


# One connection and a lock: threads that queue in Python lose less than SQLite's own waiting.
_alone, _database = Lock(), _open()
