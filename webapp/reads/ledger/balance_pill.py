"""The balance in the header of every billing page."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.reads.ledger.balance_history import BalanceHistory, evenly, read_history

SPARK = timedelta(days=7)
SPARK_POINTS = 24


@dataclass(frozen=True)
class BalancePill:
    amount: str
    """ "$63.40"."""
    tone: str
    """ "normal", "low" (below the refill threshold) or "negative"."""
    word: str
    """The tone in words, for screen readers; empty when normal."""
    spark: tuple[int, ...]
    """Heights 0–100 over the last seven days, oldest first; empty without history."""
    revision: int
    """The account's revision when the balance was read."""
    account_id: int


def read_balance(ctx: Context, account_id: int) -> BalancePill:
    account = ctx.session.get_one(Account, account_id)
    start = ctx.now - SPARK
    history = read_history(ctx, account, start, evenly(start, ctx.now, SPARK_POINTS))
    return draw_balance(account, LowBalanceSettings.of(ctx.session, account_id), history, ctx.now)


def draw_balance(
    account: Account, settings: LowBalanceSettings, history: BalanceHistory, now: datetime
) -> BalancePill:
    """Build the pill; `history` must cover at least the last `SPARK`."""
    tone, word = "normal", ""
    if account.balance < 0:
        tone, word = "negative", "below zero"
    elif settings.is_below_refill(account.balance):
        tone, word = "low", "below the refill threshold"
    return BalancePill(
        amount=account.show(account.balance),
        tone=tone,
        word=word,
        spark=_spark(history, now),
        revision=account.revision,
        account_id=account.id,
    )


def _spark(history: BalanceHistory, now: datetime) -> tuple[int, ...]:
    if history.is_empty:
        return ()
    step = SPARK / SPARK_POINTS
    balances = history.at([now - step * (SPARK_POINTS - i) for i in range(SPARK_POINTS + 1)])
    low, high = min(balances), max(balances)
    if low == high:
        return ()
    return tuple(round(100 * (balance - low) / (high - low)) for balance in balances)
