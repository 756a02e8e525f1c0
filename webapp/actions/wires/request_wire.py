"""Request a wire transfer as a customer (L5). It is credited only on completion."""

from webapp.actions.payments.payment_requests import KEY_USED
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.wires import WireRequested
from webapp.domain.shared import money
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid
from webapp.domain.wires import wire as wires
from webapp.domain.wires.bank_details import BankDetails
from webapp.domain.wires.wire import OPEN_AT_ONCE, WireRequest


def request_wire(
    ctx: Context,
    account_id: int,
    amount: int,
    currency: str,
    request_key: str,
    bank: BankDetails | None,
) -> WireRequest:
    """Create a request for `amount` micros of `currency`. A form submitted twice creates one.

    Raises `Invalid`, or `Conflict` if no bank account is configured or too many requests are open.
    """
    account = Account.locked(ctx.session, account_id)
    if (known := wires.by_request_key(ctx.session, account_id, request_key)) is not None:
        same = (known.amount, known.currency) == (amount, currency)
        ctx.session.rollback()
        if not same:
            raise Conflict(
                "This form has been used for another request. Check it and submit it again.",
                code=KEY_USED,
            )
        return known
    account.require_not_closed()
    faults = wires.request_faults(
        amount,
        currency,
        account.currency,
        ctx.policy,
        lambda micros, unit: money.show(micros, unit, account.locale),
    )
    if faults:
        raise Invalid(faults)
    if bank is None:
        raise Conflict("Wire transfer is not available.", code="wire_not_offered")
    if wires.open_count(ctx.session, account_id) >= OPEN_AT_ONCE:
        raise Conflict(
            f"{OPEN_AT_ONCE} requests are open. Cancel one of them first.",
            code="too_many_open",
        )
    wire = WireRequest(
        account_id=account_id,
        reference=wires.new_reference(ctx.session),
        amount=amount,
        currency=currency,
        requested_by_id=ctx.actor.user_id,
        request_key=request_key,
        created_at=ctx.now,
    )
    ctx.session.add(wire)
    ctx.session.flush()
    events.record(ctx, account_id, WireRequested.about(wire, bank=bank.lines(currency)))
    ctx.session.commit()
    return wire
