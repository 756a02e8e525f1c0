"""Create and remove operators, the provider's staff users."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.actions.accounts.create_account import TAKEN
from webapp.database.transactions import begin_writing
from webapp.domain.accounts import audit
from webapp.domain.accounts.audit import Actor
from webapp.domain.shared import texts
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid, NotFound
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users import operators, passwords
from webapp.domain.users.operators import Operator
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User


def create_operator(
    session: Session, *, name: str, email: str, password: str, actor: Actor, now: datetime
) -> int:
    """Create a user for an operator and return its id. A customer's user cannot become one.

    Raises `Invalid` with an error for each invalid field.
    """
    begin_writing(session)
    email, name = email.strip().lower(), name.strip()
    faults = {}
    if fault := "Enter a name" if not name else texts.fault(name, NAME_LENGTH):
        faults["name"] = fault
    if not is_address(email):
        faults["email"] = "Enter an email address such as ana@example.com"
    elif User.by_email(session, email) is not None:
        faults["email"] = TAKEN
    if fault := passwords.fault(password, (email, name)):
        faults["password"] = fault
    if faults:
        session.rollback()
        raise Invalid(faults)
    hashed = passwords.hash_password(password)
    user = User(email=email, name=name, password_hash=hashed, created_at=now)
    session.add(user)
    try:
        session.flush()
    except IntegrityError:  # a concurrent request took the address
        session.rollback()
        raise Invalid({"email": TAKEN}) from None
    session.add(Operator(user_id=user.id, created_at=now))
    audit.record(session, None, actor, "operator_created", now, operator=user.id)
    user_id = user.id
    session.commit()
    return user_id


def remove_operator(session: Session, email: str, actor: Actor, now: datetime) -> None:
    """Remove the operator and end all their sessions. Raises `NotFound`."""
    begin_writing(session)
    found = operators.by_email(session, email)
    if found is None:
        session.rollback()
        raise NotFound("That operator")
    end_sessions(session, found.user)
    audit.record(session, None, actor, "operator_removed", now, operator=found.user_id)
    session.delete(found)
    session.commit()
