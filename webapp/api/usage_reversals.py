"""Reversing posted usage, with a provider key (L16)."""

from pydantic import Field

from webapp.actions.usage.reverse_usage import reverse_usage as reverse
from webapp.api.http.accounts import OfAccount, account_of
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ProviderClient
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Micros, Reason, Reference
from webapp.api.openapi.operations import Group
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.reads.records.usage_reversals import UsageReversalRecord, read_usage_reversal


class NewUsageReversal(OfAccount):
    """The part of posted usage to give back."""

    reference: Reference = Field(description="Your reference of the reversal, unique per account.")
    amount: Micros | None = Field(
        None,
        description="How much to credit, with up to six decimals. Default: all that is left.",
    )
    reason: Reason = Field(description="Shown on the statement.")


resource = Resource("usage_reversals", Group.USAGE)


@resource.post(
    "/usage/<path:reference>/reversals",
    "Reverse usage",
    Scope.USAGE,
    status=201,
    also={200: "The same request has reversed it before."},
    examples={
        "part": {"account": 17, "reference": "credit-17", "amount": "0.35", "reason": "Wrong rate"},
        "all": {"external_id": "cust-0042", "reference": "credit-18", "reason": "Test call"},
    },
    problems=(
        "account_closed",
        "conflict",
        "already_reversed",
        "exceeds_usage",
        "balance_out_of_range",
    ),
)
def reverse_usage(
    ctx: Context, client: ProviderClient, reference: str, body: NewUsageReversal
) -> Answer[UsageReversalRecord]:
    """Credit posted usage back, wholly or in part, once per reference of the reversal. Several
    reversals together never exceed the usage.
    """
    account_id = account_of(ctx, client, body)
    made = reverse(ctx, account_id, reference, body.reference, body.amount, body.reason)
    return Answer(read_usage_reversal(ctx, made.reversal), 201 if made.is_new else 200)
