"""Static files: bundled, compressed and cached forever.

Their URLs contain a digest of all static files, so browsers load each file once per release, and
relative paths between files keep working.
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

IMPORT = re.compile(r'@import url\("(?P<path>[^"]+)"\);')
COMMENT = re.compile(r"\n?/\*.*?\*/", re.DOTALL)


@lru_cache
def digest_of(folder: Path) -> str:
    """Ten hexadecimal digits that change with any file's name or content."""
    digest = sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}:".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


class ImmutableFiles(WhiteNoise):
    """Serves files without ETag and Last-Modified: their URLs change with their content."""

    def get_static_file(self, path: str, url: str, stat_cache: object = None) -> StaticFile:
        file = super().get_static_file(path, url, stat_cache)
        file.alternatives = [
            (encoding, path, [item for item in headers if item[0] not in ("ETag", "Last-Modified")])
            for encoding, path, headers in file.alternatives
        ]
        return file


def serve(app: Flask, folder: Path, *, behind_tls: bool) -> None:
    """Serve `folder`, or the result of `publish`, at the app's static URL."""

    def add_headers(headers: Headers, path: str, url: str) -> None:
        headers["X-Content-Type-Options"] = "nosniff"
        if path.endswith(".svg"):  # the only type that browsers open as a document
            headers["Content-Security-Policy"] = POLICY
        if behind_tls:
            headers["Strict-Transport-Security"] = HSTS

    app.wsgi_app = ImmutableFiles(  # type: ignore[method-assign]
        app.wsgi_app,
        root=str(folder),
        prefix=f"{(app.static_url_path or '').strip('/')}/",
        immutable_file_test=lambda path, url: True,
        # The sandbox bank's page is in a frame with an opaque origin, and fonts need CORS there.
        allow_all_origins=True,
        add_headers_function=add_headers,
    )


def publish(source: Path, target: Path) -> Path:
    """Copy `source` to a folder in `target`, with bundled style sheets and compressed files.

    Done once per release; two processes may run it at once.
    """
    published = target / digest_of(source)
    if published.is_dir():
        return published
    target.mkdir(exist_ok=True)
    draft = Path(mkdtemp(dir=target))
    shutil.copytree(source, draft, dirs_exist_ok=True)
    for sheet in source.glob("css/*.css"):
        (draft / "css" / sheet.name).write_text(bundle(sheet), encoding="utf-8")
    compressor = Compressor(quiet=True)
    for path in sorted(draft.rglob("*")):
        if path.is_file() and compressor.should_compress(path.name):
            compressor.compress(str(path))
    try:
        draft.rename(published)
    except OSError:  # another process was first
        shutil.rmtree(draft)
    return published


def bundle(sheet: Path) -> str:
    """The style sheet with its imports inlined, and without comments.

    That saves forty requests and a tenth of the bytes. Sheets that are imported from another
    folder must not refer to files by relative URL.
    """

    def imported(match: re.Match[str]) -> str:
        return bundle(sheet.parent / match["path"])

    return IMPORT.sub(imported, COMMENT.sub("", sheet.read_text(encoding="utf-8")))
