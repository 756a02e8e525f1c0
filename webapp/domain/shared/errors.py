"""Exceptions with which an action refuses a request. Nothing was changed."""

from collections.abc import Mapping
from datetime import timedelta
from math import ceil
from types import MappingProxyType


class Refusal(Exception):
    """A refusal with a sentence for people and a stable code for programs."""

    code = "refused"
    facts: Mapping[str, object] = MappingProxyType({})
    """Further members of the API's problem document."""

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        if code is not None:
            self.code = code


class NotFound(Refusal):
    """The record does not exist or belongs to another account."""

    code = "not_found"

    def __init__(self, what: str = "It") -> None:
        super().__init__(f"{what} was not found.")


class Denied(Refusal):
    """The person or key lacks the permission."""

    code = "forbidden"


class PaymentRequired(Refusal):
    """Money is missing, or could not be taken. `facts` has the amounts or the payment."""

    code = "payment_required"

    def __init__(
        self, sentence: str, facts: Mapping[str, object], *, code: str | None = None
    ) -> None:
        super().__init__(sentence, code=code)
        self.facts = facts


class PaymentDeclined(PaymentRequired):
    """A payment was made and nothing was paid. The request had its effect and is not repeated."""

    code = "payment_declined"


class Invalid(Refusal):
    """Invalid input, with an error for each invalid field."""

    code = "invalid"

    def __init__(self, fields: dict[str, str]) -> None:
        count = len(fields)
        super().__init__("1 field to fix" if count == 1 else f"{count} fields to fix")
        self.fields = fields

    @property
    def first_error(self) -> str:
        """The first error with its field: "amount: Must be above zero"."""
        return next((f"{name}: {error}" for name, error in self.fields.items()), self.sentence)


class Stale(Refusal):
    """The data was changed meanwhile; the response shows the current state."""

    code = "stale"


class Conflict(Refusal):
    """The request conflicts with the current state or a running operation."""

    code = "conflict"


class Expired(Refusal):
    """What is asked for is older than the retention period."""

    code = "expired"


class TooOften(Refusal):
    """A rate limit is exceeded; the next try is allowed in `seconds`."""

    code = "too_many_requests"

    def __init__(self, what: str, wait: timedelta) -> None:
        self.seconds = ceil(wait.total_seconds())
        minutes = ceil(self.seconds / 60)
        again = "in a minute" if minutes < 2 else f"in {minutes} minutes"
        super().__init__(f"{what}. Try again {again}.")
