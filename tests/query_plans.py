"""How SQLite plans to run the queries of a read."""

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session


def plans_of(session: Session, read: Callable[[], object]) -> list[str]:
    """Run `read` and return the steps of the plan of each SELECT that it executes."""
    executed = []
    note = lambda *around: executed.append(around[2:4])  # noqa: E731
    event.listen(session.get_bind(), "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(session.get_bind(), "before_cursor_execute", note)
    connection = session.connection()
    return [
        step[-1]
        for statement, values in executed
        if statement.startswith("SELECT")
        for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
    ]
