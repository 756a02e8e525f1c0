"""A batch of usage records: each is judged by itself, and the answer says how (L12)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from flask import Response, jsonify

from webapp.actions.post_usage import UsageReceipt
from webapp.api import problems
from webapp.api.problems import Problem
from webapp.domain import usage
from webapp.domain.errors import Invalid
from webapp.domain.money import decimal_text
from webapp.domain.usage import Usage, Verdict

LARGEST_BATCH = 1_000
ONLY_RECORDS = "Send either one record, or records and nothing else"


@dataclass(frozen=True)
class Batch:
    """What was sent, read. The good records wait in `usages`; `faults` are by index."""

    raw: tuple[object, ...]
    single: bool
    usages: tuple[Usage, ...]
    faults: Mapping[int, dict[str, str]]


def read(body: object, currency: str, now: datetime) -> Batch:
    """Raises `Invalid` where the batch as a whole cannot be judged."""
    raw, single = _records(body)
    usages, faults = [], {}
    for index, record in enumerate(raw):
        try:
            usages.append(usage.parse(record, currency, now))
        except Invalid as invalid:
            faults[index] = invalid.fields
    return Batch(tuple(raw), single, tuple(usages), faults)


def answer(batch: Batch, receipt: UsageReceipt, currency: str) -> Response:
    """201 if anything was posted or all of it already was, else 409 or 422 (L12)."""
    records = _judged(batch, receipt)
    verdicts = {record["status"] for record in records}
    balance = {"balance": decimal_text(receipt.balance), "currency": currency}
    if Verdict.POSTED not in verdicts and verdicts != {Verdict.DUPLICATE}:
        return problems.render(_nothing_posted(batch, records, balance))
    alone = records[0] if batch.single else {}
    response = jsonify({**alone, **balance, "records": records})
    response.status_code = 201
    return response


def _records(body: object) -> tuple[list[object], bool]:
    """The records, and whether it is one that came without a list around it."""
    if not isinstance(body, dict) or "records" not in body:
        return [body], True
    records = body["records"]
    if len(body) > 1:
        raise Invalid({name: ONLY_RECORDS for name in body if name != "records"})
    if not isinstance(records, list) or not 1 <= len(records) <= LARGEST_BATCH:
        raise Invalid({"records": f"Must be a list of 1 to {LARGEST_BATCH:,} records"})
    return records, False


def _judged(batch: Batch, receipt: UsageReceipt) -> list[dict[str, object]]:
    verdicts = iter(receipt.verdicts)
    return [
        {
            "index": index,
            "reference": _reference(record),
            "status": Verdict.INVALID,
            "errors": batch.faults[index],
        }
        if index in batch.faults
        else {"index": index, "reference": _reference(record), "status": next(verdicts)}
        for index, record in enumerate(batch.raw)
    ]


def _reference(record: object) -> str | None:
    reference = record.get("reference") if isinstance(record, dict) else None
    return reference.strip() if isinstance(reference, str) else None


def _nothing_posted(
    batch: Batch, records: list[dict[str, object]], balance: Mapping[str, str]
) -> Problem:
    conflict = any(record["status"] is Verdict.CONFLICT for record in records)
    told = {**balance, "records": records}
    if conflict:
        which = f"Reference {records[0]['reference']} was" if batch.single else "References were"
        detail = f"Nothing was posted. {which} posted before with another amount."
        return Problem(409, detail, "conflict", told)
    if batch.single:
        return problems.of(Invalid(batch.faults[0]))
    return Problem(422, "Nothing was posted: no record is both new and valid.", "invalid", told)
