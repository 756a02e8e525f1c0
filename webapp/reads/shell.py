"""The frame of every signed-in page: account, user and environment."""

from dataclasses import dataclass

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.users.user import Role, User


@dataclass(frozen=True)
class AccountChoice:
    """An account that the user belongs to."""

    id: int
    name: str
    is_current: bool


@dataclass(frozen=True)
class Shell:
    account_name: str
    accounts: tuple[AccountChoice, ...]
    """The user's accounts, by name (P3)."""
    user_name: str
    user_initials: str
    user_email: str
    user_role: str
    """ "Owner"."""
    is_confirmed: bool
    """The user has confirmed their email address."""
    sandbox: bool
    """The menu leads to the sandbox's page."""
    test_mode: bool
    """A real processor is used with test keys."""
    operator: bool = False
    """The page is one of the operator pages."""
    is_closed: bool = False
    """The account is closed: nothing can be changed (V4)."""
    portal_url: str = ""
    """The way back of a portal session (V8)."""
    provider: str = ""
    """Whose portal that is."""
    seen: str = ""
    """The account that an operator is viewing as its customer."""


def read_operators_shell(ctx: Context, user_id: int, account_id: int, *, sandbox: bool) -> Shell:
    """Read an operator's frame; `account_id`: the account viewed as its customer, if any."""
    user = ctx.session.get_one(User, user_id)
    account = ctx.session.get(Account, account_id)
    return Shell(
        account_name=account.name if account else "Operator",
        accounts=(),
        user_name=user.name,
        user_initials=user.initials,
        user_email=user.email,
        user_role="Operator",
        is_confirmed=True,
        sandbox=sandbox and account is None,
        test_mode=False,
        operator=account is None,
        seen=account.name if account else "",
    )


def read_shell(
    ctx: Context, account_id: int, user_id: int, *, sandbox: bool, test_mode: bool = False
) -> Shell:
    account = ctx.session.get_one(Account, account_id)
    user = ctx.session.get_one(User, user_id)
    return Shell(
        account_name=account.name,
        accounts=tuple(AccountChoice(a.id, a.name, a is account) for a in user.accounts),
        user_name=user.name,
        user_initials=user.initials,
        user_email=user.email,
        user_role=in_words(user.roles_in(account_id)),
        is_confirmed=user.is_confirmed,
        sandbox=sandbox,
        test_mode=test_mode,
        is_closed=account.is_closed,
    )


def in_words(roles: set[Role]) -> str:
    """Return role names in the order of `Role`: "Admin, Technical"."""
    return ", ".join(role.value.capitalize() for role in Role if role in roles)
