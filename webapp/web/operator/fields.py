"""Parse the fields of operator forms, and build their messages and errors."""

from flask import request

from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.shared.field_tables import read_amount
from webapp.domain.shared.money import AmountFormat
from webapp.reads.message import Message
from webapp.reads.payments.outcome import Outcome
from webapp.web.payment_methods.responses import fields_of


def errors_of(refusal: Refusal | None) -> dict[str, str]:
    return (fields_of(refusal) or {"reason": refusal.sentence}) if refusal else {}


def message_with(words: str, outcome: Outcome | None) -> Message:
    """A message that ends with the outcome of the refill that the press started, if any (T18)."""
    if outcome is None:
        return Message(words)
    sentence = outcome.sentence.replace("Your balance", "The balance")
    return Message(f"{words} {sentence}", outcome.tone)


def amount_in_form(amounts: AmountFormat) -> int:
    amount = optional_amount("amount", amounts)
    if amount is None:
        raise Invalid({"amount": "Enter an amount"})
    return amount


def optional_amount(name: str, amounts: AmountFormat) -> int | None:
    errors: dict[str, str] = {}
    amount = read_amount(request.form, name, errors, amounts)
    if errors:
        raise Invalid(errors)
    return amount
