"""A person who is signed in proves again that it is they."""

from datetime import datetime

from sqlalchemy.orm import Session

from webapp.domain import audit, passwords, second_factor
from webapp.domain.audit import Actor
from webapp.domain.base import begin_writing
from webapp.domain.users import User


def prove(session: Session, user_id: int, proof: str, actor: Actor, now: datetime) -> bool:
    """Whether `proof` is their password, or a code of their second factor."""
    user = session.get_one(User, user_id)
    hashed, accounts = user.password_hash, [account.id for account in user.accounts]
    right = passwords.is_right(proof, hashed)
    begin_writing(session)
    right = right or bool(second_factor.accept(session, session.get_one(User, user_id), proof, now))
    if not right:
        audit.record_in_each(session, accounts, actor, "proof_refused", now)
    session.commit()
    return right
