"""Reader of usage records in CSV, for the command line, the browser and the API (L15).

It yields every record of a file once, valid or with its error, with its line numbers.
"""

import codecs
import csv
import io
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import BinaryIO, NamedTuple

from webapp.domain.shared.errors import Invalid
from webapp.domain.usage import record as usage
from webapp.domain.usage.record import Usage

NAMES = ("account", "external_id")
"""Columns that name a record's account: by our id, or by the provider's (V2)."""

COLUMNS = ("amount", "reference", "occurred_at", "description", "currency")
REQUIRED = ("amount", "reference")
SEPARATORS = (",", ";", "\t", "|")

LONGEST_LINE = 64 * 1024
"""Maximum length of a record in characters."""

LONGEST_TEXT = 32 * 1024 * 1024
"""Maximum characters of one record over all its lines, equal to the largest upload. A longer record
is caused by a stray quote, or the file is not CSV.
"""

MOST_READ_AGAIN = 1_000_000
"""Lines of a file that are read again. Each stray quote can cause the rest of the file to be read
again, so without a limit the time would grow with the square of the size.
"""

csv.field_size_limit(2 * LONGEST_TEXT)

_UNDECODABLE = re.compile("[\udc80-\udcff]")
"""Undecodable bytes, as decoded by `surrogateescape`."""

_NOT_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or a zip file"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"\x1f\x8b", "compressed with gzip"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
)
"""First bytes of files that are not CSV in UTF-8, and what they are."""


class BadHeader(Exception):
    """The whole file cannot be read. `str()` is the reason."""


class Line(NamedTuple):
    """One record, or several records joined by a stray quote."""

    number: int
    """Number of its first line in the file, from 1."""
    fields: Mapping[str, str]
    """Non-empty cells by column, without the account."""
    account: str = ""
    external_id: str = ""
    fault: str = ""
    """Why the record cannot be read; empty if it can."""
    last: int = 0
    """Number of its last line; 0 if it has only one."""
    records: int = 1
    """Number of records that it counts as."""

    @property
    def where(self) -> str:
        """ "12", or "12–15"."""
        return f"{self.number}–{self.last}" if self.last else str(self.number)

    @property
    def names(self) -> tuple[str | None, str | None]:
        """The values of `NAMES`, for `AccountName.read`."""
        return self.account or None, self.external_id or None

    def parse_for(self, account_id: int, currency: str | None, now: datetime) -> Usage:
        """Parse a record of a file that may only contain this account. Raises `Invalid`."""
        if self.account not in ("", str(account_id)):
            raise Invalid({"account": f"This record is for another account: {self.account[:20]!r}"})
        return self.parse(currency, now)

    def parse(self, currency: str | None, now: datetime) -> Usage:
        """Parse the record, whose account is given separately. Raises `Invalid`."""
        if self.fault:
            raise Invalid({"line": self.fault})
        return usage.parse(self.fields, currency, now)


def read(stream: BinaryIO, *, account_is_known: bool = False) -> Iterator[Line]:
    """Yield the records after the header while reading the file. Raises `BadHeader` at first.

    `account_is_known`: the column `account` is optional, and `external_id` is unknown.
    """
    lines = _Lines(stream)
    separator, columns = _header(lines, account_is_known=account_is_known)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        number = lines.begin()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if len(lines.taken) == 1:
                yield Line(number, {}, fault=f"This is not CSV: {error}")
            elif lines.put_back_all_but_first():
                yield Line(number, {}, fault="This line has an unclosed quote")
            else:
                yield _joined(number, lines.taken, separator, columns)
            continue
        if len(lines.taken) > 1:
            yield _joined(number, lines.taken, separator, columns)
        elif row:
            yield _line(number, row, separator, columns)


class _Lines:
    """The lines of a file, for `csv.reader`, which takes several lines for a multi-line field.

    Undecodable bytes become surrogates.
    """

    def __init__(self, stream: BinaryIO) -> None:
        """Detect the encoding. Raises `BadHeader`."""
        head = stream.read(4)
        for begins, name in _NOT_TEXT:
            if head.startswith(begins):
                raise BadHeader(f"The file is {name}; save it as CSV in UTF-8")
        self._is_utf_16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if b"\x00" in head and not self._is_utf_16:
            raise BadHeader("The file is UTF-16 without a byte order mark; save it as CSV in UTF-8")
        self._is_utf_8 = head.startswith(codecs.BOM_UTF8)
        """True once proved by a byte order mark or a non-ASCII line."""
        whole = io.BufferedReader(_Whole(head, stream))
        encoding = ("utf-16", "replace") if self._is_utf_16 else ("utf-8-sig", "surrogateescape")
        text = io.TextIOWrapper(whole, *encoding, newline="")
        self._read = partial(text.readline, LONGEST_TEXT)
        self._again: deque[str] = deque()
        self._read_again = 0
        self._number = 1
        self._length = 0
        """Total length of `taken` in characters."""
        self.taken: list[str] = []

    def begin(self) -> int:
        """Start a new record; returns the number of its first line."""
        self._number += len(self.taken)
        self._length = 0
        self.taken = []
        return self._number

    def put_back_all_but_first(self) -> bool:
        """Return all lines but the first to the input; False if too many were read again."""
        self._read_again += len(self.taken) - 1
        if self._read_again > MOST_READ_AGAIN:
            return False
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]
        return True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self._length > LONGEST_TEXT:
            raise csv.Error("the text is too long")
        line = self._again.popleft() if self._again else self._next()
        if not line:
            raise StopIteration
        self.taken.append(line)
        self._length += len(line)
        return line

    def _next(self) -> str:
        line = rest = self._read()
        while len(rest) == LONGEST_TEXT and rest[-1] not in "\r\n":
            rest = self._read()
        return line if line.isascii() else self._decoded(line)

    def _decoded(self, line: str) -> str:
        """Decode a non-UTF-8 line as Windows-1252, which Western European spreadsheets write.

        Only before a non-ASCII line has proved the file to be UTF-8.
        """
        if self._is_utf_16:
            return line.replace("\N{REPLACEMENT CHARACTER}", "\udcff")
        if not _UNDECODABLE.search(line):
            self._is_utf_8 = True
        elif not self._is_utf_8:
            return line.encode("utf-8", "surrogateescape").decode("cp1252", "surrogateescape")
        return line


class _Whole(io.RawIOBase):
    """A stream with its first bytes put back, because a pipe cannot seek."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        piece = self._head or self._stream.read(len(buffer))
        self._head = b""
        buffer[: len(piece)] = piece
        return len(piece)


def _header(lines: _Lines, *, account_is_known: bool) -> tuple[str, Sequence[str]]:
    """Return the separator and the names of the columns. Raises `BadHeader`."""
    known = (*(NAMES[:1] if account_is_known else NAMES), *COLUMNS)
    wanted = f"its first line names columns of {','.join(known)}"
    separators: Sequence[str] = SEPARATORS
    first = next(lines, "")
    sep_line = first.strip("\r\n\"' ").lower()
    if sep_line.startswith("sep="):
        separators = (sep_line[4:5],)
        if sep_line[4:5] not in SEPARATORS:
            raise BadHeader(f"The separator {sep_line[4:5]!r} is not comma, semicolon, tab or |")
        first = next(lines, "")
    found = [(separator, _names(first, separator)) for separator in separators]
    separator, columns = max(found, key=lambda it: len(set(it[1]).intersection(known)))
    if not any(columns):
        raise BadHeader(f"The file has no header; {wanted}")
    missing = [name for name in REQUIRED if name not in columns]
    if not account_is_known and not set(NAMES).intersection(columns):
        missing.insert(0, "account or external_id")
    if missing:
        raise BadHeader(f"The header has no {' and no '.join(missing)}; {wanted}")
    for name in columns:
        if name not in known:
            raise BadHeader(f"The header has the unknown column {name[:40]!r}; {wanted}")
        if columns.count(name) > 1:
            raise BadHeader(f"The header has the column {name!r} twice; {wanted}")
    return separator, columns


def _names(header: str, separator: str) -> list[str]:
    try:
        row = next(csv.reader([header], delimiter=separator, strict=True), [])
    except csv.Error:
        return []
    return [name.strip().lower() for name in row]


def _joined(number: int, taken: Sequence[str], separator: str, columns: Sequence[str]) -> Line:
    """Return the error for lines that quotes join; no column may contain line breaks.

    They may be one record with line breaks, or several records between two stray quotes. None
    of them is posted; each line that could be a record is counted.
    """
    last = number + len(taken) - 1
    others = sum(line.count(separator) >= len(columns) - 1 for line in taken[1:])
    fault = f"Quoted text spans lines {number} to {last}, so none of them is imported"
    return Line(number, {}, fault=fault, last=last, records=1 + others)


def _line(number: int, row: Sequence[str], separator: str, columns: Sequence[str]) -> Line:
    if len(row) != len(columns):
        return Line(number, {}, fault=f"Has {len(row)} fields, not {len(columns)}")
    text = "".join(row)
    if len(text) > LONGEST_LINE:
        return Line(number, {}, fault=f"Has more than {LONGEST_LINE:,} characters")
    if not text.isascii() and _UNDECODABLE.search(text):
        return Line(number, {}, fault="Is not UTF-8; save the file as CSV in UTF-8")
    fields = {
        name: cell
        for name, cell in zip(columns, map(str.strip, row), strict=True)
        if cell or name == "amount"
    }
    if separator != "," and "." not in fields["amount"]:
        fields["amount"] = fields["amount"].replace(",", ".", 1)
    account, external_id = (fields.pop(name, "") for name in NAMES)
    return Line(number, fields, account, external_id)
