"""Export of one account's data: a streamed zip of CSV and JSON files.

One transaction reads everything, so the files agree. Passwords, hashes, secrets and processor
references are left out.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import RawIOBase, StringIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from sqlalchemy import BigInteger, Select, Table, select

from webapp.database.base import Base
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.events import kinds
from webapp.domain.events.rows import ABOUT as EVENT_IDS
from webapp.domain.events.rows import EventRepeat, EventRow
from webapp.domain.ledger import LedgerEntry
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Attempt, Payment
from webapp.domain.shared.context import Context
from webapp.domain.shared.csv_safety import escape_formula
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.money import decimal_text
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.usage.holds import Hold
from webapp.domain.usage.imports import UsageImport
from webapp.domain.usage.reversals import UsageReversal
from webapp.domain.users.user import Membership, User
from webapp.domain.webhooks.endpoint import Endpoint
from webapp.domain.wires.wire import WireRequest

BATCH = 500
"""Rows fetched at a time."""

HIDDEN = {
    "key", "key_hash", "fingerprint", "processor_reference", "secret", "old_secret", "older_secret",
    "request_key", "message_id", "password_hash",
}  # fmt: skip

OPERATOR_ONLY = {"decline_code", "decline_class", "failure_code", "mismatch", "trouble"}
"""Columns with raw bank answers; customers see plain explanations instead (F12)."""

COUNTS = {"size", "read"}
"""BigInteger columns that are not money."""

TABLES: tuple[tuple[str, type[Base]], ...] = (
    ("settings", LowBalanceSettings),
    ("statement", LedgerEntry),
    ("payment_methods", PaymentMethod),
    ("payments", Payment),
    ("attempts", Attempt),
    ("wire_transfers", WireRequest),
    ("holds", Hold),
    ("usage_reversals", UsageReversal),
    ("mails", Notice),
    ("api_keys", ApiKey),
    ("webhooks", Endpoint),
    ("usage_imports", UsageImport),
)

ABOUT = """\
All data that Ballast stores for account {id}, {name}, as of {at}.

Each list is included as CSV, for spreadsheets, and as JSON, for programs. Amounts are exact
decimal strings in {currency}; timestamps are in UTC. In the CSV files, an apostrophe precedes
values that a spreadsheet would read as a formula. Passwords, keys, secrets and payment processor
references are not included; card numbers are never stored.
"""


@dataclass(frozen=True)
class _List:
    name: str
    query: Select[Any]
    names: Sequence[str]
    money: frozenset[str] = frozenset()
    render: Callable[[Any, Account], Mapping[str, object]] | None = None
    """For rows that are shown in words."""


class _Sink(RawIOBase):
    """Write buffer of the zip that is emptied by `take`."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def export(ctx: Context, account_id: int, *, for_operator: bool = False) -> Iterator[bytes]:
    """Yield the zip in pieces. Raises `NotFound` before the first piece."""
    account = ctx.session.get(Account, account_id)
    if account is None:
        raise NotFound("The account")
    hidden = HIDDEN if for_operator else HIDDEN | OPERATOR_ONLY
    return _pieces(ctx, account, hidden)


def _pieces(ctx: Context, account: Account, hidden: set[str]) -> Iterator[bytes]:
    sink, at = _Sink(), ctx.now.strftime("%Y-%m-%d %H:%M:%S UTC")
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:
        about = ABOUT.format(id=account.id, name=account.name, at=at, currency=account.currency)
        archive.writestr(_entry("README.txt", ctx.now), about)
        for each in (*_lists(account.id, hidden), *_events(account.id)):
            for kind, write in (("csv", _as_csv), ("json", _as_json)):
                with archive.open(_entry(f"{each.name}.{kind}", ctx.now), "w") as file:
                    for piece in write(ctx, account, each):
                        file.write(piece.encode())
                        yield sink.take()
    yield sink.take()


def _entry(name: str, now: datetime) -> ZipInfo:
    info = ZipInfo(name, now.timetuple()[:6])
    info.compress_type = ZIP_DEFLATED
    return info


def _lists(account_id: int, hidden: set[str]) -> Iterator[_List]:
    account: Table = Account.__table__  # type: ignore[assignment]
    yield _list("account", account, account.c.id == account_id, hidden)
    user, member = User.__table__, Membership.__table__
    columns = [user.c.id, user.c.name, user.c.email, member.c.role]
    joined = select(*columns).join_from(member, user, member.c.user_id == user.c.id)
    in_order = joined.where(member.c.account_id == account_id).order_by(user.c.id, member.c.role)
    yield _List("people", in_order, [column.name for column in columns])
    for name, record in TABLES:
        table: Table = record.__table__  # type: ignore[assignment]
        yield _list(name, table, table.c.account_id == account_id, hidden)


def _list(name: str, table: Table, mine: Any, hidden: set[str]) -> _List:
    columns = [column for column in table.columns if column.name not in hidden]
    query = select(*columns).where(mine).order_by(*table.primary_key.columns)
    money = {it.name for it in columns if isinstance(it.type, BigInteger)} - COUNTS
    return _List(name, query, [column.name for column in columns], frozenset(money))


def _events(account_id: int) -> Iterator[_List]:
    events: Table = EventRow.__table__  # type: ignore[assignment]
    query = (
        select(*events.columns, EventRepeat.times, EventRepeat.last_at)
        .outerjoin_from(events, EventRepeat)
        .where(events.c.account_id == account_id)
        .order_by(events.c.id)
    )
    for name, (code, names, render) in CHANNELS.items():
        yield _List(name, query.where(code.is_not(None)), names, render=render)


def _activity(row: Any, account: Account) -> dict[str, object]:
    return {
        "code": row.timeline,
        "sentence": kinds.line(row, account),
        "times": row.times or 1,
        "first_at": row.at,
        "last_at": row.last_at or row.at,
    }


def _audited(row: Any, account: Account) -> dict[str, object]:
    return {"what": row.audit, "sentence": kinds.audited(row, account)}


def _sent(row: Any, account: Account) -> dict[str, object]:
    return {"kind": row.webhook, "data": kinds.data(row)}


CHANNELS = {
    "activity": (
        EventRow.timeline,
        ("id", "account_id", "code", "sentence", *EVENT_IDS, "times", "first_at", "last_at"),
        _activity,
    ),
    "audit_log": (
        EventRow.audit,
        (
            "id", "account_id", "user_id", "actor_name", "address", "what", "sentence",
            *EVENT_IDS, "at",
        ),
        _audited,
    ),
    "webhook_events": (EventRow.webhook, ("id", "account_id", "kind", "data", "at"), _sent),
}  # fmt: skip
"""Lists of the events that have a code in the column. Only the audit log names who acted."""


def _rows(ctx: Context, account: Account, each: _List) -> Iterator[list[dict[str, object]]]:
    found = ctx.session.execute(each.query, execution_options={"yield_per": BATCH})
    for batch in found.partitions():
        rows = [
            {**row._mapping, **(each.render(row, account) if each.render else {})}  # noqa: SLF001
            for row in batch
        ]
        yield [{name: _plain(row[name], name in each.money) for name in each.names} for row in rows]


def _plain(value: object, is_money: bool) -> object:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return decimal_text(value) if is_money and isinstance(value, int) else value


def _as_csv(ctx: Context, account: Account, each: _List) -> Iterator[str]:
    piece = StringIO()
    lines = csv.writer(piece)
    lines.writerow(each.names)
    yield "\ufeff" + piece.getvalue()  # Excel reads UTF-8 only after a byte-order mark
    for batch in _rows(ctx, account, each):
        piece = StringIO()
        lines = csv.writer(piece)
        lines.writerows([_cell(value) for value in row.values()] for row in batch)
        yield piece.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | dict):
        return escape_formula(json.dumps(value, ensure_ascii=False))
    return escape_formula(str(value))


def _as_json(ctx: Context, account: Account, each: _List) -> Iterator[str]:
    between = "["
    for batch in _rows(ctx, account, each):
        lines = (json.dumps(row, ensure_ascii=False, default=str) for row in batch)
        yield between + "\n" + ",\n".join(lines)
        between = ","
    yield "[]\n" if between == "[" else "\n]\n"
