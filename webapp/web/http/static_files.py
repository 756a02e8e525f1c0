"""The files that never change between two releases: published compressed, cached for good.

Their address holds a digest of all of them, so a browser asks for each once per release, and what
they name by a relative path is found beside them.
"""

import re
import shutil
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from wsgiref.headers import Headers

from flask import Flask
from whitenoise import WhiteNoise
from whitenoise.compress import Compressor
from whitenoise.responders import StaticFile

from webapp.web.http.security_headers import HSTS, POLICY

IMPORT = re.compile(r'@import url\("(?P<path>[^"]+)"\)(?: layer\((?P<layer>[\w.]+)\))?;')
CHARSET = '@charset "UTF-8";'
COMMENT = re.compile(r"\n?/\*(?!!).*?\*/", re.DOTALL)
"""Not "/*!", which holds a licence."""


@lru_cache
def digest_of(folder: Path) -> str:
    """Ten hexadecimal digits that change with any file's name or content."""
    digest = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}:".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


class KeptForGood(WhiteNoise):
    """Files whose address changes with them: no browser compares them with what it has."""

    def get_static_file(self, path: str, url: str, stat_cache: object = None) -> StaticFile:
        file = super().get_static_file(path, url, stat_cache)
        file.alternatives = [
            (encoding, there, [it for it in headers if it[0] not in ("ETag", "Last-Modified")])
            for encoding, there, headers in file.alternatives
        ]
        return file


def serve(app: Flask, folder: Path, *, behind_tls: bool) -> None:
    """Serve `folder`, or what `publish` has made of it, at the app's static address."""

    def wall(headers: Headers, path: str, url: str) -> None:
        headers["X-Content-Type-Options"] = "nosniff"
        if path.endswith(".svg"):  # the only kind that a browser opens as a document
            headers["Content-Security-Policy"] = POLICY
        if behind_tls:
            headers["Strict-Transport-Security"] = HSTS

    app.wsgi_app = KeptForGood(  # type: ignore[method-assign]
        app.wsgi_app,
        root=str(folder),
        prefix=f"{(app.static_url_path or '').strip('/')}/",
        immutable_file_test=lambda path, url: True,
        # The bank's page is shown in a frame without an origin, and fonts ask for leave.
        allow_all_origins=True,
        add_headers_function=wall,
    )


def publish(source: Path, shelf: Path) -> Path:
    """A copy of `source` on the shelf with each style sheet in one piece and all compressed.

    Made once per release; safe to do from two processes at once.
    """
    published = shelf / digest_of(source)
    if published.is_dir():
        return published
    shelf.mkdir(exist_ok=True)
    draft = Path(mkdtemp(dir=shelf))
    shutil.copytree(source, draft, dirs_exist_ok=True)
    for sheet in source.glob("css/*.css"):
        (draft / "css" / sheet.name).write_text(in_one_piece(sheet), encoding="utf-8")
    compressor = Compressor(quiet=True)
    for path in sorted(draft.rglob("*")):
        if path.is_file() and compressor.should_compress(path.name):
            compressor.compress(str(path))
    try:
        draft.rename(published)
    except OSError:  # another process was first
        shutil.rmtree(draft)
    return published


def in_one_piece(sheet: Path) -> str:
    """The style sheet with what it imports in each import's place: one request instead of forty,
    and a tenth fewer bytes without our comments.

    The sheets that are imported from another folder must name files by data or not at all.
    """

    def imported(match: re.Match[str]) -> str:
        text = in_one_piece(sheet.parent / match["path"])
        return f"@layer {match['layer']} {{\n{text}\n}}" if match["layer"] else text

    text = sheet.read_text(encoding="utf-8").removeprefix(CHARSET)
    return IMPORT.sub(imported, COMMENT.sub("", text))
