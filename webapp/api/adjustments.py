"""Crediting and debiting accounts, with a provider key (V9)."""

from pydantic import Field

from webapp.actions.payments.adjust_balance import adjust_once
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ProviderClient
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, Reason, Reference, SignedMicros
from webapp.api.openapi.operations import Group
from webapp.domain.accounts.lookup import account_id_of
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.extensions import services
from webapp.reads.records.adjustments import AdjustmentRecord, read_adjustment


class NewAdjustment(Body):
    """A credit or debit by the provider."""

    reference: Reference = Field(description="Your reference, unique per account.")
    amount: SignedMicros = Field(
        description="Above zero for a credit, below zero for a debit, with at most six decimals."
    )
    reason: Reason = Field(description="Shown on the statement and in the audit log.")


resource = Resource("adjustments", Group.ACCOUNTS)


@resource.post(
    "/accounts/<account>/adjustments",
    "Adjust a balance",
    Scope.ADJUSTMENTS,
    status=201,
    also={200: "The same request has adjusted the balance before."},
    examples={
        "credit": {"reference": "goodwill-17", "amount": "5.00", "reason": "Outage of 21 November"},
        "debit": {"reference": "fee-2026-11", "amount": "-2.50", "reason": "Monthly fee"},
    },
    problems=("account_closed", "conflict", "balance_out_of_range"),
)
def adjust_balance(
    ctx: Context, client: ProviderClient, account: str, body: NewAdjustment
) -> Answer[AdjustmentRecord]:
    """Credit or debit an account, once per reference. Like usage, a debit can take the balance
    below zero and can start an automatic refill.
    """
    account_id = account_id_of(ctx.session, account)
    made = adjust_once(ctx, account_id, body.amount, body.reason, body.reference)
    services().wake()
    record = read_adjustment(ctx, made.payment, body.reference)
    return Answer(record, 201 if made.is_new else 200)
