"""What an action answers when it does not do what was asked. Nothing was changed."""

from datetime import timedelta
from math import ceil


class Refusal(Exception):
    """A plain sentence for the person, and a stable code for the machine."""

    code = "refused"

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        if code is not None:
            self.code = code


class NotFound(Refusal):
    """No such record for this account; another account's record is no different."""

    code = "not_found"

    def __init__(self, what: str = "It") -> None:
        super().__init__(f"{what} was not found.")


class Denied(Refusal):
    """Whoever asks may not do this."""

    code = "forbidden"


class Invalid(Refusal):
    """Input that cannot be accepted: an error for each bad field."""

    code = "invalid"

    def __init__(self, fields: dict[str, str]) -> None:
        count = len(fields)
        super().__init__("1 field to fix" if count == 1 else f"{count} fields to fix")
        self.fields = fields


class Stale(Refusal):
    """Someone else changed it meanwhile; the answer carries the fresh state."""

    code = "stale"


class Conflict(Refusal):
    """It clashes with what is already there or under way."""

    code = "conflict"


class TooOften(Refusal):
    """It was tried too often; `seconds` until it may be tried again."""

    code = "too_many_requests"

    def __init__(self, what: str, wait: timedelta) -> None:
        self.seconds = ceil(wait.total_seconds())
        minutes = ceil(self.seconds / 60)
        again = "in a minute" if minutes < 2 else f"in {minutes} minutes"
        super().__init__(f"{what}. Try again {again}.")
