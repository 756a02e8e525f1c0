"""Key-value notes of a processor adapter, stored in the database for all processes and hosts.

Each note is written in a separate transaction. The caller has no transaction open, because none
may be open during a call to a processor (L3).
"""

from collections.abc import Callable

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.database.transactions import begin_writing
from webapp.domain.payments.processor_notes import ProcessorNote
from webapp.ports import CannotKeep


class DatabaseNotebook:
    """Implements `ports.Notebook`."""

    def __init__(self, processor: str, engine: Callable[[], Engine]) -> None:
        """`engine` is called at each use, because adapters are created before the engine."""
        self._processor = processor
        self._engine = engine

    def kept(self, key: str) -> str | None:
        try:
            with Session(self._engine()) as session:
                return self._read(session, key)
        except SQLAlchemyError as error:
            raise CannotKeep(type(error).__name__) from error

    def keep(self, key: str, text: str) -> str:
        note = {"processor": self._processor, "key": key, "text": text}
        try:
            with Session(self._engine()) as session:
                begin_writing(session)
                try:
                    session.execute(insert(ProcessorNote).values(note))
                    session.commit()
                except IntegrityError:  # another process has stored the key first
                    session.rollback()
                    return self._read(session, key) or text
        except SQLAlchemyError as error:
            raise CannotKeep(type(error).__name__) from error
        return text

    def _read(self, session: Session, key: str) -> str | None:
        return session.scalar(
            select(ProcessorNote.text).where(
                ProcessorNote.processor == self._processor, ProcessorNote.key == key
            )
        )
