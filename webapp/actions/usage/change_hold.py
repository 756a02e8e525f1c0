"""Debit what a call has used so far, and authorise its next part, in one transaction (V6)."""

from dataclasses import dataclass

from webapp.actions.usage.post_usage import post_within
from webapp.domain import ledger
from webapp.domain.accounts.account import Account
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Denied, Invalid, Refusal
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage import holds
from webapp.domain.usage.funds import Funds
from webapp.domain.usage.hold_request import HoldChange, HoldRequest
from webapp.domain.usage.holds import Hold, HoldReport, HoldState
from webapp.domain.usage.record import REFERENCE_LENGTH, Usage, Verdict, refusal

OTHER_REPORT = "This Idempotency-Key was used with another report. Nothing was done."


@dataclass(frozen=True)
class Changed:
    hold: Hold
    opened_top_up: bool
    refusal: Refusal | None = None
    """Why nothing more is granted, although what was used is debited: the call is to end."""


def change_hold(
    ctx: Context, account_id: int, reference: str, change: HoldChange, report_key: str = ""
) -> Changed:
    """Debit what was used and hold the next part. An expired hold is open again.

    What was used is debited also if nothing more is granted, or the hold was released: the result
    then has a refusal. `report_key` identifies the report: sent again, it changes nothing.

    If nothing was to be debited, raises the refusal: `PaymentRequired`, `Denied` or `Conflict`.
    Raises `NotFound`, `Invalid`, or `Conflict` if the hold has ended. Each refusal but `NotFound`
    states what reports have debited, so that a switch knows what is left to post.
    """
    account = Account.locked(ctx.session, account_id)
    hold = holds.find(ctx.session, account_id, reference)
    try:
        changed = _change(ctx, account, hold, change, report_key)
    except Refusal as refused:
        refused.facts = _with_used(refused, hold)
        raise
    if changed.refusal is not None:
        changed.refusal.facts = _with_used(changed.refusal, hold)
    return changed


def _with_used(refusal: Refusal, hold: Hold) -> dict[str, object]:
    return {**refusal.facts, "used": decimal_text(hold.used)}


def _change(
    ctx: Context, account: Account, hold: Hold, change: HoldChange, report_key: str
) -> Changed:
    _require_running(ctx, hold)
    if report := holds.report_of(ctx.session, hold, report_key):
        is_same = change.used in (None, report.amount)
        ctx.session.rollback()
        if not is_same:
            raise Conflict(OTHER_REPORT, code="idempotency_key_reused")
        refusal = None if hold.amount else Funds.of(ctx, account.id).refusal()
        return Changed(hold, opened_top_up=False, refusal=refusal)
    request = hold.next_request(change)
    request.require_valid()
    used = change.unreported(hold.used)
    opened = bool(used) and _debit(ctx, hold, used, report_key)
    # A debit can have moved the balance further than by itself: a credit, or the end of a hold.
    account = Account.lock(ctx.session, account.id)
    refusal = None
    try:
        _renew(ctx, account, hold, request)
    except Refusal as refused:
        if not used:
            ctx.session.rollback()
            raise
        hold.amount, refusal = 0, refused
    ctx.session.commit()
    return Changed(hold, opened, refusal)


def _renew(ctx: Context, account: Account, hold: Hold, request: HoldRequest) -> None:
    """Hold the next part instead of the last one. An expired hold is open again.

    Raises a `Refusal` and leaves the hold as it is.
    """
    if hold.state == HoldState.RELEASED:
        holds.require_open(hold, ctx.now)
    granted = Funds.of(ctx, account.id).without(hold, ctx.now).authorise(request)
    if hold.state == HoldState.EXPIRED:
        hold.state, hold.ended_at = HoldState.OPEN, None
        account.open_holds += 1
    hold.grant(request, granted, ctx.now)


def _require_running(ctx: Context, hold: Hold) -> None:
    """Raise `Conflict` if the hold has ended, or its usage is posted."""
    if hold.state == HoldState.ENDED:
        holds.require_open(hold, ctx.now)
    if ledger.has_reference(ctx.session, hold.account_id, hold.reference):
        raise Conflict(f"The usage of {hold.reference} has been posted.", code="hold_closed")


def _next_part(ctx: Context, hold: Hold) -> tuple[int, str]:
    """Return number and reference of the next part: one that no other usage or hold has."""
    number = hold.reports + 1
    while True:
        part = f"{hold.reference}{holds.PART}{number}"
        is_taken = holds.by_reference(ctx.session, hold.account_id, part) is not None
        if not is_taken and not ledger.has_reference(ctx.session, hold.account_id, part):
            return number, part
        number += 1


def _debit(ctx: Context, hold: Hold, used: int, report_key: str) -> bool:
    """Post the part's usage under a reference of its own. Returns whether a top-up was opened."""
    number, part = _next_part(ctx, hold)
    if len(part) > REFERENCE_LENGTH:
        raise Invalid({"used": f"Needs a reference of at most {holds.LONGEST_REPORTED} characters"})
    usage = Usage(used, part, ctx.now, f"{hold.reference}, part {number}"[:500])
    receipt = post_within(ctx, {hold.account_id: [usage]})[hold.account_id]
    (verdict,) = receipt.verdicts
    if verdict is Verdict.TOO_LARGE:
        ctx.session.commit()  # keeps the event that notifies the provider (L14)
        raise Invalid({"used": refusal(verdict, usage, receipt.usage_max)["amount"]})
    if verdict is Verdict.INVALID:
        ctx.session.commit()  # keeps the event that notifies the provider (V7)
        raise Denied("The account is closed.", code="account_closed")
    if verdict is not Verdict.POSTED:
        raise Conflict(f"Usage with the reference {part} has been posted.")
    hold.reports, hold.used = number, hold.used + used
    if report_key:
        ctx.session.add(HoldReport(hold_id=hold.id, report_key=report_key, amount=used))
    return receipt.opened_top_up
