"""Compress responses. Static files are compressed once, by `static_files`."""

import gzip
import re
from io import BytesIO
from secrets import randbelow, token_hex

from flask import Flask, Response, request

LEVEL = 5
SMALLEST = 1_000
"""In bytes. Smaller responses are not compressed."""

MOST_PADDING = 50
"""In bytes."""


def init_app(app: Flask) -> None:
    app.after_request(compress)


def compress(response: Response) -> Response:
    if "Vary" in response.headers:
        response.vary.add("Accept-Encoding")
    else:
        response.headers["Vary"] = "Accept-Encoding"
    if (
        (response.content_length or 0) < SMALLEST
        or response.direct_passthrough
        or response.is_streamed
        or "Content-Encoding" in response.headers
        or not re.match(r"text/|application/.*json$", response.mimetype or "")
        or request.accept_encodings["gzip"] <= 0
    ):
        return response
    response.set_data(_gzipped(response.get_data()))
    response.headers["Content-Encoding"] = "gzip"
    return response


def _gzipped(body: bytes) -> bytes:
    """Gzip with a file name of random length in the header, against the BREACH attack.

    BREACH guesses a secret on a page from the page's compressed size. The remedy is by Palacios
    and others ("Heal the Breach", IEEE Access, 2022).
    """
    packed, padding = BytesIO(), token_hex(1 + randbelow(MOST_PADDING))
    with gzip.GzipFile(padding, "wb", LEVEL, packed, mtime=0) as file:
        file.write(body)
    return packed.getvalue()
