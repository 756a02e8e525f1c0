"""What an address asks for. What cannot be read counts as not sent."""

from datetime import date
from enum import StrEnum
from typing import TypeVar

from flask import request

from webapp.domain.shared import texts

Word = TypeVar("Word", bound=StrEnum)

YEARS = range(2000, 3000)


def day(name: str) -> date | None:
    try:
        found = date.fromisoformat(request.args.get(name, ""))
    except ValueError:
        return None
    return found if found.year in YEARS else None


def word(name: str, words: type[Word]) -> Word | None:
    try:
        return words(request.args.get(name, ""))
    except ValueError:
        return None


def line(name: str, longest: int) -> str:
    found = " ".join(request.args.get(name, "").split())
    return "" if texts.fault(found, longest) else found
