"""Parse the query string. Invalid values count as not sent."""

from datetime import date
from enum import StrEnum
from typing import TypeVar

from flask import request

from webapp.domain.shared import texts

Choice = TypeVar("Choice", bound=StrEnum)

YEARS = range(2000, 3000)


def day(name: str) -> date | None:
    try:
        found = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return found if found.year in YEARS else None


def choice(name: str, choices: type[Choice]) -> Choice | None:
    try:
        return choices(request.args.get(name, ""))
    except ValueError:
        return None


def line(name: str, longest: int) -> str:
    """A single line of text, with its whitespace collapsed."""
    found = " ".join(request.args.get(name, "").split())
    return "" if texts.fault(found, longest) else found
