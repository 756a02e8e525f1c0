"""What an adapter must not forget between two calls of its processor; see `ports.Notebook`."""

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.database.base import Base


class ProcessorNote(Base):
    """Written once, never changed."""

    __tablename__ = "processor_note"

    processor: Mapped[str] = mapped_column(String(20), primary_key=True)
    key: Mapped[str] = mapped_column(String(120), primary_key=True)
    text: Mapped[str] = mapped_column(Text)
