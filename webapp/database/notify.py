"""Wake the workers of other processes with PostgreSQL's NOTIFY."""

from sqlalchemy import text
from sqlalchemy.orm import Session

CHANNEL = "ballast_due"


def notify_workers(session: Session) -> None:
    """Wake the workers of other processes when this transaction commits.

    Only PostgreSQL supports it (`background/notify_listener.py`); on SQLite the workers poll.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text(f"NOTIFY {CHANNEL}"))
