"""Operators, the provider's staff. They belong to no account; only the CLI can create them."""

from datetime import datetime

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from webapp.database.base import Base
from webapp.domain.users.user import User


class Operator(Base):
    __tablename__ = "operator"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    created_at: Mapped[datetime]

    user: Mapped[User] = relationship()


def is_operator(session: Session, user_id: int) -> bool:
    return session.get(Operator, user_id) is not None


def by_email(session: Session, email: str) -> Operator | None:
    wanted = User.email == email.strip().lower()
    return session.scalar(select(Operator).join(User).where(wanted))
