"""The pretend processor's own card form: what a person wrote, judged field by field.

It is another company's form as far as the product is concerned: what enters here as a number and
a security code leaves as a token (M7). No sentence here repeats what was written.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from webapp.domain.payment_methods import declines
from webapp.domain.shared import texts
from webapp.processors.sandbox import countries
from webapp.processors.sandbox.books import SandboxBooks
from webapp.processors.sandbox.cards import (
    BEHAVIOURS,
    Adding,
    behaviour_name,
    brand_of,
    has_expired,
    holds_a_number,
    passes_luhn,
    security_code_length,
)
from webapp.processors.sandbox.vault import CardDetails

NOT_OUR_FORM = "This card form is no longer valid. Close it and open it again."

NOT_HERE = "Leave the card number out of this field"

KEPT_FIELDS = ("expiry", "cardholder", "country", "line", "city", "postcode")
"""The others, the number and the security code, are looked at and let go."""

FIELDS = ("number", "security_code", *KEPT_FIELDS)

YEARS_AHEAD = 50
"""No bank dates a card farther ahead; real processors refuse from here on."""

_EXPIRY = re.compile(r"(\d{1,2})\s*/\s*(\d{4}|\d{2})|(\d{2})(\d{2})", re.ASCII)
_LONGEST = {"cardholder": 120, "line": 200, "city": 120}


class CardRefused(Exception):
    """A sentence for each bad field; under "form", what the bank says of the card as a whole."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(f"refused: {', '.join(errors)}")
        self.errors = dict(errors)


def token_for(books: SandboxBooks, fields: Mapping[str, str], now: datetime) -> str:
    """The single-use token for the card in these fields, and for the account of their form (M14).

    Raises `CardRefused`.
    """
    form = fields.get("setup", "")
    account_id = books.vault.account_of(form)
    if form and account_id is None:
        raise CardRefused({"form": NOT_OUR_FORM})
    details = read_card(fields, now)
    behaviour = BEHAVIOURS[behaviour_name(details.number)]
    if behaviour.adding is Adding.REFUSED:
        reason = declines.reason(behaviour.code)
        raise CardRefused({"form": f"{reason.sentence}. {reason.advice}"})
    return books.vault.issue_token(details, now, account_id)


def read_card(fields: Mapping[str, str], now: datetime) -> CardDetails:
    """The card that was written, checked before any bank is asked.

    Raises `CardRefused`.
    """
    given = {name: " ".join(fields.get(name, "").split()) for name in FIELDS}
    number = re.sub(r"[ -]", "", given["number"])
    expiry = _expiry(given["expiry"])
    country = given["country"].upper()
    found = {
        "number": _number_error(number),
        "expiry": _expiry_error(given["expiry"], expiry, now),
        "security_code": _code_error(given["security_code"], brand_of(number)),
        "cardholder": _text_error("cardholder", given, "Enter the name on the card"),
        "country": None if country in countries.names() else "Choose a country",
        "line": _text_error("line", given, "Enter the street and number"),
        "city": _text_error("city", given, "Enter the town or city"),
        "postcode": countries.postcode_error(country, given["postcode"]),
    }
    # M7: these fields are kept, so no number may slip in by them.
    found |= {name: NOT_HERE for name in KEPT_FIELDS if holds_a_number(fields.get(name, ""))}
    errors = {name: error for name, error in found.items() if error}
    if errors or expiry is None:
        raise CardRefused(errors)
    return CardDetails(
        number=number,
        exp_month=expiry[0],
        exp_year=expiry[1],
        cardholder=given["cardholder"],
        address_country=country,
        address_line=given["line"],
        address_city=given["city"],
        address_postcode=given["postcode"].upper(),
    )


def _number_error(number: str) -> str | None:
    if not number:
        return "Enter the card number"
    if not re.fullmatch(r"\d{12,19}", number, re.ASCII):
        return "Enter the digits of the card number, 12 to 19 of them"
    if not passes_luhn(number):
        return "A digit of the card number is missing or mistyped"
    if brand_of(number) is None:
        return "This brand of card is not accepted"
    return None


def _expiry(text: str) -> tuple[int, int] | None:
    """Month and four-digit year of "08 / 28", "8/2028" or "0828"."""
    match = _EXPIRY.fullmatch(text)
    if match is None:
        return None
    month, year = int(match[1] or match[3]), int(match[2] or match[4])
    return (month, year + 2000 if year < 100 else year) if 1 <= month <= 12 else None


def _expiry_error(text: str, expiry: tuple[int, int] | None, now: datetime) -> str | None:
    if not text:
        return "Enter the expiry date"
    if expiry is None:
        return "Enter the expiry date as month and year, such as 08 / 28"
    if expiry[1] > now.year + YEARS_AHEAD:
        return "Check the year of the expiry date"
    # The year first: 0000 is no date to compare with.
    if expiry[1] < now.year - 1 or has_expired(*expiry, now):
        return "This card has expired"
    return None


def _code_error(code: str, brand: str | None) -> str | None:
    length = security_code_length(brand)
    side = "front" if length == 4 else "back"
    if not code:
        return "Enter the security code"
    if not re.fullmatch(rf"\d{{{length}}}", code, re.ASCII):
        return f"Enter the {length} digits on the {side} of the card"
    return None


def _text_error(name: str, given: Mapping[str, str], missing: str) -> str | None:
    if not given[name]:
        return missing
    return texts.fault(given[name], _LONGEST[name]) or None
