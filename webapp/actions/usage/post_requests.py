"""Post the usage of concurrent requests; each gets the verdicts of its own records."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

from webapp.actions.usage.post_usage import (
    UsageReceipt,
    post_usage,
    post_usage_of_each,
    post_usage_of_many,
)
from webapp.domain.shared.context import Context
from webapp.domain.usage.record import Usage

Usages = Mapping[int, Sequence[Usage]]
"""Records by account id."""

Receipts = Mapping[int, UsageReceipt]
"""Receipts by account id; the balances include the usage of all requests."""


def post_requests(ctx: Context, sent: Sequence[Usages]) -> list[Receipts]:
    """Post the requests in one transaction; returns the receipts of each.

    Raises `Refusal` if an account cannot take its usage; alone, a request of several accounts has
    the reason in that account's receipt.
    """
    if len(sent) == 1:
        return [_post_alone(ctx, sent[0])]
    together: dict[int, list[Usage]] = {}
    for usages in sent:
        for account_id, records in usages.items():
            together.setdefault(account_id, []).extend(records)
    receipts = post_usage_of_many(ctx, together)
    verdicts = {account_id: iter(receipt.verdicts) for account_id, receipt in receipts.items()}
    return [
        {
            account_id: replace(
                receipts[account_id], verdicts=tuple(islice(verdicts[account_id], len(records)))
            )
            for account_id, records in usages.items()
        }
        for usages in sent
    ]


def _post_alone(ctx: Context, usages: Usages) -> Receipts:
    if len(usages) > 1:
        return post_usage_of_each(ctx, usages)
    return {account_id: post_usage(ctx, account_id, usages[account_id]) for account_id in usages}
