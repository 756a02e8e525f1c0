"""What an endpoint says of itself, beside its handler; `document` makes one page of it all.

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
    """Headings of the document, in its order."""

    USAGE = "Usage"
    BALANCE = "Balance"
    HOLDS = "Holds"
    METHODS = "Payment methods"
    SETTINGS = "Low balance settings"
    PAYMENTS = "Payments"
    BOOKS = "Statement and activity"
    WEBHOOKS = "Webhooks"


@dataclass(frozen=True)
class Link:
    """Where an answer leads on: the parameter of another operation, from a place in this answer."""

    operation: str
    parameter: str = ""
    at: str = ""
    """A JSON pointer: "/id"."""


@dataclass(frozen=True)
class Operation:
    summary: str
    group: Group
    scope: str
    """What its key must be allowed."""
    answer: Any = None
    """The shape of a success; None for one without a body."""
    status: int = 200
    also: Mapping[int, tuple[str, Any]] = field(default_factory=dict)
    """Other successes, by status: when, and their shape."""
    body: Any = None
    """The shape of what is sent, or several that may be."""
    body_is_optional: bool = False
    csv: str = ""
    """A CSV body that is taken as well, by example."""
    examples: Mapping[str, object] = field(default_factory=dict)
    """Bodies by name; the first is the page's."""
    query: type | None = None
    problems: tuple[str, ...] = ()
    """Codes beyond those that its form brings with it."""
    problem: Any = None
    """The shape of its 409 and 422, where they tell more than a problem does."""
    if_match: bool = False
    """It replaces what was read: `If-Match` is asked for."""
    has_etag: bool = False
    links: Mapping[str, Link] = field(default_factory=dict)
    words: str = ""
    """What the handler's own docstring says."""


def operation(summary: str, group: Group, scope: str, **more: Any) -> Callable[[View], View]:
    def describe(view: View) -> View:
        words = " ".join((view.__doc__ or "").split())
        view.operation = Operation(summary, group, scope, words=words, **more)  # type: ignore[attr-defined]
        return view

    return describe


def operation_of(view: object) -> Operation | None:
    return getattr(view, "operation", None)
