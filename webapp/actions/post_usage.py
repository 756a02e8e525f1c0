"""Usage arrives: debit it once, and look at the thresholds in the same transaction (T4, L12)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.actions.look import look, notify_if_low
from webapp.domain import holds, ledger, news
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
    account = Account.locked(session, account_id)
    receipt = _post(session, {account_id: account}, {account_id: usages}, now, policy)[account_id]
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
    receipts = _post(session, Account.lock_many(session, usages), usages, now, policy)
    session.commit()
    return receipts


def _post(
    session: Session,
    accounts: Mapping[int, Account],
    usages: Mapping[int, Sequence[Usage]],
    now: datetime,
    policy: Policy,
) -> dict[int, UsageReceipt]:
    claimed = _claimed(session, usages)
    verdicts = {
        account_id: tuple(_claim(usage, claimed[account_id]) for usage in sent)
        for account_id, sent in usages.items()
    }
    entries = {
        account_id: [
            _entry(usage, now)
            for usage, verdict in zip(sent, verdicts[account_id], strict=True)
            if verdict is Verdict.POSTED
        ]
        for account_id, sent in usages.items()
    }
    ledger.append_to_many(session, ((accounts[it], mine) for it, mine in entries.items()))
    receipts = {}
    for account_id, account in accounts.items():
        if entries[account_id] and account.open_holds:
            posted = [usage.reference for usage in usages[account_id]]
            holds.end_with_usage(session, account, posted, now)
        if entries[account_id]:
            news.balance(session, account, now)
        opened = bool(entries[account_id]) and _look_if_low(session, account, now, policy)
        receipts[account_id] = UsageReceipt(account.balance, verdicts[account_id], opened)
    return receipts


def _claim(usage: Usage, claimed: dict[str, int]) -> Verdict:
    """Judge a record, and let it have its reference if nobody had it before."""
    if usage.reference not in claimed:
        claimed[usage.reference] = -usage.amount
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
        "SELECT account_id, reference, amount FROM json_each(:sent) AS sent "
        "CROSS JOIN ledger_entry ON account_id = json_extract(sent.value, '$[0]') "
        "AND reference = json_extract(sent.value, '$[1]')"
    ),
    "postgresql": text(
        "SELECT account_id, reference, amount FROM json_array_elements(CAST(:sent AS json)) "
        "AS sent (value) JOIN ledger_entry ON account_id = CAST(sent.value ->> 0 AS integer) "
        "AND reference = sent.value ->> 1"
    ),
}


def _claimed(session: Session, usages: Mapping[int, Sequence[Usage]]) -> dict[int, dict[str, int]]:
    """What the ledger holds under the references that were sent: micros, by account."""
    connection = session.connection()
    sent = [(account_id, usage.reference) for account_id, mine in usages.items() for usage in mine]
    rows = connection.execute(_POSTED[connection.dialect.name], {"sent": json.dumps(sent)})
    claimed: dict[int, dict[str, int]] = {account_id: {} for account_id in usages}
    for account_id, reference, amount in rows:
        claimed[account_id][reference] = amount
    return claimed
