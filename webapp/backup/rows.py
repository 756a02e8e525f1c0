"""Copy all rows of one database into another, empty one, and verify that both are equal.

The target's triggers stay active, so the copy also verifies the ledger: accounts start at zero,
entries are inserted in order and must continue their chain, and each balance is set last, to the
end of its chain. The copy is one transaction.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
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
from webapp.database.vault import Sealed
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Conflict, Refusal

BATCH = 1_000
"""Rows in memory at once."""

CACHE = 65_536
"""SQLite's page cache in kilobytes: rows are inserted all over the indexes, and a page evicted from
the cache is written and read again. With the default of 2 MB a copy takes 50 % longer."""


@cache
def _raw() -> MetaData:
    """The tables with raw column types: secrets are copied encrypted."""
    raw = MetaData()
    for table in Base.metadata.sorted_tables:
        for column in table.to_metadata(raw).columns:
            if isinstance(column.type, Sealed):
                column.type = String()
    return raw


Watch = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""Progress display: takes the total, returns a function to call with each increment."""


def tables() -> Sequence[Table]:
    """All tables, each after the tables it references."""
    return _raw().sorted_tables


def require_empty(connection: Connection) -> None:
    """Raise `Conflict` if any table has rows. Tables may be missing or of an older version."""
    existing = inspect(connection).get_table_names()
    for table in tables():
        any_row = select(literal(1)).select_from(table).limit(1)
        if table.name in existing and connection.scalar(any_row):
            where = connection.engine.url.render_as_string(hide_password=True)
            raise Conflict(
                f"{where} is not empty: there are rows in {table.name}. Nothing was written; the "
                "target must be an empty database."
            )


def copy_rows(source: Connection, target: Connection, watch: Watch) -> None:
    """Copy and verify, within the transactions open on both sides.

    Raises `Refusal` if the target rejects a row or returns it changed.
    """
    if target.dialect.name == "sqlite":
        target.exec_driver_sql(f"PRAGMA cache_size = -{CACHE}")
    sent = {table: Sum() for table in tables()}
    total = sum(_count(source, table) for table in tables())
    with watch(2 * total) as advance:  # each row is written and read back
        for table in tables():
            for rows in _batches(source, table):
                sent[table].add(rows)
                _write(target, insert(table), [_at_zero(table, row) for row in rows])
                advance(len(rows))
        _set_balances(source, target)
        if target.dialect.name == "postgresql":
            _update_postgresql(target)
        for table in tables():
            arrived = Sum()
            for rows in _batches(target, table):
                arrived.add(rows)
                advance(len(rows))
            if arrived.total != sent[table].total:
                raise Refusal(f"The copy differs from its source in {table.name}: nothing is kept.")


class Sum:
    """Number of rows and digest of their contents, in the order of their keys."""

    def __init__(self) -> None:
        self.rows = 0
        self._digest = sha256()

    def add(self, rows: Sequence[RowMapping]) -> None:
        self.rows += len(rows)
        for row in rows:
            # Digest of Python values (instants in UTC, parsed JSON), which are equal on both sides.
            self._digest.update(repr(tuple(row.values())).encode())

    @property
    def total(self) -> tuple[int, str]:
        return self.rows, self._digest.hexdigest()


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[RowMapping]]:
    # PostgreSQL sorts text by its locale, SQLite by bytes.
    bytewise = "C" if connection.dialect.name == "postgresql" else "BINARY"
    keys = [
        collate(key, bytewise) if isinstance(key.type, String) else key
        for key in table.primary_key.columns
    ]
    in_order = select(table).order_by(*keys)
    found = connection.execute(in_order, execution_options={"yield_per": BATCH})
    return found.mappings().partitions()


def _at_zero(table: Table, row: RowMapping) -> dict[str, Any]:
    return {**row, "balance": 0} if table.name == Account.__tablename__ else dict(row)


def _set_balances(source: Connection, target: Connection) -> None:
    accounts = _raw().tables[Account.__tablename__]
    is_account = accounts.c.id == bindparam("of")
    set_to = update(accounts).where(is_account).values(balance=bindparam("to"))
    balances = select(accounts.c.id.label("of"), accounts.c.balance.label("to"))
    found = source.execute(balances, execution_options={"yield_per": BATCH})
    for batch in found.mappings().partitions():
        _write(target, set_to, [dict(balance) for balance in batch])


def _write(target: Connection, statement: Insert | Update, rows: list[dict[str, Any]]) -> None:
    try:
        target.execute(statement, rows)
    except DBAPIError as error:
        fault = " ".join(str(error.orig).split())
        raise Refusal(
            f"A row of {statement.table.description} was rejected: {fault}. Nothing was kept."
        ) from error


def _update_postgresql(target: Connection) -> None:
    """Set the sequences to continue after the copied ids, and update planner statistics."""
    for table in tables():
        if "id" in table.columns:
            sequence = func.pg_get_serial_sequence(f'"{table.name}"', "id")
            target.execute(select(func.setval(sequence, func.max(table.c.id))))
    target.execute(text("ANALYZE"))
