"""The numbered events of all accounts, for the provider (V7)."""

from re import fullmatch
from typing import Annotated

from pydantic import Field
from pydantic import WithJsonSchema as Schema

from webapp.actions.webhooks.number_events import number_events
from webapp.api.http.authentication import ProviderClient
from webapp.api.http.queries import Absent, Limit
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, reader
from webapp.api.openapi.operations import Group
from webapp.api.webhook_endpoints import EventName
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.reads.records import events
from webapp.reads.records.events import EventPage


def _sequence(text: str) -> int:
    if fullmatch("[0-9]{1,15}", text):
        return int(text)
    raise ValueError("Must be the sequence of an event")


Sequence = Annotated[
    int,
    reader(_sequence),
    Schema({"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999}),
]


class EventsAsked(Body):
    after: Sequence | Absent = Field(
        None,
        description="Only events after this sequence: `next_after` of the page before. Without it, "
        "from the oldest event that is kept.",
    )
    limit: Limit = Field(50, description="Maximum number of events on the page.")
    type: EventName | Absent = Field(None, description="Only events of this type.")


resource = Resource("events", Group.WEBHOOKS)


@resource.get("/events", "List events", Scope.EVENTS, problems=("events_expired",))
def list_events(ctx: Context, client: ProviderClient, query: EventsAsked) -> EventPage:
    """List the events of all accounts by their sequence, oldest first. They are kept for 90 days.

    The sequence has no gap, and no event appears later under a lower one: a program that was away
    continues where it was.
    """
    number_events(ctx)
    return events.read_events(ctx, query.after, query.limit, query.type)
