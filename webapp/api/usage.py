"""Parsing and response of usage batches; each record gets its own status (L12)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from io import BytesIO
from itertools import islice, repeat
from typing import Annotated

from flask import Response, jsonify
from werkzeug.exceptions import BadRequest

from webapp.actions.usage.post_usage import UsageReceipt
from webapp.api.http import problems
from webapp.api.http.problems import Problem, ProblemDetails
from webapp.api.openapi.fields import CURRENCY, DESCRIPTION, MICROS, REFERENCE, Many, Money
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage import csv_reader
from webapp.domain.usage import record as usage
from webapp.domain.usage.csv_reader import BadHeader, Line
from webapp.domain.usage.record import Usage, Verdict

LARGEST_BATCH = 1_000
ZERO = decimal_text(0)
HOW_MANY = f"Must be a list of 1 to {LARGEST_BATCH:,} records"

ONE = {"amount": "12.34", "reference": "call-981", "description": "Ireland mobile"}
OTHER = {"amount": "0.0215", "reference": "call-982", "occurred_at": "2026-11-22T10:00:00Z"}
EXAMPLES: Mapping[str, object] = {"one": ONE, "several": {"records": [ONE, OTHER]}}
CSV_EXAMPLE = "amount,reference,description\n12.34,call-981,Ireland mobile\n0.0215,call-982,\n"
ONLY_RECORDS = "Send either one record, or only the records field"


@dataclass(frozen=True)
class UsageRecord:
    """Metered usage to debit from the balance."""

    amount: Annotated[str, MICROS]
    """The amount to debit: above zero, with at most six decimals; more trailing zeros are ignored.
    A record above the installation's `USAGE_MAX` (default 1000.00) is refused as `too_large`."""
    reference: Annotated[str, REFERENCE]
    """Your reference, unique per account. Usage sent again with the same one is debited once."""
    description: Annotated[str, DESCRIPTION] | None = None
    """Text for the statement."""
    occurred_at: datetime | None = None
    """When the usage occurred: not in the future, not before the year 2000. Default: now."""
    currency: Annotated[str, CURRENCY] | None = None
    """A safety check: a currency other than the account's is refused."""


@dataclass(frozen=True)
class UsageRecords:
    """A batch of up to 1,000 records. Each is posted or refused independently."""

    records: Annotated[tuple[UsageRecord, ...], Many(1, LARGEST_BATCH)]
    """The usage records."""


@dataclass(frozen=True)
class Judgement:
    """The result of one record."""

    index: int
    """The record's position in the request, from 0."""
    reference: str | None
    """The record's reference; null if it is missing or not a text."""
    status: Verdict
    """`posted`; `duplicate`: already posted; `conflict`: already posted with another amount;
    `invalid`; or `too_large`: above `USAGE_MAX`. Only `posted` records change the balance."""
    errors: dict[str, str] = field(default_factory=dict)
    """With status `invalid` or `too_large`: the error of each field."""


@dataclass(frozen=True)
class UsageAnswer:
    """The result of a usage request."""

    balance: Money
    """The balance after this usage and any other usage posted at the same moment."""
    currency: str
    records: tuple[Judgement, ...]
    """The result of each record."""
    index: int = 0
    """Only if a single record was sent: its index, 0."""
    reference: str = ""
    """Only if a single record was sent: its reference."""
    status: Verdict = Verdict.POSTED
    """Only if a single record was sent: its status."""


@dataclass(frozen=True)
class UsageProblem(ProblemDetails):
    """A usage request of which nothing was posted."""

    balance: Money = ZERO
    currency: str = ""
    records: tuple[Judgement, ...] = ()
    """The result of each record."""


@dataclass(frozen=True)
class Batch:
    """A parsed request: the valid records in `usages`, the errors of the others in `faults`."""

    references: tuple[str | None, ...]
    """The reference of each record in the request."""
    single: bool
    usages: tuple[Usage, ...]
    faults: Mapping[int, dict[str, str]]
    """Errors by record index and field."""


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
    response = jsonify({**alone, **balance, "records": records})
    response.status_code = 201
    return response


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
