"""SQL that posts many ledger entries at once, for each dialect.

PostgreSQL takes all rows as one JSON parameter: one round trip. SQLite takes a hundred rows per
statement, because its driver releases the interpreter lock at each statement.
"""

import json
from collections.abc import Sequence
from itertools import chain

from sqlalchemy import Connection, Row, text

EntryRow = tuple[int, str, int, int, str | None, str, int | None, int | None, str, str]
"""The columns of `COLUMNS`, in that order; instants as SQLite stores them."""

COLUMNS = {
    "account_id": "integer",
    "kind": "text",
    "amount": "bigint",
    "balance_after": "bigint",
    "reference": "text",
    "description": "text",
    "attempt_id": "integer",
    "usage_reversal_id": "integer",
    "occurred_at": "timestamp",
    "posted_at": "timestamp",
}
"""Each column's type when PostgreSQL reads it from JSON; it reads timestamps as UTC."""

AS_UTC = " AT TIME ZONE 'UTC'"

ROWS_PER_STATEMENT = 100

_INSERT = f"INSERT INTO ledger_entry ({', '.join(COLUMNS)}) "
_PLACES = f"({', '.join('?' * len(COLUMNS))})"
_INSERT_ONE = f"{_INSERT}VALUES {_PLACES}"
_INSERT_HUNDRED = f"{_INSERT}VALUES {', '.join([_PLACES] * ROWS_PER_STATEMENT)}"


_FROM_JSON = ", ".join(
    f"CAST(value ->> {place} AS {column_type}){AS_UTC if column_type == 'timestamp' else ''}"
    for place, column_type in enumerate(COLUMNS.values())
)
_INSERT_JSON = text(
    _INSERT + "SELECT " + _FROM_JSON + " "
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

_TAKEN = {
    "sqlite": text(
        "WITH sent AS (SELECT json_extract(value, '$[0]') AS its_account, "
        "json_extract(value, '$[1]') AS its_reference FROM json_each(:sent)) "
        "SELECT account_id, reference, 'hold' FROM sent "
        "CROSS JOIN hold ON account_id = its_account AND reference = its_reference "
        "UNION ALL SELECT account_id, reference, 'usage' FROM sent "
        "CROSS JOIN ledger_entry ON account_id = its_account AND reference = its_reference"
    ),
    "postgresql": text(
        "WITH sent AS (SELECT CAST(value ->> 0 AS integer) AS its_account, "
        "value ->> 1 AS its_reference FROM json_array_elements(CAST(:sent AS json))) "
        "SELECT account_id, reference, 'hold' FROM sent "
        "JOIN hold ON account_id = its_account AND reference = its_reference "
        "UNION ALL SELECT account_id, reference, 'usage' FROM sent "
        "JOIN ledger_entry ON account_id = its_account AND reference = its_reference"
    ),
}


def insert_entries(connection: Connection, entries: Sequence[EntryRow]) -> None:
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


def taken_references(
    connection: Connection, sent: Sequence[tuple[int, str]]
) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
    """Of the sent pairs of account and reference: those of holds, and those of posted usage.

    In one statement, because each authorisation waits for it.
    """
    of_holds: set[tuple[int, str]] = set()
    of_usage: set[tuple[int, str]] = set()
    statement = _TAKEN[connection.dialect.name]
    for account_id, reference, by in connection.execute(statement, {"sent": json.dumps(sent)}):
        (of_holds if by == "hold" else of_usage).add((account_id, reference))
    return of_holds, of_usage
