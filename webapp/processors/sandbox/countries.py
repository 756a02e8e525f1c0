"""Countries of a billing address: their names and postcode formats."""

import re
from functools import lru_cache

from babel import Locale

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


@lru_cache(maxsize=8)
def names(locale: str = "en") -> dict[str, str]:
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
