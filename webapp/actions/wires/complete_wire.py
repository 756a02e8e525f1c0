"""Complete a wire request: credit the money that the operator has found at the bank (L5, L11)."""

from decimal import Decimal

from webapp.actions.top_ups.check_balance import check_balance
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.wires import WireCompleted
from webapp.domain.ledger import EntryKind
from webapp.domain.payments import adjustments, receipts
from webapp.domain.payments.payment import KIND_NAMES, Payment, PaymentKind
from webapp.domain.shared import money
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, NotFound
from webapp.domain.webhooks import payloads
from webapp.domain.wires import wire as wires
from webapp.domain.wires.wire import WireRequest, WireState


def complete_wire(
    ctx: Context,
    wire_id: int,
    amount: int,
    *,
    received: int | None = None,
    rate: Decimal | None = None,
    reason: str = "",
) -> bool:
    """Credit `amount` micros of the account's currency.

    For a wire in another currency, `received` is the received amount in that currency, and `rate`
    the price of one unit of it in the account's currency.

    Returns:
        False if the request was completed with the same amounts before.

    Raises `NotFound`, `Invalid`, or `Conflict` if the request has ended otherwise.
    """
    wire = ctx.session.get(WireRequest, wire_id)
    if wire is None:
        raise NotFound(f"Wire transfer {wire_id}")
    account = Account.locked(ctx.session, wire.account_id)
    wire = wires.find(ctx.session, account.id, wire_id)
    faults = wires.completion_faults(
        wire.currency,
        account.currency,
        amount,
        received,
        rate,
        lambda micros, unit: money.show(micros, unit, account.locale),
    )
    if faults:
        ctx.session.rollback()
        raise Invalid(faults)
    arrived = amount if received is None else received
    if wire.is_completed_with(amount, arrived, rate):
        ctx.session.rollback()
        return False
    _require_open(ctx, account, wire)
    payment = _book(ctx, account, wire, amount, arrived, rate)
    if not wire.complete(ctx.session, payment, arrived, rate, ctx.now):
        ctx.session.rollback()
        raise Conflict(
            f"{wire.reference} has just been completed, rejected or cancelled by someone else."
        )
    receipts.issue(ctx, account, payment, "Wire transfer", ctx.policy.provider)
    event = WireCompleted.about(
        account,
        payment,
        wire=wire.reference,
        received=arrived,
        wire_currency=wire.currency,
        rate=wire.rate,
        conversion=wires.rate_in_words(wire, account.currency),
        wire_id=wire.id,
        attempt_id=payment.attempts[0].id,
        reason=reason,
    )
    events.record(ctx, account.id, event)
    payloads.balance(ctx, account)
    check_balance(ctx, account, "wire completed", routine=True)
    ctx.session.commit()
    return True


def _require_open(ctx: Context, account: Account, wire: WireRequest) -> None:
    if wire.state == WireState.COMPLETED and wire.payment is not None:
        credited = account.show(wire.payment.amount)
        reference = wire.reference
        ctx.session.rollback()
        raise Conflict(
            f"{reference} has already been completed with {credited}. Nothing more was credited.",
            code="wire_completed",
        )
    wire.require_open()


def _book(
    ctx: Context,
    account: Account,
    wire: WireRequest,
    amount: int,
    received: int,
    rate: Decimal | None,
) -> Payment:
    """Book the payment once: its attempt's unique key is made from the request's id."""
    note = wire.reference
    if rate is not None:
        shown = money.show(received, wire.currency, account.locale)
        note = f"{note}, {shown} at {wires.rate_text(rate)}"
    payment = Payment(
        kind=PaymentKind.WIRE,
        requested_by_id=wire.requested_by_id,
        request_key=f"wire{wire.id}",
        note=note,
    )
    description = f"{KIND_NAMES[PaymentKind.WIRE]}, {note}"
    key = f"wire-{wire.id}"
    return adjustments.book(ctx, account, payment, EntryKind.PAYMENT, amount, description, key)
