"""Accounts for the operator's command line."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import payment_method as payment_methods
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.explanations import plain, what_happens_next
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import Membership, Role, User


@dataclass(frozen=True)
class AccountRow:
    id: int
    name: str
    owner: str
    """The owner's email address."""
    balance: str
    """An exact decimal string."""
    currency: str
    created_at: datetime


@dataclass(frozen=True)
class AccountCard(AccountRow):
    time_zone: str
    billing_emails: tuple[str, ...]
    methods: tuple[str, ...]
    """ "Visa •••• 4242: ready", in the customer's order."""
    what_next: str
    """The forecast of "What happens next" (T13)."""
    paused_at: datetime | None


def read_accounts(ctx: Context) -> list[AccountRow]:
    rows = ctx.session.execute(
        select(Account, User.email)
        .outerjoin(
            Membership, (Membership.account_id == Account.id) & (Membership.role == Role.OWNER)
        )
        .outerjoin(User, User.id == Membership.user_id)
        .order_by(Account.id)
    )
    return [_row(account, owner) for account, owner in rows]


def read_account(ctx: Context, account_id: int) -> AccountCard:
    """Raises `NotFound`."""
    account = ctx.session.get(Account, account_id)
    if account is None:
        raise NotFound(f"Account {account_id}")
    owner = ctx.session.scalar(
        select(User.email)
        .join(Membership)
        .where(Membership.account_id == account_id, Membership.role == Role.OWNER)
    )
    at = top_ups.gather(ctx, account)
    methods = payment_methods.listed(ctx.session, account_id)
    return AccountCard(
        **asdict(_row(account, owner)),
        time_zone=account.time_zone,
        billing_emails=tuple(account.billing_emails),
        methods=tuple(f"{m.label}: {m.standing(ctx.now).replace('_', ' ')}" for m in methods),
        what_next=plain(what_happens_next(at, account.show)),
        paused_at=LowBalanceSettings.of(ctx.session, account_id).paused_at,
    )


def _row(account: Account, owner: str | None) -> AccountRow:
    return AccountRow(
        id=account.id,
        name=account.name,
        owner=owner or "",
        balance=decimal_text(account.balance),
        currency=account.currency,
        created_at=account.created_at,
    )
