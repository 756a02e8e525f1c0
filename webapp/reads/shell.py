"""What every signed-in page shows around its content."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.users.user import Role, User


@dataclass(frozen=True)
class Choice:
    """An account that the person may work for."""

    id: int
    name: str
    is_current: bool


@dataclass(frozen=True)
class Shell:
    account_name: str
    accounts: tuple[Choice, ...]
    """By name; one alone leaves nothing to choose (P3)."""
    user_name: str
    user_initials: str
    user_email: str
    user_role: str
    """ "Owner"."""
    is_confirmed: bool
    """Their e-mail address is known to be theirs."""
    sandbox: bool
    test_mode: bool
    """A real processor is used with its test keys."""
    operator: bool = False
    """The operator's side."""
    seen: str = ""
    """The account that an operator sees as its customer does."""


def read_operators_shell(session: Session, user_id: int, account_id: int) -> Shell:
    """`account_id`: that they look into, if any."""
    user = session.get_one(User, user_id)
    account = session.get(Account, account_id)
    return Shell(
        account_name=account.name if account else "Operator’s side",
        accounts=(),
        user_name=user.name,
        user_initials=user.initials,
        user_email=user.email,
        user_role="Operator",
        is_confirmed=True,
        sandbox=False,
        test_mode=False,
        operator=account is None,
        seen=account.name if account else "",
    )


def read_shell(
    session: Session, account_id: int, user_id: int, *, sandbox: bool, test_mode: bool = False
) -> Shell:
    account = session.get_one(Account, account_id)
    user = session.get_one(User, user_id)
    return Shell(
        account_name=account.name,
        accounts=tuple(Choice(a.id, a.name, a is account) for a in user.accounts),
        user_name=user.name,
        user_initials=user.initials,
        user_email=user.email,
        user_role=in_words(user.roles_in(account_id)),
        is_confirmed=user.is_confirmed,
        sandbox=sandbox,
        test_mode=test_mode,
    )


def in_words(roles: set[Role]) -> str:
    """ "Commercial, Billing": in the order of their weight."""
    return ", ".join(role.value.capitalize() for role in Role if role in roles)
