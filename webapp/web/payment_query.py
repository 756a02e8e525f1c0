"""The filters of the payments' list in its address. What cannot be read counts as not sent."""

from datetime import date
from enum import StrEnum
from typing import TypeVar

from flask import request

from webapp.domain import texts
from webapp.domain.payments import PaymentKind
from webapp.reads.payment_filters import LONGEST_TEXT, Filters, Order, Shown
from webapp.web import forms

Word = TypeVar("Word", bound=StrEnum)

YEARS = range(2000, 3000)


def filters() -> Filters:
    return Filters(
        first=day("from"),
        last=day("to"),
        method_id=request.args.get("method", type=forms.record_id),
        state=word("state", Shown),
        kind=word("kind", PaymentKind),
        text=text("q"),
        order=word("sort", Order) or Order.NEWEST,
    )


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


def text(name: str) -> str:
    found = " ".join(request.args.get(name, "").split())
    return "" if texts.fault(found, LONGEST_TEXT) else found
