"""PDF files, as a download."""

from flask import Response


def download(name: str, data: bytes) -> Response:
    answer = Response(data, mimetype="application/pdf")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
