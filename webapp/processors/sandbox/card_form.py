"""The sandbox processor's card form: validates the fields and returns a token.

The form belongs to the processor, not to the product: card number and security code end here and
are exchanged for a token (M7). No message repeats what was entered.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from babel import Locale

from webapp.domain.payment_methods import declines
from webapp.domain.shared import texts
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
from webapp.processors.sandbox.methods import CardDetails

NOT_OUR_FORM = "This card form is no longer valid. Close it and open it again."

NOT_HERE = "Leave the card number out of this field"

KEPT_FIELDS = ("expiry", "cardholder", "country", "line", "city", "postcode")
"""Fields that are stored. The number and the security code are only checked."""

FIELDS = ("number", "security_code", *KEPT_FIELDS)

YEARS_AHEAD = 50
"""Maximum expiry; real processors refuse later years, too."""

_EXPIRY = re.compile(r"(\d{1,2})\s*/\s*(\d{4}|\d{2})|(\d{2})(\d{2})", re.ASCII)
_LONGEST = {"cardholder": 120, "line": 200, "city": 120}

# CLDR territories that are not countries: groups, test regions, islands of another country.
_NOT_COUNTRIES = frozenset(
    ("AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ")
)

# Format and an example for the error message.
_POSTCODES = {
    "AT": (r"\d{4}", "1010"),
    "AU": (r"\d{4}", "2000"),
    "BE": (r"\d{4}", "1000"),
    "BR": (r"\d{5}-?\d{3}", "01310-100"),
    "CA": (r"[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z][ -]?\d[ABCEGHJ-NPRSTV-Z]\d", "K1A 0B1"),
    "CH": (r"\d{4}", "8001"),
    "CZ": (r"\d{3} ?\d{2}", "110 00"),
    "DE": (r"\d{5}", "10115"),
    "DK": (r"\d{4}", "1050"),
    "ES": (r"\d{5}", "28001"),
    "FI": (r"\d{5}", "00100"),
    "FR": (r"\d{5}", "75001"),
    "GB": (r"GIR ?0AA|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}", "SW1A 1AA"),
    "GR": (r"\d{3} ?\d{2}", "105 57"),
    "HU": (r"\d{4}", "1011"),
    "IE": (r"[A-Z]\d[\dW] ?[A-Z\d]{4}", "D02 AF30"),
    "IN": (r"[1-9]\d{2} ?\d{3}", "110001"),
    "IT": (r"\d{5}", "00118"),
    "JP": (r"\d{3}-?\d{4}", "100-0001"),
    "MX": (r"\d{5}", "06000"),
    "NL": (r"[1-9]\d{3} ?[A-Z]{2}", "1012 AB"),
    "NO": (r"\d{4}", "0150"),
    "NZ": (r"\d{4}", "6011"),
    "PL": (r"\d{2}-?\d{3}", "00-001"),
    "PT": (r"\d{4}-\d{3}", "1100-148"),
    "SE": (r"\d{3} ?\d{2}", "111 22"),
    "SG": (r"\d{6}", "018956"),
    "US": (r"\d{5}(?:-\d{4})?", "10001"),
}

_WITHOUT_POSTCODES = frozenset(
    (
        "AE", "AG", "AO", "AW", "BF", "BI", "BJ", "BO", "BQ", "BS", "BW", "BZ", "CD", "CF", "CG",
        "CI", "CK", "CM", "CW", "DJ", "DM", "ER", "FJ", "GA", "GD", "GH", "GM", "GQ", "GY", "HK",
        "HM", "JM", "KI", "KM", "KN", "KP", "LC", "ML", "MO", "MR", "MW", "NR", "NU", "PA", "QA",
        "RW", "SB", "SC", "SL", "SR", "ST", "SX", "SY", "TD", "TF", "TG", "TK", "TL", "TO", "TV",
        "UG", "VU", "WS", "YE", "ZW",
    )
)  # fmt: skip

_ANY_POSTCODE = r"[A-Z\d][A-Z\d -]{1,11}"


class CardRefused(Exception):
    """Errors by field; "form" is an error of the whole card."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(f"refused: {', '.join(errors)}")
        self.errors = dict(errors)


def token_for(books: SandboxBooks, fields: Mapping[str, str], now: datetime) -> str:
    """Create a single-use token for the card, bound to the form's account (M14).

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


def example_card(number: str, now: datetime) -> dict[str, str]:
    """A filled-in form for a test card, valid at `now` and for two years more."""
    return {
        "number": number,
        "expiry": f"12/{now.year + 2}",
        "security_code": "1" * security_code_length(brand_of(number)),
        "cardholder": "Test Customer",
        "country": "IE",
        "line": "1 Test Street",
        "city": "Dublin",
        "postcode": "D02 AF30",
    }


def read_card(fields: Mapping[str, str], now: datetime) -> CardDetails:
    """Validate the fields, before the bank is asked. Raises `CardRefused`."""
    given = {name: " ".join(fields.get(name, "").split()) for name in FIELDS}
    number = re.sub(r"[ -]", "", given["number"])
    expiry = _expiry(given["expiry"])
    country = given["country"].upper()
    found = {
        "number": _number_error(number),
        "expiry": _expiry_error(given["expiry"], expiry, now),
        "security_code": _code_error(given["security_code"], brand_of(number)),
        "cardholder": _text_error("cardholder", given, "Enter the name on the card"),
        "country": None if country in country_names() else "Choose a country",
        "line": _text_error("line", given, "Enter the street and number"),
        "city": _text_error("city", given, "Enter the town or city"),
        "postcode": postcode_error(country, given["postcode"]),
    }
    # M7: these fields are stored, so they must not contain a card number.
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
    # The year is checked first, because 0000 is not a valid year of a date.
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


@lru_cache(maxsize=8)
def country_names(locale: str = "en") -> dict[str, str]:
    """Names by two-letter code (ISO 3166-1 and XK for Kosovo), sorted by name."""
    territories = {str(code): name for code, name in Locale.parse(locale).territories.items()}
    known = {
        code: name
        for code, name in territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
    }
    return dict(sorted(known.items(), key=lambda item: item[1].casefold()))


def postcode_error(country: str, postcode: str) -> str | None:
    """The error in a postcode of this country, if any."""
    if country in _WITHOUT_POSTCODES:
        return None if len(postcode) <= 20 else "Leave the postal code empty"
    if not postcode:
        return "Enter the postal code"
    shape, example = _POSTCODES.get(country, (_ANY_POSTCODE, ""))
    if re.fullmatch(shape, postcode.upper(), re.ASCII):
        return None
    return f"Enter a postal code such as {example}" if example else "Check the postal code"
