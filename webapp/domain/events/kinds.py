"""All kinds of events, and the renderings of rows."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from webapp.domain.accounts.account import Account
from webapp.domain.events import (  # noqa: F401
    accounts,
    api_keys,
    notifications,
    payment_methods,
    payments,
    top_ups,
    usage,
    users,
    webhooks,
    wires,
)
from webapp.domain.events.event import Event, Subject
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.outbox import TOPICS, NoticeKind


def _below(kind: type[Event]) -> Iterator[type[Event]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _below(sub)


KINDS: Mapping[str, type[Event]] = {kind.event_kind: kind for kind in _below(Event)}
AUDITED: Mapping[str, type[Event]] = {
    it.audit_code: it for it in KINDS.values() if it.audit_code is not None
}
SAMPLED: Mapping[NoticeKind, type[Event]] = {
    it.email_kind: it for it in reversed(list(KINDS.values())) if it.email_kind in TOPICS
}
"""Emails of topics, which can be previewed."""


def title(code: str) -> str:
    """Return the audit log's title; for a code that this version does not know, its words."""
    kind = AUDITED.get(code)
    return kind.audit.title if kind and kind.audit else code.replace("_", " ").capitalize()


def page_of(row: Any) -> Subject | None:
    """Return the page that shows what the event changed (E2)."""
    kind = KINDS.get(row.kind) or AUDITED.get(row.audit)
    return kind.shown_on() if kind else None


def audited(row: Any, account: Account) -> str:
    """Return the audit log's sentence of a row, which may be an `EventRow` or its columns."""
    kind = AUDITED.get(row.audit)
    return kind.of(row).audited(account) if kind else ""


def line(row: EventRow, account: Account) -> str:
    """Return the timeline's sentence of a row. Rows from before events have only the sentence.

    A newer version may have written a kind that this version does not know.
    """
    sentence = row.facts.get("sentence")
    if sentence is not None:
        return str(sentence)
    kind = KINDS.get(row.kind)
    return kind.of(row).line(account) if kind else f"{title(row.kind)}."


def data(row: EventRow) -> object:
    """Return the payload's `data`. Rows from before events have it as a fact."""
    return row.facts.get("data") or KINDS[row.kind].of(row).payload()


def provider_data(row: EventRow) -> object:
    """Return `data` of the provider's payload (V7)."""
    return row.facts.get("data") or KINDS[row.kind].of(row).provider_payload()


def sample(kind: NoticeKind, account: Account, now: datetime) -> Event:
    """Return an event for the preview of an email. Raises `KeyError` for a personal email."""
    return SAMPLED[kind].sample(account, now)
