"""The Notifications page, with saved or submitted values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import NOTICE_NAMES, TOPICS
from webapp.domain.notifications.settings import (
    ACCOUNT_FIELDS,
    FIELDS,
    MOST_STEPS,
    NotificationSettings,
)
from webapp.domain.notifications.topics import MOST_ADDRESSES, Topic
from webapp.domain.shared import money
from webapp.domain.shared.context import Context
from webapp.domain.shared.field_tables import Listed
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.reads.top_ups.settings_conflict import changes, who_changed

TOPIC_NAMES: Mapping[Topic, str] = {
    Topic.RECEIPTS: "Receipts",
    Topic.FAILURES: "Failed payments",
    Topic.WIRES: "Wire transfers",
    Topic.LOW_BALANCE: "Low balance",
    Topic.CARDS: "Expiring cards",
}


SAMPLE = 1_234_500_000


@dataclass(frozen=True)
class TopicBox:
    topic: str
    name: str
    is_on: bool


@dataclass(frozen=True)
class RecipientRow:
    number: int
    name: str
    """ "Address 2", or "Another address" for the empty row."""
    address: str
    boxes: tuple[TopicBox, ...]
    error: str


@dataclass(frozen=True)
class StepField:
    number: int
    name: str
    value: str
    error: str
    other: str
    """The saved value, if it changed after the form was opened and differs from the input."""


@dataclass(frozen=True)
class MailSample:
    kind: str
    name: str


@dataclass(frozen=True)
class MailGroup:
    name: str
    samples: tuple[MailSample, ...]


@dataclass(frozen=True)
class NotificationsScreen:
    rows: tuple[RecipientRow, ...]
    """The last row is empty, for another address, up to the maximum."""
    first_step: str
    """ "The first email is sent below $75.00.", or that the notification is off."""
    steps: tuple[StepField, ...]
    symbol: str
    lists: ClassVar[Mapping[str, Listed]] = ACCOUNT_FIELDS
    values: Mapping[str, Any]
    entries: Mapping[str, Mapping[str, str]]
    """Labels by value of each field of `lists`."""
    mails: tuple[MailGroup, ...]
    seal: str
    errors: Mapping[str, str]
    refused: str
    others: Mapping[str, str]
    """Saved values that differ from the input, by field name (P5)."""


@dataclass(frozen=True)
class Typed:
    """Submitted values of a rejected form."""

    values: Mapping[str, Any]
    """By field name, as the form shows them."""
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    seal: str = ""
    """Seal of the settings that the form showed; empty: show the saved values next to it (P5)."""


def read_overtaken(ctx: Context, account_id: int) -> str:
    """Explain why a form was not applied after its settings had changed."""
    account = ctx.session.get_one(Account, account_id)
    last = next(iter(changes(ctx, account_id, "notifications", 1)), None)
    who = who_changed(ctx, account, last)
    return f"{who} Your changes were not applied. What you entered is still here."


def read_notifications(
    ctx: Context, account_id: int, typed: Typed | None = None
) -> NotificationsScreen:
    account = ctx.session.get_one(Account, account_id)
    settings = LowBalanceSettings.of(ctx.session, account_id)
    saved = NotificationSettings.of(account, settings)
    in_force = Typed(
        {name: it.text(getattr(saved, name), account.amounts) for name, it in FIELDS.items()}
    )
    shown = typed or in_force
    others = _others(shown.values, in_force.values) if typed and not typed.seal else {}
    return NotificationsScreen(
        rows=_rows(shown),
        first_step=_first_step(account, settings),
        steps=tuple(_step(number, shown, others) for number in range(MOST_STEPS)),
        symbol=account.amounts.symbol,
        values=shown.values,
        entries={name: _entries(it, account) for name, it in ACCOUNT_FIELDS.items()},
        mails=tuple(MailGroup(TOPIC_NAMES[topic], _samples(topic)) for topic in Topic),
        seal=shown.seal or saved.seal,
        errors=shown.errors,
        refused=shown.refused,
        others=others,
    )


def _rows(shown: Typed) -> tuple[RecipientRow, ...]:
    rows = [
        _row(number, f"Address {number + 1}", it.address, it.topics, shown.errors)
        for number, it in enumerate(shown.values["recipients"])
    ]
    if len(rows) < MOST_ADDRESSES:
        rows.append(_row(len(rows), "Another address", "", frozenset(Topic), shown.errors))
    return tuple(rows)


def _row(
    number: int, name: str, address: str, topics: frozenset[Topic], errors: Mapping[str, str]
) -> RecipientRow:
    boxes = tuple(TopicBox(topic, TOPIC_NAMES[topic], topic in topics) for topic in Topic)
    return RecipientRow(number, name, address, boxes, errors.get(f"address-{number}", ""))


def _first_step(account: Account, settings: LowBalanceSettings) -> str:
    if not settings.notification_on or settings.notification_threshold is None:
        return "Low balance notification is off. These alerts are sent only while it is on."
    return f"The first email is sent below {account.show(settings.notification_threshold)}."


def _step(number: int, shown: Typed, others: Mapping[str, str]) -> StepField:
    key = f"step-{number}"
    error, other = shown.errors.get(key, ""), others.get(key, "")
    value = shown.values["steps"][number]
    return StepField(number, f"Alert {number + 2}", value, error, other)


def _entries(field: Listed, account: Account) -> Mapping[str, str]:
    """Return the options; number formats by an example in the account's currency."""
    if field.name != "locale":
        return field.entries()
    names = dict.fromkeys(field.entries())
    if account.locale not in names:
        names = {account.locale: None, **names}
    return {name: money.show(SAMPLE, account.currency, name) for name in names}


def _others(typed: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, str]:
    """Return the saved value beside each control whose text differs from it."""
    others = {
        f"step-{number}": step or "none"
        for number, step in enumerate(saved["steps"])
        if typed["steps"][number] != step
    }
    if {*typed["recipients"]} != {*saved["recipients"]}:
        others["recipients"] = "; ".join(
            f"{it.address} ({', '.join(TOPIC_NAMES[t] for t in Topic if t in it.topics)})"
            for it in saved["recipients"]
        )
    return others | {
        name: it.entries().get(saved[name], saved[name])
        for name, it in ACCOUNT_FIELDS.items()
        if typed[name] != saved[name]
    }


def _samples(topic: Topic) -> tuple[MailSample, ...]:
    return tuple(
        MailSample(kind, name) for kind, name in NOTICE_NAMES.items() if TOPICS.get(kind) is topic
    )
