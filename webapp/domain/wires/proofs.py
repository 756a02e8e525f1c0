"""Proofs of payment. The type of a file is determined by its content, not its name (L5)."""

import re
from enum import StrEnum
from hashlib import sha256

LARGEST = 10 * 1024 * 1024
"""Maximum size of a file in bytes."""

NAME_LENGTH = 120
NAMELESS = "proof"

_MARKS = {
    re.compile(rb"%PDF-\d\.\d"): "pdf",
    re.compile(rb"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", re.DOTALL): "png",
    re.compile(rb"\xff\xd8\xff"): "jpeg",
}
"""First bytes of each type: ISO 32000, 7.5.2; PNG, 5.2 and 5.3; JPEG, B.1.1.3."""


class ProofKind(StrEnum):
    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"

    @property
    def mime_type(self) -> str:
        return "application/pdf" if self is ProofKind.PDF else f"image/{self.value}"

    @property
    def ending(self) -> str:
        return "jpg" if self is ProofKind.JPEG else self.value


def kind_of(content: bytes) -> ProofKind | None:
    for mark, kind in _MARKS.items():
        if mark.match(content):
            return ProofKind(kind)
    return None


def fault(content: bytes) -> str:
    """Return why the file cannot be accepted; empty if it can."""
    if not content:
        return "The file is empty"
    if len(content) > LARGEST:
        return "At most 10 MB"
    if kind_of(content) is None:
        return "Must be a PDF, PNG or JPEG file"
    return ""


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def clean_name(given: str) -> str:
    """Return the last part of a path without unprintable characters; for display only."""
    last = re.split(r"[/\\]", given)[-1]
    name = " ".join("".join(c if c.isprintable() else " " for c in last).split())
    return name[:NAME_LENGTH].strip(". ") or NAMELESS


def size_text(size: int) -> str:
    """ "1.4 MB", "320 KB"."""
    if size >= 1024 * 1024:
        return f"{size / 1024 / 1024:.1f} MB"
    return f"{max(1, round(size / 1024))} KB"
