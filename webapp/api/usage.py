"""Posting usage, one record or a batch; each record gets its own status (L12)."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import islice, repeat
from typing import Annotated

from flask import Response, request
from pydantic import Field
from werkzeug.exceptions import BadRequest

from webapp.actions.usage.post_usage import UsageReceipt
from webapp.api.http import bodies, problems
from webapp.api.http.authentication import ApiClient
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import CURRENCY, DESCRIPTION, INSTANT, MICROS, REFERENCE, Body
from webapp.api.openapi.operations import CSV, JSON, Group, Link
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage import csv_reader
from webapp.domain.usage import record as usage
from webapp.domain.usage.csv_reader import BadHeader, Line
from webapp.domain.usage.record import Usage, Verdict
from webapp.extensions import services
from webapp.reads.records.record import Currency, Money, Open, Record

LARGEST_BATCH = 1_000
HOW_MANY = f"Must be a list of 1 to {LARGEST_BATCH:,} records"

ONE = {"amount": "12.34", "reference": "call-981", "description": "Ireland mobile"}
OTHER = {"amount": "0.0215", "reference": "call-982", "occurred_at": "2026-11-22T10:00:00Z"}
CSV_EXAMPLE = "amount,reference,description\n12.34,call-981,Ireland mobile\n0.0215,call-982,\n"
ONLY_RECORDS = "Send either one record, or only the records field"


class UsageRecord(Body):
    """Metered usage to debit from the balance."""

    amount: Annotated[str, MICROS] = Field(
        description="The amount to debit: above zero, with at most six decimals; more trailing "
        "zeros are ignored. A record above the installation's `USAGE_MAX` (default 1000.00) is "
        "refused as `too_large`."
    )
    reference: Annotated[str, REFERENCE] = Field(
        description="Your reference, unique per account. Usage sent again with the same one is "
        "debited once."
    )
    description: Annotated[str, DESCRIPTION] | None = Field(
        None, description="Text for the statement."
    )
    occurred_at: Annotated[datetime, INSTANT] | None = Field(
        None,
        description="When the usage occurred: not in the future, not before the year 2000. "
        "Default: now.",
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
    reference: str | None = Field(
        description="The record's reference; null if it is missing or not a text."
    )
    status: Open[Verdict] = Field(
        description="`posted`; `duplicate`: already posted; `conflict`: already posted with "
        "another amount; `invalid`; or `too_large`: above `USAGE_MAX`. Only `posted` records "
        "change the balance."
    )
    errors: dict[str, str] = Field(
        {}, description="With status `invalid` or `too_large`: the error of each field."
    )


Balance = Annotated[
    Money,
    Field(
        description="The balance after this usage and any other usage posted at the same moment."
    ),
]
Records = Annotated[tuple[Judgement, ...], Field(description="The result of each record.")]


class UsageAnswer(Record):
    """The result of a usage request."""

    balance: Balance
    currency: Currency
    records: Records
    index: int = Field(0, description="Only if a single record was sent: its index, 0.")
    reference: str = Field("", description="Only if a single record was sent: its reference.")
    status: Open[Verdict] = Field(
        Verdict.POSTED, description="Only if a single record was sent: its status."
    )


class UsageProblem(ProblemDetails):
    """A usage request of which nothing was posted."""

    balance: Balance = decimal_text(0)
    currency: Currency = ""
    records: Records = ()


@dataclass(frozen=True)
class Batch:
    """A parsed request: the valid records in `usages`, the errors of the others in `faults`."""

    references: tuple[str | None, ...]
    """The reference of each record in the request."""
    single: bool
    usages: tuple[Usage, ...]
    faults: Mapping[int, dict[str, str]]
    """Errors by record index and field."""


resource = Resource("usage", Group.USAGE)


@resource.post(
    "/usage",
    "Post usage",
    Scope.USAGE_WRITE,
    status=201,
    answer=UsageAnswer,
    body=(UsageRecord, UsageRecords),
    csv=CSV_EXAMPLE,
    examples={"one": ONE, "several": {"records": [ONE, OTHER]}},
    problem=UsageProblem,
    problems=("conflict", "balance_out_of_range", "too_large"),
    links={"balance": Link("read_balance")},
)
def post_usage(ctx: Context, client: ApiClient) -> Response:
    """Send one record, or up to 1,000 as JSON or CSV. Each is posted or refused independently.

    The status is 201 if at least one record was posted or all are duplicates, and 409 or 422 if
    nothing was posted. Usage is never refused for lack of balance.
    """
    if request.mimetype == CSV:
        batch = read_csv(bodies.read_bytes(), client.account_id, client.currency, ctx.now)
    else:
        # Its own parser: it reads 1,000 records and keeps the valid ones.
        batch = read(bodies.read_json(), client.currency, ctx.now)
    receipt = services().usage_batcher.post_usage(ctx, client.account_id, batch.usages)
    if receipt.opened_top_up:
        services().wake()
    return answer(batch, receipt, client.currency, ctx.policy.usage_max)


def read(body: object, currency: str, now: datetime) -> Batch:
    """Parse a JSON body. Raises `Invalid` if the body is not a record or a list of records."""
    raw, single = _records(body)
    parses = (partial(usage.parse, record, currency, now) for record in raw)
    return _batch([_reference(record) for record in raw], parses, single=single)


def read_csv(body: bytes, account_id: int, currency: str, now: datetime) -> Batch:
    """Parse a CSV body. Raises `BadRequest` for a bad header, `Invalid` for a bad batch size."""
    try:
        lines = list(islice(_csv_records(body), LARGEST_BATCH + 1))
    except BadHeader as bad:
        raise BadRequest(f"{bad}.") from None
    if not 1 <= len(lines) <= LARGEST_BATCH:
        raise Invalid({"records": HOW_MANY})
    parses = (partial(line.parse_for, account_id, currency, now) for line in lines)
    return _batch([line.fields.get("reference") for line in lines], parses)


def _csv_records(body: bytes) -> Iterator[Line]:
    for line in csv_reader.read(BytesIO(body), account_is_known=True):
        yield from repeat(line, line.records)


def _batch(
    references: Sequence[str | None], parses: Iterable[Callable[[], Usage]], *, single: bool = False
) -> Batch:
    usages, faults = [], {}
    for index, parse in enumerate(parses):
        try:
            usages.append(parse())
        except Invalid as invalid:
            faults[index] = invalid.fields
    return Batch(tuple(references), single, tuple(usages), faults)


def answer(batch: Batch, receipt: UsageReceipt, currency: str, usage_max: int) -> Response:
    """201 if a record was posted or all are duplicates, otherwise 409 or 422 (L12)."""
    records = _judged(batch, receipt, usage_max)
    verdicts = {record["status"] for record in records}
    balance = {"balance": decimal_text(receipt.balance), "currency": currency}
    if Verdict.POSTED not in verdicts and verdicts != {Verdict.DUPLICATE}:
        return problems.render(_nothing_posted(batch, records, balance))
    alone = records[0] if batch.single else {}
    # A reference can contain half of a surrogate pair, which this escapes.
    body = json.dumps({**alone, **balance, "records": records})
    return Response(body, 201, mimetype=JSON)


def _records(body: object) -> tuple[list[object], bool]:
    """The records of a body, and whether the body is a single record."""
    if not isinstance(body, dict) or "records" not in body:
        return [body], True
    records = body["records"]
    if len(body) > 1:
        raise Invalid({name: ONLY_RECORDS for name in body if name != "records"})
    if not isinstance(records, list) or not 1 <= len(records) <= LARGEST_BATCH:
        raise Invalid({"records": HOW_MANY})
    return records, False


def _judged(batch: Batch, receipt: UsageReceipt, usage_max: int) -> list[dict[str, object]]:
    posted = zip(receipt.verdicts, batch.usages, strict=True)
    return [
        {"index": index, "reference": reference}
        | (
            {"status": Verdict.INVALID, "errors": batch.faults[index]}
            if index in batch.faults
            else _judgement(*next(posted), usage_max)
        )
        for index, reference in enumerate(batch.references)
    ]


def _judgement(verdict: Verdict, record: Usage, usage_max: int) -> dict[str, object]:
    if verdict is Verdict.TOO_LARGE:
        return {"status": verdict, "errors": usage.refusal(verdict, record, usage_max)}
    return {"status": verdict}


def _reference(record: object) -> str | None:
    reference = record.get("reference") if isinstance(record, dict) else None
    return reference.strip() if isinstance(reference, str) else None


def _nothing_posted(
    batch: Batch, records: list[dict[str, object]], balance: Mapping[str, str]
) -> Problem:
    conflict = any(record["status"] is Verdict.CONFLICT for record in records)
    members = {**balance, "records": records}
    if conflict:
        which = f"Reference {records[0]['reference']} was" if batch.single else "References were"
        detail = f"Nothing was posted. {which} posted before with another amount."
        return Problem(409, detail, "conflict", members)
    if all(record["status"] is Verdict.TOO_LARGE for record in records):
        which = "The record is" if batch.single else "All records are"
        detail = f"Nothing was posted. {which} above the maximum amount of a usage record."
        errors = {"errors": records[0]["errors"]} if batch.single else {}
        return Problem(422, detail, "too_large", members | errors)
    if batch.single:
        return problems.of(Invalid(batch.faults[0]))
    return Problem(422, "Nothing was posted. No record is both new and valid.", "invalid", members)
