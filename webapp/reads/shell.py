"""What every signed-in page shows around its content."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.low_balance import LowBalanceSettings
from webapp.domain.users import Right, Role, User

SPARK = timedelta(days=7)
SPARK_POINTS = 24


@dataclass(frozen=True)
class BalancePill:
    amount: str
    """ "$63.40"."""
    tone: str
    """ "normal", "low" (below the refill threshold) or "negative"."""
    word: str
    """The tone in words, for those who do not see it; empty when normal."""
    spark: tuple[int, ...]
    """Heights 0–100 over the last seven days, oldest first; empty without history."""
    revision: int
    """The account's, at the moment of reading."""


@dataclass(frozen=True)
class Shell:
    account_name: str
    user_name: str
    user_initials: str
    user_email: str
    user_role: str
    """ "Owner"."""
    balance: BalancePill | None
    """None for people without the right to see billing."""
    sandbox: bool


def read_shell(
    session: Session, account_id: int, user_id: int, now: datetime, *, sandbox: bool
) -> Shell:
    account = session.get_one(Account, account_id)
    user = session.get_one(User, user_id)
    roles = user.roles_in(account_id)
    return Shell(
        account_name=account.name,
        user_name=user.name,
        user_initials=user.initials,
        user_email=user.email,
        user_role=", ".join(role.value.capitalize() for role in Role if role in roles),
        balance=(
            read_balance(session, account, now) if user.may(Right.BILLING, account_id) else None
        ),
        sandbox=sandbox,
    )


def read_balance(session: Session, account: Account, now: datetime) -> BalancePill:
    settings = LowBalanceSettings.of(session, account.id)
    tone, word = "normal", ""
    if account.balance < 0:
        tone, word = "negative", "below zero"
    elif settings.is_below_refill(account.balance):
        tone, word = "low", "below the refill threshold"
    return BalancePill(
        amount=account.show(account.balance),
        tone=tone,
        word=word,
        spark=_spark(session, account, now),
        revision=account.revision,
    )


def _spark(session: Session, account: Account, now: datetime) -> tuple[int, ...]:
    step = SPARK / SPARK_POINTS
    balances = balances_at(
        session, account.id, [now - step * (SPARK_POINTS - i) for i in range(SPARK_POINTS + 1)]
    )
    if not balances:
        return ()
    low, high = min(balances), max(balances)
    if low == high:
        return ()
    return tuple(round(100 * (balance - low) / (high - low)) for balance in balances)


def balances_at(session: Session, account_id: int, instants: list[datetime]) -> list[int]:
    """The balance at each instant (ascending), in micros; empty if there is no entry by then."""
    opening = session.scalar(
        select(LedgerEntry.balance_after)
        .where(LedgerEntry.account_id == account_id, LedgerEntry.posted_at < instants[0])
        .order_by(LedgerEntry.posted_at.desc(), LedgerEntry.id.desc())
        .limit(1)
    )
    rows = session.execute(
        select(LedgerEntry.posted_at, LedgerEntry.balance_after)
        .where(LedgerEntry.account_id == account_id, LedgerEntry.posted_at >= instants[0])
        .order_by(LedgerEntry.posted_at, LedgerEntry.id)
    ).all()
    if opening is None and not rows:
        return []
    balances, balance, position = [], opening or 0, 0
    for instant in instants:
        while position < len(rows) and rows[position][0] <= instant:
            balance = rows[position][1]
            position += 1
        balances.append(balance)
    return balances
