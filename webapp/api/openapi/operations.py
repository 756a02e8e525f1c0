"""`@operation`: the OpenAPI description of an endpoint, placed on its handler.

`reference.document` collects all of them. Example:

@blueprint.get("/balance")
@operation("Read the balance", Group.BALANCE, Scope.BALANCE_READ, answer=Balance)
def read_balance() -> ResponseReturnValue:
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

JSON = "application/json"
CSV = "text/csv"


class Group(StrEnum):
    """Section headings of the API reference, in order."""

    USAGE = "Usage"
    BALANCE = "Balance"
    HOLDS = "Holds"
    METHODS = "Payment methods"
    SETTINGS = "Low balance settings"
    PAYMENTS = "Payments"
    STATEMENT = "Statement and activity"
    WEBHOOKS = "Webhooks"


@dataclass(frozen=True)
class Link:
    """An OpenAPI link: a value of this response is a parameter of another operation."""

    operation: str
    parameter: str = ""
    at: str = ""
    """JSON pointer of the value, such as "/id"."""


@dataclass(frozen=True)
class Operation:
    summary: str
    group: Group
    scope: str
    """The scope that the API key needs."""
    answer: Any = None
    """Type of the success response; None without a body."""
    status: int = 200
    also: Mapping[int, tuple[str, Any]] = field(default_factory=dict)
    """Other success statuses, each with its description and type."""
    body: Any = None
    """Type of the request body, or a union of types."""
    body_is_optional: bool = False
    csv: str = ""
    """Example of a CSV body, if CSV is accepted too."""
    examples: Mapping[str, object] = field(default_factory=dict)
    """Example bodies by name; the reference page shows the first."""
    query: type | None = None
    problems: tuple[str, ...] = ()
    """Problem codes in addition to those that `document.codes_of` derives."""
    problem: Any = None
    """Type of the 409, 412 and 422 responses, if they extend `ProblemDetails`."""
    if_match: bool = False
    """The request requires `If-Match`."""
    has_etag: bool = False
    links: Mapping[str, Link] = field(default_factory=dict)
    words: str = ""
    """The description, from the handler's docstring."""


def operation(summary: str, group: Group, scope: str, **more: Any) -> Callable[[View], View]:
    def describe(view: View) -> View:
        words = " ".join((view.__doc__ or "").split())
        view.operation = Operation(summary, group, scope, words=words, **more)  # type: ignore[attr-defined]
        return view

    return describe


def operation_of(view: object) -> Operation | None:
    return getattr(view, "operation", None)
