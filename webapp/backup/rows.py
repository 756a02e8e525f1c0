"""Every row of one database into another, empty one, and the proof that both hold the same.

The guards of the target stay on, so the ledger is proved a second time on its way: accounts open
at zero, entries come in their order and must continue their chain, and each balance is set last,
to what its chain ends at. It is one transaction: all of it, or nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    MetaData,
    RowMapping,
    String,
    Table,
    Update,
    bindparam,
    collate,
    func,
    insert,
    inspect,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Conflict, Refusal
from webapp.domain.shared.vault import Sealed

BATCH = 1_000
"""Rows in memory at once."""

CACHE = 65_536
"""Kilobytes for SQLite: rows go all over its indexes, and a page that has left the cache is written
to the disk and read again. With its usual 2 MB a copy takes half as long again."""


def _raw() -> MetaData:
    """The tables with what is stored in them: a copy is made of secrets as they are, encrypted."""
    raw = MetaData()
    for table in Base.metadata.sorted_tables:
        for column in table.to_metadata(raw).columns:
            if isinstance(column.type, Sealed):
                column.type = String()
    return raw


RAW = _raw()
ACCOUNTS = RAW.tables[Account.__tablename__]

Watch = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Given how much there is to do, gives a function that is told how much has been done since."""


def tables() -> Sequence[Table]:
    """Each after those that it names."""
    return RAW.sorted_tables


def require_empty(connection: Connection) -> None:
    """Raises `Conflict` where a table holds anything; they may be older ones, or absent."""
    there = inspect(connection).get_table_names()
    for table in tables():
        any_row = select(literal(1)).select_from(table).limit(1)
        if table.name in there and connection.scalar(any_row):
            where = connection.engine.url.render_as_string(hide_password=True)
            raise Conflict(
                f"{where} is not empty: there are rows in {table.name}. Nothing was written; "
                "a copy goes into an empty database."
            )


def copy_rows(source: Connection, target: Connection, watch: Watch) -> None:
    """Copy and prove, within the transaction that is open on each side.

    Raises `Refusal` where the target does not take a row, or gives it back otherwise.
    """
    if target.dialect.name == "sqlite":
        target.exec_driver_sql(f"PRAGMA cache_size = -{CACHE}")
    sent = {table: Sum() for table in tables()}
    total = sum(_count(source, table) for table in tables())
    with watch(2 * total) as advance:  # each is written, and read back
        for table in tables():
            for rows in _batches(source, table):
                sent[table].add(rows)
                _write(target, insert(table), [_at_zero(table, row) for row in rows])
                advance(len(rows))
        _set_balances(source, target)
        if target.dialect.name == "postgresql":
            _tell_postgresql(target)
        for table in tables():
            arrived = Sum()
            for rows in _batches(target, table):
                arrived.add(rows)
                advance(len(rows))
            if arrived.total != sent[table].total:
                raise Refusal(f"The copy differs from its source in {table.name}: nothing is kept.")


class Sum:
    """How many rows there are, and a digest of their contents in the order of their keys."""

    def __init__(self) -> None:
        self.rows = 0
        self._digest = sha256()

    def add(self, rows: Sequence[RowMapping]) -> None:
        self.rows += len(rows)
        for row in rows:
            # As Python's own values: instants in UTC, JSON read, so that databases compare.
            self._digest.update(repr(tuple(row.values())).encode())

    @property
    def total(self) -> tuple[int, str]:
        return self.rows, self._digest.hexdigest()


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[RowMapping]]:
    # PostgreSQL sorts text as its locale says, SQLite by its bytes.
    bytewise = "C" if connection.dialect.name == "postgresql" else "BINARY"
    keys = [
        collate(key, bytewise) if isinstance(key.type, String) else key
        for key in table.primary_key.columns
    ]
    in_order = select(table).order_by(*keys)
    found = connection.execute(in_order, execution_options={"yield_per": BATCH})
    return found.mappings().partitions()


def _at_zero(table: Table, row: RowMapping) -> dict[str, Any]:
    return {**row, "balance": 0} if table is ACCOUNTS else dict(row)


def _set_balances(source: Connection, target: Connection) -> None:
    its = ACCOUNTS.c.id == bindparam("of")
    set_to = update(ACCOUNTS).where(its).values(balance=bindparam("to"))
    balances = select(ACCOUNTS.c.id.label("of"), ACCOUNTS.c.balance.label("to"))
    found = source.execute(balances, execution_options={"yield_per": BATCH})
    for batch in found.mappings().partitions():
        _write(target, set_to, [dict(balance) for balance in batch])


def _write(target: Connection, statement: Insert | Update, rows: list[dict[str, Any]]) -> None:
    try:
        target.execute(statement, rows)
    except DBAPIError as error:
        fault = " ".join(str(error.orig).split())
        raise Refusal(
            f"A row of {statement.table.description} is not taken: {fault}. Nothing is kept."
        ) from error


def _tell_postgresql(target: Connection) -> None:
    """Where its sequences go on; and its planner, which else learns of the rows much later."""
    for table in tables():
        if "id" in table.columns:
            sequence = func.pg_get_serial_sequence(f'"{table.name}"', "id")
            target.execute(select(func.setval(sequence, func.max(table.c.id))))
    target.execute(text("ANALYZE"))
