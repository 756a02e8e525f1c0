"""The numbered events of all accounts, for the provider's programs (V7)."""

from typing import Any

from pydantic import Field

from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Expired, Invalid
from webapp.domain.webhooks import payloads, provider_events
from webapp.domain.webhooks.endpoint import EventKind
from webapp.reads.records.record import Instant, Open, Record


class EventAccount(Record):
    """The account of an event."""

    id: int = Field(description="The account's id.")
    external_id: str | None = Field(description="Your own id of the account, if it has one.")


class EventRecord(Record):
    """An event of an account, as the provider's webhook endpoints receive it."""

    type: Open[EventKind] = Field(description="The name of the event.")
    id: str = Field(description="The `webhook-id` of its deliveries.")
    timestamp: Instant = Field(description="When the event occurred.")
    sequence: int = Field(description="The event's number, without a gap.")
    account: EventAccount = Field(description="The account.")
    data: dict[str, Any] = Field(description="As in the webhook of this type.")


class EventPage(Record):
    """Events in the order of their sequence."""

    events: tuple[EventRecord, ...] = Field(description="The events on this page.")
    next_after: int = Field(
        description="Send it as `after` to continue, now or later. It is beyond the events of "
        "other types, too."
    )
    has_more: bool = Field(description="Whether there are more events now.")


def read_events(ctx: Context, after: int | None, limit: int, kind: str | None = None) -> EventPage:
    """Return the events after a sequence; without one, from the oldest that is kept.

    Call this after `number_events`. Raises `Expired` if some of the events after `after` are no
    longer kept, or `Invalid` if there is no such sequence yet.
    """
    kept = provider_events.numbers(ctx.session)
    if after is None:
        after = max(kept.oldest - 1, 0)
    if after > kept.latest:
        raise Invalid({"after": f"Must be at most {kept.latest}, the latest sequence"})
    if after < kept.oldest - 1:
        sentence = f"The oldest event that is kept has the sequence {kept.oldest}."
        raise Expired(sentence, code="events_expired")
    found = provider_events.after(ctx.session, after, limit + 1, kind)
    has_more, shown = len(found) > limit, found[:limit]
    records = tuple(
        EventRecord.model_validate(payloads.provider_payload(event, sequence, external_id))
        for sequence, event, external_id in shown
    )
    next_after = records[-1].sequence if has_more else kept.latest
    return EventPage(events=records, next_after=next_after, has_more=has_more)
