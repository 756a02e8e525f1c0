"""An adapter's notebook in the database, so that every process and every host reads the same.

A note is a transaction of its own. None is open beside it: whoever calls a processor has ended
theirs (L3).
"""

from collections.abc import Callable

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from webapp.database.base import begin_writing
from webapp.domain.payments.processor_notes import ProcessorNote
from webapp.ports import CannotKeep


class DatabaseNotebook:
    """Implements `ports.Notebook`."""

    def __init__(self, processor: str, engine: Callable[[], Engine]) -> None:
        """`engine` is asked for at each use: an adapter is made before there is one."""
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
                except IntegrityError:  # another was first
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
