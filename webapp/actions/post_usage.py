"""Usage arrives: debit it once, and look at the thresholds in the same transaction (T4, L12)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.actions.look import look, notify_if_low
from webapp.domain import holds, ledger
from webapp.domain.accounts import Account
from webapp.domain.base import begin_writing
from webapp.domain.ledger import Entry, EntryKind
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
    receipt = _post(session, Account.locked(session, account_id), usages, now, policy)
    if Verdict.POSTED in receipt.verdicts:
        session.commit()
    else:
        session.rollback()
    return receipt


def post_usage_of_many(
    session: Session,
    usages: Mapping[int, Sequence[Usage]],
    now: datetime,
    policy: Policy,
) -> dict[int, UsageReceipt]:
    """The same for several accounts, by their ids, in one transaction: all of it or nothing."""
    begin_writing(session)
    receipts = {
        # Always in the same order, so that two of us cannot wait for each other.
        account_id: _post(
            session, Account.lock(session, account_id), usages[account_id], now, policy
        )
        for account_id in sorted(usages)
    }
    session.commit()
    return receipts


def _post(
    session: Session, account: Account, usages: Sequence[Usage], now: datetime, policy: Policy
) -> UsageReceipt:
    claimed = _amounts_by_reference(session, account.id, [usage.reference for usage in usages])
    verdicts, entries = [], []
    for usage in usages:
        verdict = _judge(usage, claimed)
        verdicts.append(verdict)
        if verdict is Verdict.POSTED:
            claimed[usage.reference] = -usage.amount
            entries.append(_entry(usage, now))
    ledger.append(session, account, entries)
    if entries and account.open_holds:
        posted = [usage.reference for usage in usages]
        holds.end_with_usage(session, account, posted, now)
    opened = bool(entries) and _look_if_low(session, account, now, policy)
    return UsageReceipt(account.balance, tuple(verdicts), opened)


def _judge(usage: Usage, claimed: dict[str, int]) -> Verdict:
    if usage.reference not in claimed:
        return Verdict.POSTED
    same = claimed[usage.reference] == -usage.amount
    return Verdict.DUPLICATE if same else Verdict.CONFLICT


def _entry(usage: Usage, now: datetime) -> Entry:
    return Entry(
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


# All references in one parameter: a statement with a thousand of them is built anew each time.
_POSTED = {
    "sqlite": text(
        "SELECT reference, amount FROM ledger_entry WHERE account_id = :account_id "
        "AND reference IN (SELECT value FROM json_each(:references))"
    ),
    "postgresql": text(
        "SELECT reference, amount FROM ledger_entry WHERE account_id = :account_id "
        "AND reference IN (SELECT json_array_elements_text(CAST(:references AS json)))"
    ),
}


def _amounts_by_reference(
    session: Session, account_id: int, references: Sequence[str]
) -> dict[str, int]:
    connection = session.connection()
    told = {"account_id": account_id, "references": json.dumps(references)}
    rows = connection.execute(_POSTED[connection.dialect.name], told)
    return {row.reference: row.amount for row in rows}
