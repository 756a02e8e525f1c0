"""Test cards of the sandbox by number, test payers by address, and checks of card numbers.

The numbers are the processors' public test cards. Any other valid number of a known brand behaves
like 4242.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum


class Adding(StrEnum):
    """Result of saving the card."""

    SUCCEEDS = "succeeds"
    CHALLENGE = "challenge"
    """The card is saved after a 3-D Secure challenge (M6)."""
    REFUSED = "refused"


class Charging(StrEnum):
    """The bank's answer to a charge."""

    PAYS = "pays"
    DECLINES = "declines"
    WANTS_CUSTOMER = "wants_customer"


@dataclass(frozen=True)
class Behaviour:
    """A card's behaviour; `code` is its decline code."""

    adding: Adding = Adding.SUCCEEDS
    automatic: Charging = Charging.PAYS
    present: Charging = Charging.PAYS
    code: str = ""
    confirmed: Charging = Charging.PAYS
    """The answer after the customer has confirmed."""

    def charging(self, *, customer_present: bool) -> Charging:
        return self.present if customer_present else self.automatic


def _refused(code: str) -> Behaviour:
    return Behaviour(Adding.REFUSED, Charging.DECLINES, Charging.DECLINES, code)


# The books store the behaviour's name, never the number (M7).
BEHAVIOURS = {
    "pays": Behaviour(),
    "pays_after_challenge": Behaviour(Adding.CHALLENGE),
    "challenged_every_time": Behaviour(
        Adding.CHALLENGE,
        Charging.WANTS_CUSTOMER,
        Charging.WANTS_CUSTOMER,
        "authentication_required",
    ),
    "declines_after_challenge": Behaviour(
        Adding.CHALLENGE,
        Charging.DECLINES,
        Charging.WANTS_CUSTOMER,
        "insufficient_funds",
        confirmed=Charging.DECLINES,
    ),
    "declines_when_charged": Behaviour(
        Adding.SUCCEEDS, Charging.DECLINES, Charging.DECLINES, "generic_decline"
    ),
    "insufficient_funds": _refused("insufficient_funds"),
    "generic_decline": _refused("generic_decline"),
    "lost_card": _refused("lost_card"),
    "stolen_card": _refused("stolen_card"),
    "expired_card": _refused("expired_card"),
    "incorrect_cvc": _refused("incorrect_cvc"),
    "processing_error": _refused("processing_error"),
}

TEST_CARDS = {
    "4000002500003155": "pays_after_challenge",
    "4000002760003184": "challenged_every_time",
    "4000008260003178": "declines_after_challenge",
    "4000000000000341": "declines_when_charged",
    "4000000000009995": "insufficient_funds",
    "4000000000000002": "generic_decline",
    "4000000000009987": "lost_card",
    "4000000000009979": "stolen_card",
    "4000000000000069": "expired_card",
    "4000000000000127": "incorrect_cvc",
    "4000000000000119": "processing_error",
}

# Behaviour of payers by the part of the email address before the @; all others pay.
PAYERS = {
    "declined": Behaviour(
        automatic=Charging.DECLINES, present=Charging.DECLINES, code="generic_decline"
    ),
    "confirm": Behaviour(
        automatic=Charging.WANTS_CUSTOMER,
        present=Charging.WANTS_CUSTOMER,
        code="authentication_required",
    ),
}

# First match wins, because Maestro's prefixes overlap with others. The names are those of BRANDS in
# `payment_method.py`; the lengths are those in use (ISO/IEC 7812).
_BRANDS = (
    ("visa", re.compile(r"4(?:\d{12}|\d{15}|\d{18})")),
    ("mastercard", re.compile(r"(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}")),
    ("amex", re.compile(r"3[47]\d{13}")),
    ("discover", re.compile(r"(?:6011|64[4-9]\d|65\d\d)\d{12,15}")),
    ("diners", re.compile(r"(?:30[0-5]|36\d|38\d|39\d)\d{11,16}")),
    ("jcb", re.compile(r"35(?:2[89]|[3-8]\d)\d{12,15}")),
    ("unionpay", re.compile(r"(?:62|81)\d{14,17}")),
    ("maestro", re.compile(r"(?:50|5[6-8]|6[37])\d{10,17}")),
)


def behaviour_name(number: str) -> str:
    return TEST_CARDS.get(number, "pays")


def brand_of(number: str) -> str | None:
    """The brand of a card number, or None."""
    return next((brand for brand, shape in _BRANDS if shape.fullmatch(number)), None)


def passes_luhn(number: str) -> bool:
    """Whether the check digit is correct (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def holds_a_number(text: str) -> bool:
    """Whether the text seems to contain a card number, as when a browser fills the wrong field."""
    runs = re.findall(r"(?a:\d(?:[ -]?\d){11,})", text)
    return any(passes_luhn(re.sub(r"[ -]", "", run)) for run in runs)


def security_code_length(brand: str | None) -> int:
    return 4 if brand == "amex" else 3


def has_expired(exp_month: int, exp_year: int, now: datetime) -> bool:
    """Whether the expiry month has ended in all time zones: at noon UTC on the next 1st (P4)."""
    year, month = divmod(exp_year * 12 + exp_month, 12)
    return now >= datetime(year, month + 1, 1, 12, tzinfo=UTC)
