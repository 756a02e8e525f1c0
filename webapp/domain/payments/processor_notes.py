"""Durable notes of processor adapters; see `ports.Notebook`."""

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database.base import Base


class ProcessorNote(Base):
    """A value under a key, written once and never changed."""

    __tablename__ = "processor_note"

    processor: Mapped[str] = mapped_column(String(20), primary_key=True)
    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
