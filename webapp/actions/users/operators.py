"""Create and remove operators, the provider's staff users."""

from sqlalchemy.exc import IntegrityError

from webapp.actions.accounts.create_account import TAKEN
from webapp.database.transactions import begin_writing
from webapp.domain.events import recording as events
from webapp.domain.events.users import OperatorCreated, OperatorRemoved
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.errors import Invalid, NotFound
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users import operators, passwords
from webapp.domain.users.operators import Operator
from webapp.domain.users.sessions import end_sessions
from webapp.domain.users.user import User


def create_operator(ctx: Context, *, name: str, email: str, password: str) -> int:
    """Create a user for an operator and return its id. A customer's user cannot become one.

    Raises `Invalid` with an error for each invalid field.
    """
    begin_writing(ctx.session)
    email, name = email.strip().lower(), name.strip()
    faults = {}
    if fault := "Enter a name" if not name else texts.fault(name, NAME_LENGTH):
        faults["name"] = fault
    if not is_address(email):
        faults["email"] = "Enter an email address such as ana@example.com"
    elif User.by_email(ctx.session, email) is not None:
        faults["email"] = TAKEN
    if fault := passwords.fault(password, (email, name)):
        faults["password"] = fault
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    hashed = passwords.hash_password(password)
    user = User(email=email, name=name, password_hash=hashed, created_at=ctx.now)
    ctx.session.add(user)
    try:
        ctx.session.flush()
    except IntegrityError:  # a concurrent request took the address
        ctx.session.rollback()
        raise Invalid({"email": TAKEN}) from None
    ctx.session.add(Operator(user_id=user.id, created_at=ctx.now))
    events.record(ctx, None, OperatorCreated(user.id))
    user_id = user.id
    ctx.session.commit()
    return user_id


def remove_operator(ctx: Context, email: str) -> None:
    """Remove the operator and end all their sessions. Raises `NotFound`."""
    begin_writing(ctx.session)
    found = operators.by_email(ctx.session, email)
    if found is None:
        ctx.session.rollback()
        raise NotFound("That operator")
    end_sessions(ctx.session, found.user)
    events.record(ctx, None, OperatorRemoved(found.user_id))
    ctx.session.delete(found)
    ctx.session.commit()
