"""A file of usage that a person has sent: how far it is, and what was wrong with its lines."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.shared.errors import NotFound

LARGEST = 32 * 1024 * 1024
NAME_LENGTH = 200

MOST_FAULTS = 5_000
"""Rows of `UsageImport.faults`; bad records beyond them are only counted."""

SILENT = timedelta(minutes=1)
"""An import that has not gone on for so long was cut off."""


class ImportState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    """The file as a whole cannot be used; nothing was posted."""


class UsageImport(Base):
    __tablename__ = "usage_import"
    __table_args__ = (
        # A form that is sent twice is one import.
        Index("uq_usage_import_account_id_request_key", "account_id", "request_key", unique=True),
        Index("ix_usage_import_account_id_id", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    request_key: Mapped[str] = mapped_column(String(64))
    file_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes; so is `read`."""
    read: Mapped[int] = mapped_column(BigInteger, default=0)
    state: Mapped[ImportState] = mapped_column(String(10), default=ImportState.RUNNING)
    posted: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    bad: Mapped[int] = mapped_column(default=0)
    faults: Mapped[list[list[object]]] = mapped_column(JSON, default=list)
    """Line or range of lines, reason, and number of records; older rows without the number."""
    why: Mapped[str] = mapped_column(String(300), default="")
    """Why the file as a whole was refused."""
    started_at: Mapped[datetime]
    went_on_at: Mapped[datetime]

    def is_cut_off(self, now: datetime) -> bool:
        """Sent again, it goes on: what was posted is not posted twice."""
        return self.state == ImportState.RUNNING and abs(now - self.went_on_at) >= SILENT

    def bad_beyond(self, rows: int) -> int:
        """Bad records that are not among the first rows of `faults`."""
        return self.bad - sum(int(str((*row, 1)[2])) for row in self.faults[:rows])

    def percent(self) -> int:
        return min(100, self.read * 100 // self.size) if self.size else 100


def find(session: Session, account_id: int, import_id: int) -> UsageImport:
    """Raises `NotFound`."""
    found = session.get(UsageImport, import_id)
    if found is None or found.account_id != account_id:
        raise NotFound("The import")
    return found


def by_key(session: Session, account_id: int, key: str) -> UsageImport | None:
    mine = (UsageImport.account_id == account_id, UsageImport.request_key == key)
    return session.scalar(select(UsageImport).where(*mine))
