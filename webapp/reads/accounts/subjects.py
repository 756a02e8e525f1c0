"""What events are about: links from an event to its subjects, and the events of a subject (E2)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Select, select, union_all
from sqlalchemy.orm import aliased

from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.event import Subject
from webapp.domain.events.rows import EventRow
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.payments.payment import Attempt, Payment, reference_of
from webapp.domain.shared.context import Context
from webapp.domain.wires.wire import WireRequest
from webapp.reads.payments.named_payments import payments_of_attempts

PAGES = {
    Subject.PAYMENT_METHODS: "Payment methods",
    Subject.WIRES: "Wire transfers",
    Subject.STATEMENT: "Statement",
    Subject.BILLING_DETAILS: "Billing details",
    Subject.USERS: "Users",
    Subject.NOTIFICATIONS: "Notifications",
    Subject.API_KEYS: "API keys",
    Subject.WEBHOOKS: "Webhooks",
    Subject.DATA: "Imports",
}
"""Names of the pages that are subjects."""

SETTINGS = "settings"
"""Value of `Link.to` for the payments that a version of the low-balance settings caused."""

_RECORDS: Mapping[Subject, type[Any]] = {
    Subject.PAYMENT: Payment,
    Subject.METHOD: PaymentMethod,
    Subject.WIRE: WireRequest,
}


class SubjectId(NamedTuple):
    """A subject whose events are listed; `id` is a record's."""

    subject: Subject
    id: int | None = None

    def __str__(self) -> str:
        return self.subject if self.id is None else f"{self.subject}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse "method-3" or "users"; None for anything else."""
        if record := re.fullmatch(rf"({'|'.join(_RECORDS)})-([0-9]{{1,9}})", text):
            return cls(Subject(record[1]), int(record[2]))
        return cls(Subject(text)) if text in PAGES else None


@dataclass(frozen=True)
class Link:
    """A link to the page of a subject."""

    to: str
    """A `Subject`, or `SETTINGS` with their version as the id."""
    id: int | None
    words: str


def links_of(ctx: Context, events: Sequence[Any]) -> Mapping[int, tuple[Link, ...]]:
    """Return the links from events to what they are about, by event id.

    The events are rows of `EventRow`, or its columns.
    """
    payments = _payments_of(ctx, events)
    return {event.id: tuple(_links(event, payments.get(event.id))) for event in events}


def _links(event: Any, payment_id: int | None) -> list[Link]:
    found = []
    if payment_id is not None:
        found.append(Link(Subject.PAYMENT, payment_id, reference_of(payment_id)))
    if event.wire_id is not None:
        found.append(Link(Subject.WIRE, event.wire_id, "Wire transfer"))
    if event.method_id is not None:
        label = event.facts.get("method") or "Payment method"
        found.append(Link(Subject.METHOD, event.method_id, str(label)))
    if version := event.facts.get("version"):
        found.append(Link(SETTINGS, int(str(version)), "Payments from these settings"))
    page = kinds.page_of(event)
    if page is not None and all(link.to == SETTINGS for link in found):
        found.append(Link(page, None, PAGES[page]))
    return found


def _payments_of(ctx: Context, events: Sequence[Any]) -> Mapping[int, int]:
    """Return ids of the payments that events are about, by event id."""
    of_attempts = payments_of_attempts(ctx, [event.attempt_id for event in events])
    alone = {event.top_up_id for event in events if _names_only_a_top_up(event)}
    query = select(Payment.top_up_id, Payment.id).where(Payment.top_up_id.in_(alone))
    rows = ctx.session.execute(query) if alone else ()
    of_top_ups = {row.top_up_id: row.id for row in rows}
    found = {}
    for event in events:
        named = of_attempts.get(event.attempt_id or 0)
        payment_id = named.id if named else event.payment_id or of_top_ups.get(event.top_up_id)
        if payment_id is not None:
            found[event.id] = payment_id
    return found


def _names_only_a_top_up(event: Any) -> bool:
    return event.top_up_id is not None and event.attempt_id is None and event.payment_id is None


def is_about(about: SubjectId) -> ColumnElement[bool]:
    """Return the condition for the events of a subject; the caller limits the account."""
    if about.subject is Subject.PAYMENT:
        refill = select(Payment.top_up_id).where(Payment.id == about.id).scalar_subquery()
        return _is_any(
            _IDS.where(_EVENT.payment_id == about.id),
            _OF_ATTEMPTS.where(Attempt.payment_id == about.id),
            _IDS.where(_EVENT.top_up_id == refill),
        )
    if about.subject is Subject.METHOD:
        return _is_any(
            _IDS.where(_EVENT.method_id == about.id),
            _OF_ATTEMPTS.where(Attempt.method_id == about.id),
        )
    if about.subject is Subject.WIRE:
        return EventRow.wire_id == about.id
    codes = [code for code, kind in kinds.AUDITED.items() if kind.shown_on() is about.subject]
    return EventRow.audit.in_(codes)


def _is_any(*queries: Select[int]) -> ColumnElement[bool]:
    # A union, because PostgreSQL uses no index for OR with a subquery.
    return EventRow.id.in_(union_all(*queries))


_EVENT = aliased(EventRow)
_IDS = select(_EVENT.id)
_OF_ATTEMPTS = _IDS.join(Attempt, Attempt.id == _EVENT.attempt_id)


def name_of(ctx: Context, account: Account, about: SubjectId) -> str:
    """Return "P-000012", "Visa •••• 4242" …; empty for another account's record."""
    if about.id is None:
        return PAGES[about.subject]
    found: Payment | PaymentMethod | WireRequest | None
    found = ctx.session.get(_RECORDS[about.subject], about.id)
    if found is None or found.account_id != account.id:
        return ""
    return found.label if isinstance(found, PaymentMethod) else found.reference
