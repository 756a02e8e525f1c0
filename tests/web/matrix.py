"""Reads `matrix.txt`, the expected answer for every address, method and role.

The file describes its own format.
"""

from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("matrix.txt")

WORDS = {
    "yes": "any answer below 400 that does not redirect to the sign-in page",
    "in": "redirected to the sign-in page",
    "no": "403",
    "none": "404",
}


@dataclass(frozen=True)
class Row:
    method: str
    rule: str
    """As in Flask: "/billing/attempts/<int:attempt_id>/retry"."""
    answers: dict[str, str]
    """By role."""
    sends: dict[str, str]
    """The form's fields."""


def columns() -> list[str]:
    """Return the roles, in the order of the columns."""
    return next(_lines())[2:]


def read() -> list[Row]:
    lines = _lines()
    who = next(lines)[2:]
    return [_row(who, words) for words in lines]


def matches(expected: str, status: int, location: str) -> bool:
    if expected == "in":
        return status == 303 and location.partition("?")[0] == "/sign-in"
    if expected == "yes":
        return status < 400 and location.partition("?")[0] != "/sign-in"
    return status == int({"no": "403", "none": "404"}.get(expected, expected))


def suggestion(method: str, rule: str) -> str:
    """Return a line to add for a new route."""
    answers = "".join(word.ljust(len(word) + 1) for word in ("?" for _ in columns()))
    return f"{method:<6} {rule}  {answers}"


def _row(who: list[str], words: list[str]) -> Row:
    method, rule, *rest = words
    answers, sends = rest[: len(who)], rest[len(who) :]
    assert len(answers) == len(who), f"{TABLE.name}: {method} {rule} has no answer for everyone"
    for answer in answers:
        known = answer in WORDS or answer.isdigit()
        assert known, f"{TABLE.name}: {method} {rule}: {answer!r} is no answer"
    fields = dict(field.split("=", 1) for field in sends)
    return Row(method, rule, dict(zip(who, answers, strict=True)), fields)


def _lines():
    for line in TABLE.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            yield words
