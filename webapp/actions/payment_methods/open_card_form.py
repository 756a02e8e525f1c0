"""Prepare the processor's card form."""

from collections.abc import Mapping

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Refusal
from webapp.ports import Holder, Processor, RequestRejected, Unknown

NOT_READY = "The card form could not be opened. Please try again in a moment."


def open_card_form(ctx: Context, account_id: int, processor: Processor) -> Mapping[str, object]:
    """Return the variables of the form's template. Raises `Refusal` if the processor fails."""
    account = ctx.session.get_one(Account, account_id)
    references = ctx.session.scalars(
        select(PaymentMethod.processor_reference)
        .where(
            PaymentMethod.account_id == account_id,
            PaymentMethod.processor == processor.name,
        )
        .order_by(PaymentMethod.id.desc())
    )
    holder = Holder(account.id, account.name, tuple(references))
    ctx.session.rollback()  # no transaction is open during the call
    answer = processor.open_form(holder)
    if isinstance(answer, (Unknown, RequestRejected)):
        raise Refusal(NOT_READY, code="form_not_ready")
    return answer
