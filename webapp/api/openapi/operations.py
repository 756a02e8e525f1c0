"""What the OpenAPI document says about each endpoint; `http.resource` registers both at once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from webapp.domain.api_keys.api_key import Scope

JSON = "application/json"
CSV = "text/csv"


class Group(StrEnum):
    """Section headings of the API reference, in order."""

    ACCOUNTS = "Accounts"
    USAGE = "Usage"
    BALANCE = "Balance"
    HOLDS = "Holds"
    METHODS = "Payment methods"
    SETTINGS = "Low balance settings"
    PAYMENTS = "Payments"
    STATEMENT = "Statement and activity"
    WEBHOOKS = "Webhooks"
    SANDBOX = "Sandbox"


@dataclass(frozen=True)
class Link:
    """An OpenAPI link: a value of this response is a parameter of another operation."""

    operation: str
    parameter: str = ""
    at: str = ""
    """JSON pointer of the value, such as "/id"."""


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    """With the parameters in Flask's notation: `/api/v1/holds/<path:reference>`."""
    name: str
    """The handler's name, which is the operation id."""
    group: Group
    summary: str
    scopes: tuple[Scope, ...]
    """The API key needs one of them: at most one of an account's, and one of the provider's."""
    words: str
    """The description, from the handler's docstring."""
    answer: Any = None
    """Type of the success response; None without a body."""
    status: int = 200
    also: Mapping[int, str] = field(default_factory=dict)
    """Other success statuses, each with its description."""
    body: tuple[Any, ...] = ()
    """Types of the request body, of which it must match one."""
    body_is_optional: bool = False
    query: Any = None
    """Type of the query parameters."""
    csv: str = ""
    """Example of a CSV body, if CSV is accepted too."""
    examples: Mapping[str, object] = field(default_factory=dict)
    """Example bodies by name; the reference page shows the first."""
    problems: tuple[str, ...] = ()
    """Problem codes in addition to those that `document.codes_of` derives."""
    problem: Any = None
    """Type of the 402, 409, 412 and 422 responses, if they extend `ProblemDetails`."""
    requires_key: bool = False
    """The request requires an `Idempotency-Key`: it charges, so a blind repeat must not."""
    if_match: bool = False
    """The request requires `If-Match`."""
    shows_secret: bool = False
    """The response contains a secret, so it is not kept for a repeat."""
    links: Mapping[str, Link] = field(default_factory=dict)

    @property
    def is_repeatable(self) -> bool:
        """Whether it accepts an `Idempotency-Key`: PATCH debits what was used (V6)."""
        return self.method in ("POST", "PATCH")

    @property
    def has_etag(self) -> bool:
        return self.method == "GET" or self.if_match


def operation_of(view: object) -> Operation | None:
    return getattr(view, "operation", None)
