"""Debit usage once and check the thresholds in the same transaction (T4, L12)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from webapp.actions.top_ups.check_balance import check_balance, notify_if_low
from webapp.database.ledger_statements import posted_references
from webapp.database.transactions import begin_writing
from webapp.domain import ledger
from webapp.domain.accounts.account import Account, AccountState, BalanceSnapshot
from webapp.domain.events import recording as events
from webapp.domain.events.usage import UsageAfterClosing, UsageTooLarge
from webapp.domain.ledger import Entry, EntryKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Refusal
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.usage import holds
from webapp.domain.usage.holds import HoldState
from webapp.domain.usage.record import Usage, Verdict
from webapp.domain.webhooks import payloads

log = logging.getLogger(__name__)

REJECTED = frozenset({Verdict.INVALID, Verdict.TOO_LARGE})
"""Verdicts that leave a line on the timeline."""
NOTED = REJECTED | {Verdict.ENDED}
WRITTEN = NOTED | {Verdict.POSTED}
"""Verdicts that change the database."""


@dataclass(frozen=True)
class UsageReceipt:
    balance: int
    """Micros, after the batch; 0 with a `refusal`."""
    verdicts: tuple[Verdict, ...]
    """One per record, in the order of the request."""
    opened_top_up: bool
    refusal: str = ""
    """Why the account cannot take any of its records; usually empty."""
    usage_max: int = 0
    """Micros: the largest record in the account's currency (L14)."""


def post_usage(ctx: Context, account_id: int, usages: Sequence[Usage]) -> UsageReceipt:
    """Debit each record separately. Usage is never refused for lack of balance (L1).

    A record above USAGE_MAX is refused, whether it comes by API or import (L14), and so is usage of
    a closed account (V4).
    """
    return post_usage_of_many(ctx, {account_id: usages})[account_id]


def post_usage_of_many(
    ctx: Context, usages: Mapping[int, Sequence[Usage]]
) -> dict[int, UsageReceipt]:
    """Like `post_usage`, for several accounts by id, in one transaction (V2).

    Raises `Refusal`, and posts nothing, if one account cannot take its usage.
    """
    begin_writing(ctx.session)
    receipts = post_within(ctx, usages)
    if any(not WRITTEN.isdisjoint(receipt.verdicts) for receipt in receipts.values()):
        ctx.session.commit()
    else:
        ctx.session.rollback()
    return receipts


def post_usage_of_each(
    ctx: Context, usages: Mapping[int, Sequence[Usage]]
) -> dict[int, UsageReceipt]:
    """Like `post_usage_of_many`, but an account that cannot take its usage stops no other (L12).

    Its receipt has the reason.
    """
    try:
        return post_usage_of_many(ctx, usages)
    except Refusal:
        ctx.session.rollback()
    return {
        account_id: _post_or_refuse(ctx, account_id, usages[account_id]) for account_id in usages
    }


def _post_or_refuse(ctx: Context, account_id: int, usages: Sequence[Usage]) -> UsageReceipt:
    try:
        return post_usage(ctx, account_id, usages)
    except Refusal as refusal:
        ctx.session.rollback()
        verdicts = (Verdict.INVALID,) * len(usages)
        return UsageReceipt(0, verdicts, False, refusal.sentence)


def post_within(ctx: Context, usages: Mapping[int, Sequence[Usage]]) -> dict[int, UsageReceipt]:
    """Like `post_usage_of_many`, in the caller's write transaction."""
    accounts = BalanceSnapshot.lock(ctx.session, usages)
    claimed = _claimed(ctx, usages)
    final = _holds_to_end(ctx, usages)
    most = {it.id: ctx.policy.bounds(it.currency).usage_max for it in accounts.values()}
    judged = {
        account_id: _judge(
            accounts[account_id], records, claimed[account_id], final, most[account_id]
        )
        for account_id, records in usages.items()
    }
    additions = (
        (account_id, accounts[account_id].balance, entries)
        for account_id, (_, entries) in judged.items()
    )
    balances = ledger.append_to_many(ctx, additions)
    receipts = {}
    for (account_id, (verdicts, entries)), balance in zip(judged.items(), balances, strict=True):
        quiet = not entries or accounts[account_id].is_quiet_at(balance)
        opened = not quiet and _after_debit(ctx, account_id, entries)
        if not NOTED.isdisjoint(verdicts):
            _note(ctx, account_id, usages[account_id], verdicts)
        receipts[account_id] = UsageReceipt(
            balance, tuple(verdicts), opened, usage_max=most[account_id]
        )
    return receipts


def _judge(
    account: BalanceSnapshot,
    usages: Sequence[Usage],
    claimed: dict[str, int],
    final: dict[tuple[int, str], HoldState],
    usage_max: int,
) -> tuple[list[Verdict], list[Entry]]:
    """Return a verdict per record, and the ledger entries to post.

    If a reference occurs more than once, its first record counts.

    `claimed`: micros posted by reference; new references are added to it. `final`: the holds that
    final usage of zero may end; those that it ends are changed in it. `usage_max`: micros.
    """
    verdicts, entries = [], []
    for usage in usages:
        amount, reference = -usage.amount, usage.reference
        known = claimed.get(reference)
        if known is not None:
            verdicts.append(Verdict.DUPLICATE if known == amount else Verdict.CONFLICT)
        elif not amount:
            verdicts.append(_ended(final, (account.id, reference)))
        elif usage.amount > usage_max:
            verdicts.append(Verdict.TOO_LARGE)
        elif account.state == AccountState.CLOSED:
            verdicts.append(Verdict.INVALID)
        else:
            claimed[reference] = amount
            verdicts.append(Verdict.POSTED)
            entries.append(
                Entry(EntryKind.USAGE, amount, usage.occurred_at, usage.description, reference)
            )
    return verdicts, entries


def _ended(final: dict[tuple[int, str], HoldState], hold: tuple[int, str]) -> Verdict:
    """Return the verdict on final usage of zero (V6)."""
    state = final.get(hold)
    if state in (HoldState.OPEN, HoldState.EXPIRED):
        final[hold] = HoldState.ENDED
        return Verdict.ENDED
    return Verdict.DUPLICATE if state is HoldState.ENDED else Verdict.INVALID


def _holds_to_end(
    ctx: Context, usages: Mapping[int, Sequence[Usage]]
) -> dict[tuple[int, str], HoldState]:
    """Return the holds that are named by usage of zero."""
    zero = [
        (account_id, usage.reference)
        for account_id, records in usages.items()
        for usage in records
        if not usage.amount
    ]
    return holds.standings(ctx.session, zero) if zero else {}


def _note(
    ctx: Context, account_id: int, usages: Sequence[Usage], verdicts: Sequence[Verdict]
) -> None:
    """End holds without usage, and tell of rejected records."""
    if Verdict.ENDED in verdicts:
        ended = [
            it.reference for it, its in zip(usages, verdicts, strict=True) if its is Verdict.ENDED
        ]
        holds.end_unused(ctx, Account.lock(ctx.session, account_id), ended)
    _record_rejected(ctx, account_id, usages, verdicts)


def _record_rejected(
    ctx: Context, account_id: int, usages: Sequence[Usage], verdicts: Sequence[Verdict]
) -> None:
    """L14, V4: one line on the account's timeline and in the log for all rejected records."""
    account = ctx.session.get_one(Account, account_id)
    for verdict in sorted(REJECTED.intersection(verdicts)):
        records = zip(usages, verdicts, strict=True)
        rejected = [it for it, its in records if its is verdict and it.amount]
        if not rejected:
            continue
        largest = max(rejected, key=lambda it: it.amount)
        facts = (len(rejected), largest.amount, largest.reference)
        event: UsageTooLarge | UsageAfterClosing = (
            UsageTooLarge(*facts, ctx.policy.bounds(account.currency).usage_max)
            if verdict is Verdict.TOO_LARGE
            else UsageAfterClosing(*facts)
        )
        events.record(ctx, account_id, event)
        log.warning("account %s: %s", account_id, event.line(account))


def _after_debit(ctx: Context, account_id: int, posted: Sequence[Entry]) -> bool:
    """End holds, send events and check the balance. Returns whether a top-up was opened."""
    account = Account.lock(ctx.session, account_id)
    references = [entry.reference for entry in posted if entry.reference]
    holds.end_with_usage(ctx, account, references)
    payloads.balance(ctx, account)
    return _check_if_low(ctx, account)


def _check_if_low(ctx: Context, account: Account) -> bool:
    """Check the balance only below a threshold; returns whether a top-up was opened.

    A debit that leaves the balance at or above the refill threshold cannot lead to a charge.
    """
    if not account.is_low:
        return False
    settings = LowBalanceSettings.of(ctx.session, account.id)
    if not settings.is_below_refill(account.balance):
        notify_if_low(ctx, account)
        return False
    return check_balance(ctx, account, "usage") is not None


def _claimed(ctx: Context, usages: Mapping[int, Sequence[Usage]]) -> dict[int, dict[str, int]]:
    """Micros that the ledger holds under the given references, by account and reference."""
    sent = [
        (account_id, usage.reference) for account_id, records in usages.items() for usage in records
    ]
    claimed: dict[int, dict[str, int]] = {account_id: {} for account_id in usages}
    for account_id, reference, amount in posted_references(ctx.session.connection(), sent):
        claimed[account_id][reference] = amount
    return claimed
