"""Imports of usage files: their progress and the errors in their lines."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from webapp.database.base import Base
from webapp.domain.shared.errors import NotFound

LARGEST = 32 * 1024 * 1024
"""Maximum size of a file in bytes."""

NAME_LENGTH = 200

MOST_FAULTS = 5_000
"""Maximum number of rows of `UsageImport.faults`; further bad records are only counted."""

SILENT = timedelta(minutes=1)
"""An import without progress for this time was interrupted."""


class ImportState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    """The whole file cannot be read; nothing was posted."""


class UsageImport(Base):
    __tablename__ = "usage_import"
    __table_args__ = (
        # A form that is submitted twice is one import.
        Index("uq_usage_import_account_id_request_key", "account_id", "request_key", unique=True),
        Index("ix_usage_import_account_id_id", "account_id", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    request_key: Mapped[str] = mapped_column(String(64))
    file_name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes."""
    read: Mapped[int] = mapped_column(BigInteger, default=0)
    """Bytes read so far."""
    state: Mapped[ImportState] = mapped_column(String(10), default=ImportState.RUNNING)
    posted: Mapped[int] = mapped_column(default=0)
    duplicate: Mapped[int] = mapped_column(default=0)
    bad: Mapped[int] = mapped_column(default=0)
    faults: Mapped[list[list[object]]] = mapped_column(JSON, default=list)
    """Line or range of lines, reason, and number of records (missing in older rows)."""
    why: Mapped[str] = mapped_column(String(300), default="")
    """Why the whole file was refused."""
    started_at: Mapped[datetime]
    went_on_at: Mapped[datetime]
    """Time of the last progress."""

    def is_cut_off(self, now: datetime) -> bool:
        """Return whether the import was interrupted. Uploading the file again continues it."""
        return self.state == ImportState.RUNNING and abs(now - self.went_on_at) >= SILENT

    def bad_beyond(self, rows: int) -> int:
        """Return the number of bad records beyond the first `rows` of `faults`."""
        return self.bad - sum(int(str((*row, 1)[2])) for row in self.faults[:rows])

    def percent(self) -> int:
        return min(100, self.read * 100 // self.size) if self.size else 100


def find(session: Session, account_id: int, import_id: int) -> UsageImport:
    """Return the account's import. Raises `NotFound`."""
    found = session.get(UsageImport, import_id)
    if found is None or found.account_id != account_id:
        raise NotFound("The import")
    return found


def by_key(session: Session, account_id: int, key: str) -> UsageImport | None:
    mine = (UsageImport.account_id == account_id, UsageImport.request_key == key)
    return session.scalar(select(UsageImport).where(*mine))


def count_words(posted: int, duplicate: int, bad: int) -> str:
    """Return the counts of an import: "1,204 imported, 3 duplicates, 2 errors"."""
    duplicates = f"{duplicate:,} duplicate{'' if duplicate == 1 else 's'}"
    return f"{posted:,} imported, {duplicates}, {bad:,} error{'' if bad == 1 else 's'}"
