"""What every signed-in page shows around its content."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.domain.accounts import Account
from webapp.domain.users import Right, Role, User


@dataclass(frozen=True)
class Shell:
    account_name: str
    user_name: str
    user_initials: str
    user_email: str
    user_role: str
    """ "Owner"."""
    rights: frozenset[Right]
    """What the menu may show."""
    sandbox: bool


def read_shell(session: Session, account_id: int, user_id: int, *, sandbox: bool) -> Shell:
    account = session.get_one(Account, account_id)
    user = session.get_one(User, user_id)
    roles = user.roles_in(account_id)
    return Shell(
        account_name=account.name,
        user_name=user.name,
        user_initials=user.initials,
        user_email=user.email,
        user_role=", ".join(role.value.capitalize() for role in Role if role in roles),
        rights=frozenset(right for right in Right if user.may(right, account_id)),
        sandbox=sandbox,
    )
