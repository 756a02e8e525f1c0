"""Give posted usage back, wholly or in part (L16)."""

from dataclasses import dataclass

from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.usage import UsageReversed
from webapp.domain.ledger import Entry, EntryKind
from webapp.domain.shared import texts
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, NotFound
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.usage import reversals
from webapp.domain.usage.reversals import UsageReversal
from webapp.domain.webhooks import payloads


@dataclass(frozen=True)
class Reversed:
    reversal: UsageReversal
    is_new: bool


def reverse_usage(
    ctx: Context,
    account_id: int,
    usage_reference: str,
    reference: str,
    amount: int | None,
    reason: str,
) -> Reversed:
    """Credit `amount` micros of the usage, or all that is left of it, once per `reference`.

    Raises `NotFound`, `Invalid`, `Denied` if the account is closed, or `Conflict` if the reference
    belongs to another reversal, or if less than the amount is left.
    """
    reason = texts.reason(reason)
    account = Account.locked(ctx.session, account_id)
    known = reversals.by_reference(ctx.session, account_id, reference)
    if known is not None:
        ctx.session.rollback()
        if known.usage_reference != usage_reference or amount not in (None, known.amount):
            raise Conflict(f"The reversal {reference} was made of other usage or another amount.")
        return Reversed(known, is_new=False)
    account.require_not_closed()
    reversal = _take(ctx, account_id, usage_reference, amount)
    reversal.reference, reversal.reason = reference, reason
    ctx.session.add(reversal)
    ctx.session.flush()
    entry = Entry(
        EntryKind.USAGE_REVERSAL,
        reversal.amount,
        ctx.now,
        reversal.description,
        usage_reversal_id=reversal.id,
    )
    ledger.append(ctx, account, [entry])
    top_ups.end_links(ctx, account)
    events.record(ctx, account_id, UsageReversed.about(account, reversal))
    payloads.balance(ctx, account)
    check_balance(ctx, account, "usage reversed", routine=True)
    ctx.session.commit()
    return Reversed(reversal, is_new=True)


def _take(ctx: Context, account_id: int, usage_reference: str, amount: int | None) -> UsageReversal:
    """Return a reversal of what is left of the usage, without reference and reason."""
    usage = ledger.find_usage(ctx.session, account_id, usage_reference)
    if usage is None:
        raise NotFound("The usage")
    left = -usage.amount - reversals.reversed_of(ctx.session, account_id, usage_reference)
    if not left:
        sentence = f"The usage {usage_reference} has been reversed completely."
        raise Conflict(sentence, code="already_reversed")
    if amount is not None and amount > left:
        sentence = f"Only {decimal_text(left)} of the usage {usage_reference} is left to reverse."
        raise Conflict(sentence, code="exceeds_usage")
    return UsageReversal(
        account_id=account_id,
        usage_reference=usage_reference,
        usage_posted_at=usage.posted_at,
        amount=left if amount is None else amount,
        reversed_at=ctx.now,
    )
