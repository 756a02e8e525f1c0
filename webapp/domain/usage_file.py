"""A CSV file of usage, line by line. A bad line is told by number and reason, and stops nothing."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

COLUMNS = ("account", "amount", "reference", "occurred_at", "description")
REQUIRED = ("account", "amount", "reference")


_SURROGATE = re.compile("[\udc80-\udcff]")


class BadHeader(Exception):
    """The file is none of ours; str() says why."""


class Line(NamedTuple):
    number: int
    """Of its first line in the file, from 1."""
    fields: dict[str, str]
    """By column; its reader's own."""
    fault: str = ""
    """Why it cannot be read; empty if it can."""


def read(stream: BinaryIO, *, account_is_known: bool = False) -> Iterator[Line]:
    """The lines after the header, as they are read. Raises `BadHeader` at the first.

    `account_is_known`: then the header may do without that column.
    """
    # What is no UTF-8 comes through as surrogates, so that one bad byte costs one line.
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.reader(text, strict=True)
    columns = _columns(rows, REQUIRED[1:] if account_is_known else REQUIRED)
    while True:
        number = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Line(number, {}, f"This is not CSV: {error}")
            continue
        if row:
            yield _line(number, columns, row)


def _columns(rows: Iterator[list[str]], required: Sequence[str]) -> Sequence[str]:
    wanted = f"the first line must be {','.join(COLUMNS)}"
    try:
        columns = [name.strip().lower() for name in next(rows)]
    except (StopIteration, csv.Error):
        raise BadHeader(f"The file has no header; {wanted}") from None
    missing = [name for name in required if name not in columns]
    if missing:
        raise BadHeader(f"The header has no {' and no '.join(missing)}; {wanted}")
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or len(set(columns)) < len(columns):
        raise BadHeader(f"The header has a column that is unknown or stands twice; {wanted}")
    return columns


def _line(number: int, columns: Sequence[str], row: list[str]) -> Line:
    if len(row) != len(columns):
        return Line(number, {}, f"Has {len(row)} fields, not {len(columns)}")
    if _SURROGATE.search("".join(row)):
        return Line(number, {}, "Is not UTF-8")
    return Line(number, dict(zip(columns, row, strict=True)))
