"""Posting usage, one record or a batch; each record gets its own status (L12, V2)."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

from flask import Response, request
from pydantic import Field

from webapp.actions.usage.post_usage import UsageReceipt
from webapp.api import usage_batch
from webapp.api.http import bodies, problems
from webapp.api.http.accounts import OfAccount
from webapp.api.http.authentication import ApiClient, Client
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import (
    CURRENCY,
    DESCRIPTION,
    INSTANT,
    MICROS_OR_ZERO,
    REFERENCE,
    Body,
)
from webapp.api.openapi.operations import CSV, JSON, Group, Link
from webapp.api.usage_batch import LARGEST_BATCH, Batch, Judged
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.record import Usage, Verdict
from webapp.extensions import services
from webapp.reads.records.balances import AccountBalance, read_balances
from webapp.reads.records.record import Money, Open, Record

ONE = {"amount": "12.34", "reference": "call-981", "description": "Ireland mobile"}
OTHER = {"amount": "0.0215", "reference": "call-982", "occurred_at": "2026-11-22T10:00:00Z"}
OF_MANY = {
    "records": [{"account": 17, **ONE}, {"external_id": "cust-0043", **OTHER}],
}
CSV_EXAMPLE = "amount,reference,description\n12.34,call-981,Ireland mobile\n0.0215,call-982,\n"


class UsageRecord(OfAccount):
    """Metered usage to debit from an account's balance."""

    amount: Annotated[str, MICROS_OR_ZERO] = Field(
        description="The amount to debit: above zero, with at most six decimals; more trailing "
        "zeros are ignored. Zero ends the open hold with this reference, and is posted nowhere. A "
        "record above the installation's `USAGE_MAX` (default 1000.00) is "
        "refused as `too_large`."
    )
    reference: Annotated[str, REFERENCE] = Field(
        description="Your reference, unique per account, without blanks at its ends. Usage sent "
        "again with the same one is debited once; the first description and time stay."
    )
    description: Annotated[str, DESCRIPTION] | None = Field(
        None, description="Text for the statement."
    )
    occurred_at: Annotated[datetime, INSTANT] | None = Field(
        None,
        description="When the usage occurred: at most a day in the future, because clocks differ, "
        "and not before the year 2000. Default: now.",
    )
    currency: Annotated[str, CURRENCY] | None = Field(
        None, description="A safety check: a currency other than the account's is refused."
    )


class UsageRecords(Body):
    """A batch of up to 1,000 records. Each is posted or refused independently."""

    records: tuple[UsageRecord, ...] = Field(
        min_length=1, max_length=LARGEST_BATCH, description="The usage records."
    )


class Judgement(Record):
    """The result of one record."""

    index: int = Field(description="The record's position in the request, from 0.")
    account: int | None = Field(
        None, description="With a provider key: the account's id; null if there is no such account."
    )
    reference: str | None = Field(
        description="The record's reference; null if it is missing or not a text."
    )
    status: Open[Verdict] = Field(
        description="`posted`; `ended`: the amount is zero, and the hold with this reference has "
        "ended; `duplicate`: already posted, or ended; `conflict`: already posted with "
        "another amount; `invalid`; or `too_large`: above `USAGE_MAX`. Only `posted` records "
        "change the balance."
    )
    errors: dict[str, str] = Field(
        {}, description="With status `invalid` or `too_large`: the error of each field."
    )


Posted = Annotated[int, Field(description="Number of records that were posted.")]
Ended = Annotated[int, Field(description="Number of records of zero that ended a hold.")]
Duplicate = Annotated[int, Field(description="Number of records that were already posted.")]
Conflict = Annotated[
    int, Field(description="Number of records that were already posted with another amount.")
]
InvalidCount = Annotated[int, Field(description="Number of invalid records.")]
TooLarge = Annotated[int, Field(description="Number of records above `USAGE_MAX`.")]
Balance = Annotated[
    Money,
    Field(
        description="With an account's key: the balance after this usage and any other usage "
        "posted at the same moment."
    ),
]
OwnCurrency = Annotated[str, Field(description="With an account's key: the account's currency.")]
Balances = Annotated[
    dict[str, AccountBalance],
    Field(
        default_factory=dict,
        description="With a provider key: the balance of each account, by the account's id.",
    ),
]
Records = Annotated[tuple[Judgement, ...], Field(description="The result of each record.")]


class UsageAnswer(Record):
    """The result of a usage request."""

    posted: Posted
    ended: Ended
    duplicate: Duplicate
    conflict: Conflict
    invalid: InvalidCount
    too_large: TooLarge
    records: Records
    balances: Balances
    balance: Balance = decimal_text(0)
    currency: OwnCurrency = ""
    index: int = Field(
        0, description="Only if an account's key sent a single record: its index, 0."
    )
    reference: str = Field(
        "", description="Only if an account's key sent a single record: its reference."
    )
    status: Open[Verdict] = Field(
        Verdict.POSTED, description="Only if an account's key sent a single record: its status."
    )


class UsageProblem(ProblemDetails):
    """A usage request of which nothing was posted."""

    posted: Posted = 0
    ended: Ended = 0
    duplicate: Duplicate = 0
    conflict: Conflict = 0
    invalid: InvalidCount = 0
    too_large: TooLarge = 0
    records: Records = ()
    balances: Balances
    balance: Balance = decimal_text(0)
    currency: OwnCurrency = ""


resource = Resource("usage", Group.USAGE)


@resource.post(
    "/usage",
    "Post usage",
    Scope.USAGE_WRITE,
    Scope.USAGE,
    status=201,
    answer=UsageAnswer,
    body=(UsageRecord, UsageRecords),
    csv=CSV_EXAMPLE,
    examples={"one": ONE, "several": {"records": [ONE, OTHER]}, "accounts": OF_MANY},
    problem=UsageProblem,
    problems=("conflict", "balance_out_of_range", "too_large"),
    links={"balance": Link("read_balance")},
)
def post_usage(ctx: Context, client: Client) -> Response:
    """Send one record, or up to 1,000 as JSON or CSV. Each is posted or refused independently.

    With a provider key, each record names its account by `account` or `external_id`; they can be of
    any accounts.

    The status is 201 if at least one record was posted or ended a hold, or all are duplicates, and
    409 or 422 otherwise. Usage is never refused for lack of balance.
    """
    batch = (
        usage_batch.read_csv(ctx, client, bodies.read_bytes())
        if request.mimetype == CSV
        # Its own parser: it reads 1,000 records and keeps the valid ones.
        else usage_batch.read(ctx, client, bodies.read_json())
    )
    if isinstance(client, ApiClient):
        return _post_own(ctx, client, batch)
    receipts = _post(ctx, batch.usages())
    named = {it.account_id for it in batch.records if it.account_id is not None}
    found = read_balances(ctx.later(), named) if named else {}
    return _answer(ctx, batch, receipts, {"balances": found})


def _post_own(ctx: Context, client: ApiClient, batch: Batch) -> Response:
    receipts = _post(ctx, batch.usages() or {client.account_id: []})
    balance = decimal_text(receipts[client.account_id].balance)
    return _answer(ctx, batch, receipts, {"balance": balance, "currency": client.currency})


def _post(ctx: Context, usages: Mapping[int, Sequence[Usage]]) -> Mapping[int, UsageReceipt]:
    receipts = services().usage_batcher.submit(ctx, usages, usages) if usages else {}
    if any(receipt.opened_top_up for receipt in receipts.values()):
        services().wake()
    return receipts


def _answer(
    ctx: Context,
    batch: Batch,
    receipts: Mapping[int, UsageReceipt],
    balances: Mapping[str, object],
) -> Response:
    """201 if a record had an effect or all are duplicates, otherwise 409 or 422 (L12)."""
    judged = list(batch.judged(receipts))
    counts = Counter(it.verdict for it in judged)
    is_own = "balance" in balances
    records = [_shown(index, it, is_own=is_own) for index, it in enumerate(judged)]
    members: dict[str, object] = {str(verdict): counts[verdict] for verdict in Verdict}
    members |= {**balances, "records": records}
    has_effect = counts[Verdict.POSTED] or counts[Verdict.ENDED]
    if not has_effect and counts[Verdict.DUPLICATE] < len(judged):
        return problems.render(_nothing_posted(batch, judged, members))
    alone = records[0] if batch.single and is_own else {}
    # A reference can contain half of a surrogate pair, which this escapes.
    return Response(json.dumps({**alone, **members}), 201, mimetype=JSON)


def _shown(index: int, judged: Judged, *, is_own: bool) -> dict[str, object]:
    shown: dict[str, object] = {"index": index}
    if not is_own:
        shown["account"] = judged.record.account_id
    shown |= {"reference": judged.record.reference, "status": judged.verdict}
    return shown | {"errors": judged.errors} if judged.errors else shown


def _nothing_posted(
    batch: Batch, judged: Sequence[Judged], members: Mapping[str, object]
) -> Problem:
    first = judged[0]
    verdicts = {it.verdict for it in judged}
    errors: dict[str, object] = {"errors": first.errors} if batch.single else {}
    if Verdict.CONFLICT in verdicts:
        which = f"Reference {first.record.reference} was" if batch.single else "References were"
        detail = f"Nothing was posted. {which} posted before with another amount."
        return Problem(409, detail, "conflict", members)
    if verdicts == {Verdict.TOO_LARGE}:
        which = "The record is" if batch.single else "All records are"
        detail = f"Nothing was posted. {which} above the maximum amount of a usage record."
        return Problem(422, detail, "too_large", {**members, **errors})
    detail = "Nothing was posted. No record is both new and valid."
    if batch.single:
        detail = Invalid(dict(first.errors)).first_error
    return Problem(422, detail, "invalid", {**members, **errors})
