"""File downloads: streamed CSV lists and PDF documents."""

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

from flask import Response, stream_with_context

from webapp.domain.shared.csv_safety import escape_formula

ROWS_AT_ONCE = 200
"""Rows per chunk of the response. Sending each row alone would mean thousands of small packets."""


def csv_download(name: str, rows: Iterable[Iterable[str]]) -> Response:
    answer = Response(stream_with_context(_pieces(rows)), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _pieces(rows: Iterable[Iterable[str]]) -> Iterator[str]:
    piece = StringIO()
    lines = csv.writer(piece)
    yield "\ufeff"  # Excel needs the byte order mark to detect UTF-8
    for count, row in enumerate(rows, 1):
        lines.writerow([escape_formula(cell) for cell in row])
        if count % ROWS_AT_ONCE == 0:
            yield piece.getvalue()
            piece.seek(0)
            piece.truncate()
    yield piece.getvalue()


def pdf_download(name: str, data: bytes) -> Response:
    answer = Response(data, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
