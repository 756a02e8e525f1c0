"""The records of a usage request, parsed one by one and grouped by account (L12, V2)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from io import BytesIO
from itertools import islice, repeat
from types import MappingProxyType
from typing import NamedTuple

from werkzeug.exceptions import BadRequest

from webapp.actions.usage.post_usage import UsageReceipt
from webapp.api.http.authentication import ApiClient, Client
from webapp.domain.accounts.lookup import AccountName, Directory, NamedAccount
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.usage import csv_reader
from webapp.domain.usage import record as usage
from webapp.domain.usage.csv_reader import NAMES, BadHeader, Line
from webapp.domain.usage.record import Usage, Verdict

LARGEST_BATCH = 1_000
HOW_MANY = f"Must be a list of 1 to {LARGEST_BATCH:,} records"
ONLY_RECORDS = "Send either one record, or only the records field"


class Parsed(NamedTuple):
    """One record of the request."""

    reference: str | None
    account_id: int | None
    usage: Usage | None
    """None if the record is invalid."""
    errors: Mapping[str, str]


class Judged(NamedTuple):
    """The result of one record."""

    record: Parsed
    verdict: Verdict
    errors: Mapping[str, str]


@dataclass(frozen=True)
class Batch:
    """A parsed request."""

    records: tuple[Parsed, ...]
    single: bool

    def usages(self) -> dict[int, list[Usage]]:
        """Return the valid records by account, in the order of the request."""
        found: dict[int, list[Usage]] = {}
        for record in self.records:
            if record.usage is not None and record.account_id is not None:
                found.setdefault(record.account_id, []).append(record.usage)
        return found

    def judged(self, receipts: Mapping[int, UsageReceipt]) -> Iterator[Judged]:
        """Yield the result of each record, given the receipts by account."""
        verdicts = {account_id: iter(it.verdicts) for account_id, it in receipts.items()}
        for record in self.records:
            if record.usage is None or record.account_id is None:
                yield Judged(record, Verdict.INVALID, record.errors)
            elif refusal := receipts[record.account_id].refusal:
                yield Judged(record, Verdict.INVALID, {"account": refusal})
            else:
                verdict = next(verdicts[record.account_id])
                has_errors = verdict is not Verdict.CONFLICT
                usage_max = receipts[record.account_id].usage_max
                errors = usage.refusal(verdict, record.usage, usage_max) if has_errors else {}
                yield Judged(record, verdict, errors)


class _Draft(NamedTuple):
    """A record as sent."""

    reference: str | None
    name: AccountName | None
    """The account that it names; None if that cannot be read."""
    parse: Callable[[str | None], Usage]
    """Parse the rest, given its account's currency. Raises `Invalid`."""
    errors: Mapping[str, str] = MappingProxyType({})
    """Of its name."""


def read(ctx: Context, client: Client, body: object) -> Batch:
    """Parse a JSON body. Raises `Invalid` if the body is not a record or a list of records."""
    records, single = _records(body)
    draft = _own_draft if isinstance(client, ApiClient) else _named_draft
    return _batch(ctx, client, [draft(ctx, record) for record in records], single=single)


def read_csv(ctx: Context, client: Client, body: bytes) -> Batch:
    """Parse a CSV body. Raises `BadRequest` for a bad header, `Invalid` for a bad batch size."""
    is_own = isinstance(client, ApiClient)
    try:
        found = csv_reader.read(BytesIO(body), account_is_known=is_own)
        each = (line for line in found for line in repeat(line, line.records))
        lines = list(islice(each, LARGEST_BATCH + 1))
    except BadHeader as bad:
        raise BadRequest(f"{bad}.") from None
    if not 1 <= len(lines) <= LARGEST_BATCH:
        raise Invalid({"records": HOW_MANY})
    return _batch(ctx, client, [_line_draft(ctx, client, line) for line in lines])


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


def _own_draft(ctx: Context, record: object) -> _Draft:
    return _Draft(_reference(record), AccountName(), partial(usage.parse, record, now=ctx.now))


def _named_draft(ctx: Context, record: object) -> _Draft:
    if not isinstance(record, dict):
        return _Draft(None, None, partial(usage.parse, record, now=ctx.now))
    parse = partial(usage.parse, record, now=ctx.now, besides=NAMES)
    return _draft(_reference(record), [record.get(field) for field in NAMES], parse)


def _line_draft(ctx: Context, client: Client, line: Line) -> _Draft:
    reference = line.fields.get("reference")
    if isinstance(client, ApiClient):
        parse = partial(line.parse_for, client.account_id, now=ctx.now)
        return _Draft(reference, AccountName(), parse)
    if line.fault:
        return _Draft(reference, None, partial(line.parse, now=ctx.now))
    return _draft(reference, line.names, partial(line.parse, now=ctx.now))


def _draft(
    reference: str | None, names: Sequence[object], parse: Callable[[str | None], Usage]
) -> _Draft:
    can_be_cached = all(value is None or isinstance(value, str | int) for value in names)
    read = _known_name if can_be_cached else AccountName.read
    try:
        return _Draft(reference, read(*names), parse)
    except Invalid as invalid:
        return _Draft(reference, None, parse, invalid.fields)


@lru_cache(maxsize=4 * LARGEST_BATCH, typed=True)  # True is no account, but equals 1
def _known_name(account: object, external_id: object) -> AccountName:
    """Like `AccountName.read`, which takes long for a thousand records of few accounts."""
    return AccountName.read(account, external_id)


def _reference(record: object) -> str | None:
    reference = record.get("reference") if isinstance(record, dict) else None
    return reference if isinstance(reference, str) else None


def _batch(
    ctx: Context, client: Client, drafts: Sequence[_Draft], *, single: bool = False
) -> Batch:
    if isinstance(client, ApiClient):
        own = NamedAccount(client.account_id, None, client.currency)
        return Batch(tuple(_parsed(draft, lambda _: own) for draft in drafts), single)
    directory = Directory(ctx.session)
    directory.load([draft.name for draft in drafts if draft.name is not None])
    return Batch(tuple(_parsed(draft, directory.find) for draft in drafts), single)


def _parsed(draft: _Draft, find: Callable[[AccountName], NamedAccount]) -> Parsed:
    """Parse a draft; `find` raises `Invalid`."""
    account, record = None, None
    errors = dict(draft.errors)
    try:
        account = find(draft.name) if draft.name is not None else None
    except Invalid as invalid:
        errors |= invalid.fields
    try:
        record = draft.parse(account.currency if account else None)
    except Invalid as invalid:
        errors |= invalid.fields
    account_id = account.id if account else None
    return Parsed(draft.reference, account_id, None if errors else record, errors)
