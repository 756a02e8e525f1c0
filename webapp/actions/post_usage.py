"""Usage arrives: debit it once, and look at the thresholds in the same transaction (T4, L12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from webapp.actions.look import look, notify_if_low
from webapp.domain import ledger
from webapp.domain.accounts import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.low_balance import LowBalanceSettings
from webapp.domain.policy import Policy
from webapp.domain.usage import Usage, Verdict


@dataclass(frozen=True)
class UsageReceipt:
    balance: int
    """Micros, after the batch."""
    verdicts: tuple[Verdict, ...]
    """One for each record, in the order they came."""
    opened_top_up: bool


def post_usage(
    session: Session, account_id: int, usages: Sequence[Usage], now: datetime, policy: Policy
) -> UsageReceipt:
    """Debit each record by itself. Usage is never refused for lack of balance (L1)."""
    account = Account.locked(session, account_id)
    claimed = _amounts_by_reference(session, account_id, [usage.reference for usage in usages])
    verdicts, entries = [], []
    for usage in usages:
        verdict = _judge(usage, claimed)
        verdicts.append(verdict)
        if verdict is Verdict.POSTED:
            claimed[usage.reference] = -usage.amount
            entries.append(_entry(usage, now))
    if not entries:
        session.rollback()
        return UsageReceipt(account.balance, tuple(verdicts), opened_top_up=False)
    ledger.append(session, account, entries)
    opened = _look_if_low(session, account, now, policy)
    balance = account.balance
    session.commit()
    return UsageReceipt(balance, tuple(verdicts), opened)


def _judge(usage: Usage, claimed: dict[str, int]) -> Verdict:
    if usage.reference not in claimed:
        return Verdict.POSTED
    same = claimed[usage.reference] == -usage.amount
    return Verdict.DUPLICATE if same else Verdict.CONFLICT


def _entry(usage: Usage, now: datetime) -> LedgerEntry:
    return LedgerEntry(
        kind=EntryKind.USAGE,
        amount=-usage.amount,
        reference=usage.reference,
        description=usage.description,
        occurred_at=usage.occurred_at,
        posted_at=now,
    )


def _look_if_low(session: Session, account: Account, now: datetime, policy: Policy) -> bool:
    """A debit that leaves the balance at or above the threshold could not lead to a charge."""
    if not account.is_low:
        return False
    settings = LowBalanceSettings.of(session, account.id)
    if not settings.is_below_refill(account.balance):
        notify_if_low(session, account, now, policy)
        return False
    return look(session, account, "usage", now, policy) is not None


_POSTED = select(LedgerEntry.reference, LedgerEntry.amount).where(
    LedgerEntry.account_id == bindparam("account_id"),
    LedgerEntry.reference.in_(bindparam("references", expanding=True)),
)


def _amounts_by_reference(
    session: Session, account_id: int, references: Sequence[str]
) -> dict[str, int]:
    rows = session.execute(_POSTED, {"account_id": account_id, "references": references})
    return {reference: amount for reference, amount in rows if reference is not None}
