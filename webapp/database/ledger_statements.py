"""SQL that posts many ledger entries at once, for each dialect.

PostgreSQL takes all rows as one JSON parameter: one round trip. SQLite takes a hundred rows per
statement, because its driver releases the interpreter lock at each statement.
"""

import json
from collections.abc import Sequence
from itertools import chain

from sqlalchemy import Connection, Row, text

Entry = tuple[object, ...]
"""The columns of `_COLUMNS`, in that order; instants as SQLite stores them."""

ROWS_PER_STATEMENT = 100

_COLUMNS = (
    "INSERT INTO ledger_entry (account_id, kind, amount, balance_after, reference, description, "
    "attempt_id, occurred_at, posted_at) "
)
_INSERT_ONE = _COLUMNS + "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_HUNDRED = _INSERT_ONE + ", (?, ?, ?, ?, ?, ?, ?, ?, ?)" * (ROWS_PER_STATEMENT - 1)
_INSERT_JSON = text(
    _COLUMNS + "SELECT CAST(value ->> 0 AS integer), value ->> 1, CAST(value ->> 2 AS bigint), "
    "CAST(value ->> 3 AS bigint), value ->> 4, value ->> 5, CAST(value ->> 6 AS integer), "
    "CAST(value ->> 7 || '+00' AS timestamptz), CAST(value ->> 8 || '+00' AS timestamptz) "
    "FROM json_array_elements(CAST(:entries AS json)) WITH ORDINALITY AS entry (value, number) "
    "ORDER BY number"
)

_MOVE = {
    "sqlite": text(
        "UPDATE account SET balance = balance + micros, revision = revision + 1 "
        "FROM (SELECT json_extract(value, '$[0]') AS moved, json_extract(value, '$[1]') AS micros "
        "FROM json_each(:moves)) WHERE id = moved"
    ),
    "postgresql": text(
        "UPDATE account SET balance = balance + micros, revision = revision + 1 "
        "FROM (SELECT CAST(value ->> 0 AS integer) AS moved, CAST(value ->> 1 AS bigint) AS micros "
        "FROM json_array_elements(CAST(:moves AS json))) AS move WHERE id = moved"
    ),
}

_POSTED = {
    "sqlite": text(
        "SELECT account_id, reference, amount FROM json_each(:sent) AS sent "
        "CROSS JOIN ledger_entry ON account_id = json_extract(sent.value, '$[0]') "
        "AND reference = json_extract(sent.value, '$[1]')"
    ),
    "postgresql": text(
        "SELECT account_id, reference, amount FROM json_array_elements(CAST(:sent AS json)) "
        "AS sent (value) JOIN ledger_entry ON account_id = CAST(sent.value ->> 0 AS integer) "
        "AND reference = sent.value ->> 1"
    ),
}


def insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(_INSERT_JSON, {"entries": json.dumps(entries)})
        return
    even = len(entries) - len(entries) % ROWS_PER_STATEMENT
    if even:
        hundreds = (
            entries[at : at + ROWS_PER_STATEMENT] for at in range(0, even, ROWS_PER_STATEMENT)
        )
        values = [tuple(chain.from_iterable(hundred)) for hundred in hundreds]
        connection.exec_driver_sql(_INSERT_HUNDRED, values)
    if even < len(entries):
        connection.exec_driver_sql(_INSERT_ONE, list(entries[even:]))


def move_balances(connection: Connection, moves: Sequence[tuple[int, int]]) -> None:
    """Add micros to each account's balance: pairs of account id and micros."""
    connection.execute(_MOVE[connection.dialect.name], {"moves": json.dumps(moves)})


def posted_references(
    connection: Connection, sent: Sequence[tuple[int, str]]
) -> Sequence[Row[int, str, int]]:
    """Account id, reference and micros of what is posted among pairs of account and reference."""
    statement = _POSTED[connection.dialect.name]
    return connection.execute(statement, {"sent": json.dumps(sent)}).all()
