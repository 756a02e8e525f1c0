"""Authorise calls or jobs: hold their expected cost, if the account can pay it (T12, V5)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from webapp.database.ledger_statements import taken_references
from webapp.database.transactions import begin_writing
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Refusal
from webapp.domain.usage import holds
from webapp.domain.usage.funds import Funds
from webapp.domain.usage.hold_request import HoldRequest
from webapp.domain.usage.holds import Hold


@dataclass(frozen=True)
class NewHold:
    account_id: int
    reference: str
    request: HoldRequest


@dataclass(frozen=True)
class Opened:
    hold: Hold
    """Of no session: the thread of another request may read it."""
    funds: Funds
    is_new: bool


def open_hold(ctx: Context, account_id: int, reference: str, request: HoldRequest) -> Opened:
    """Hold what is asked, or a part down to the minimum. Idempotent for the same request.

    Raises `PaymentRequired` if the available balance does not cover the minimum, `Denied` if the
    account is suspended or closed, `Invalid`, `NotFound`, or `Conflict` if the account has its
    maximum of open holds, or if the reference is in use.
    """
    request.require_valid()
    (opened,) = open_holds(ctx, [NewHold(account_id, reference, request)])
    if isinstance(opened, Refusal):
        raise opened
    return opened


def open_holds(ctx: Context, sent: Sequence[NewHold]) -> list[Opened | Refusal]:
    """Like `open_hold`, for valid requests of several accounts, in one transaction."""
    begin_writing(ctx.session)
    funds = Funds.lock(ctx, {it.account_id for it in sent})
    pairs = [(it.account_id, it.reference) for it in sent]
    of_holds, used = taken_references(ctx.session.connection(), pairs)
    known = holds.by_references(ctx.session, of_holds)
    results: list[Opened | Refusal] = []
    new: list[Hold] = []
    for it, pair in zip(sent, pairs, strict=True):
        try:
            hold = known.get(pair)
            if is_new := hold is None:
                if pair in used:
                    raise _is_used(it.reference)
                granted = funds[it.account_id].authorise(it.request)
                hold = known[pair] = Hold.granted(*pair, it.request, granted, ctx.now)
                funds[it.account_id] = funds[it.account_id].with_(granted)
                new.append(hold)
            else:
                _require_same(ctx, hold, it.request)
                if not hold.amount:  # its last extension was refused
                    raise funds[it.account_id].refusal()
            results.append(Opened(hold, funds[it.account_id], is_new))
        except Refusal as refusal:
            results.append(refusal)
    if new:
        holds.insert(ctx.session, new, Counter(hold.account_id for hold in new))
        ctx.session.commit()
    else:
        ctx.session.rollback()
    return results


def _is_used(reference: str) -> Conflict:
    return Conflict(f"The usage of {reference} has already been posted.", code="hold_closed")


def _require_same(ctx: Context, hold: Hold, request: HoldRequest) -> None:
    """Raise `Conflict` if the hold is over, or was opened by another request."""
    holds.require_open(hold, ctx.now)
    if (hold.asked, hold.rate) != (request.asked, request.rate):
        raise Conflict(f"The hold {hold.reference} has another amount. Use PATCH to change it.")
