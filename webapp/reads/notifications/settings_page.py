"""The Notifications page, with saved or submitted values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import available_timezones

from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import TOPICS, NoticeKind
from webapp.domain.notifications.settings import LOCALES, MOST_STEPS, NotificationSettings
from webapp.domain.notifications.topics import MOST_ADDRESSES, Topic
from webapp.domain.shared import money
from webapp.domain.shared.i18n import NAMES as LANGUAGES
from webapp.domain.shared.i18n import Language
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.reads.top_ups.settings_conflict import changes, who_changed

TOPIC_NAMES: Mapping[Topic, str] = {
    Topic.RECEIPTS: "Receipts",
    Topic.FAILURES: "Failed payments",
    Topic.WIRES: "Wire transfers",
    Topic.LOW_BALANCE: "Low balance",
    Topic.CARDS: "Expiring cards",
}

KIND_NAMES: Mapping[NoticeKind, str] = {
    NoticeKind.LOW_BALANCE: "Low balance",
    NoticeKind.RECEIPT: "Receipt",
    NoticeKind.TAKEN_BACK: "Refund or dispute",
    NoticeKind.METHOD_SUSPENDED: "A payment method was suspended",
    NoticeKind.ALL_FAILED: "All payment methods failed",
    NoticeKind.AUTHENTICATION_REQUIRED: "Your bank asks for confirmation",
    NoticeKind.LIMIT_REACHED: "A limit was reached",
    NoticeKind.PAUSED: "Automatic payments are paused",
    NoticeKind.REFILL_BLOCKED: "A refill cannot be charged",
    NoticeKind.LIMITS_SET: "Limits were set for automatic refills",
    NoticeKind.STILL_UNKNOWN: "An outcome is still unknown",
    NoticeKind.CARD_EXPIRING: "A card expires",
    NoticeKind.WEBHOOK_ENDED: "A webhook was switched off",
    NoticeKind.WIRE_REQUESTED: "Wire transfer requested",
    NoticeKind.WIRE_PROOF: "Proof of payment received",
    NoticeKind.WIRE_COMPLETED: "Wire transfer completed",
    NoticeKind.WIRE_REJECTED: "Wire transfer rejected",
    NoticeKind.WIRE_CANCELLED: "Wire transfer cancelled",
}


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
    time_zone: str
    time_zones: tuple[tuple[str, str], ...]
    locale: str
    locales: tuple[tuple[str, str], ...]
    language: str
    languages: tuple[tuple[str, str], ...]
    mails: tuple[MailGroup, ...]
    seal: str
    errors: Mapping[str, str]
    refused: str
    others: Mapping[str, str]
    """Saved values that differ from the input, by field name (P5)."""


@dataclass(frozen=True)
class Typed:
    """Submitted values of a rejected form."""

    recipients: tuple[tuple[str, frozenset[str]], ...]
    steps: tuple[str, ...]
    time_zone: str
    locale: str
    language: str
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    seal: str = ""
    """Seal of the settings that the form showed; empty: show the saved values next to it (P5)."""


def read_overtaken(session: Session, account_id: int, user_id: int, now: datetime) -> str:
    """Explain why a form was not applied after its settings had changed."""
    account = session.get_one(Account, account_id)
    last = next(iter(changes(session, account_id, "notifications", 1)), None)
    who = who_changed(account, last, user_id, now)
    return f"{who} Your changes were not applied. What you entered is still here."


def read_notifications(
    session: Session, account_id: int, typed: Typed | None = None
) -> NotificationsScreen:
    account = session.get_one(Account, account_id)
    settings = LowBalanceSettings.of(session, account_id)
    saved = NotificationSettings.of(account, settings)
    in_force = _saved(saved)
    shown = typed or in_force
    others = _others(shown, in_force) if typed and not typed.seal else {}
    return NotificationsScreen(
        rows=_rows(shown),
        first_step=_first_step(account, settings),
        steps=tuple(_step(number, shown, others) for number in range(MOST_STEPS)),
        symbol=money.symbol(account.currency, account.locale),
        time_zone=shown.time_zone,
        time_zones=tuple((zone, zone.replace("_", " ")) for zone in sorted(available_timezones())),
        locale=shown.locale,
        locales=_locales(account),
        language=shown.language,
        languages=tuple(LANGUAGES.items()),
        mails=tuple(MailGroup(TOPIC_NAMES[topic], _samples(topic)) for topic in Topic),
        seal=shown.seal or saved.seal,
        errors=shown.errors,
        refused=shown.refused,
        others=others,
    )


def _saved(settings: NotificationSettings) -> Typed:
    return Typed(
        recipients=tuple((one.address, frozenset(one.topics)) for one in settings.recipients),
        steps=tuple(money.field_text(step) for step in settings.steps),
        time_zone=settings.time_zone,
        locale=settings.locale,
        language=settings.language,
    )


def _rows(shown: Typed) -> tuple[RecipientRow, ...]:
    rows = [
        _row(number, f"Address {number + 1}", address, topics, shown.errors)
        for number, (address, topics) in enumerate(shown.recipients)
    ]
    if len(rows) < MOST_ADDRESSES:
        rows.append(_row(len(rows), "Another address", "", frozenset(Topic), shown.errors))
    return tuple(rows)


def _row(
    number: int, name: str, address: str, topics: frozenset[str], errors: Mapping[str, str]
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
    return StepField(number, f"Alert {number + 2}", _step_of(shown, number), error, other)


def _step_of(shown: Typed, number: int) -> str:
    return shown.steps[number] if number < len(shown.steps) else ""


def _others(typed: Typed, in_force: Typed) -> dict[str, str]:
    others = {
        f"step-{number}": _step_of(in_force, number) or "none"
        for number in range(MOST_STEPS)
        if _step_of(typed, number) != _step_of(in_force, number)
    }
    if dict(typed.recipients) != dict(in_force.recipients):
        others["recipients"] = "; ".join(
            f"{address} ({', '.join(TOPIC_NAMES[topic] for topic in Topic if topic in topics)})"
            for address, topics in in_force.recipients
        )
    if typed.time_zone != in_force.time_zone:
        others["time_zone"] = in_force.time_zone.replace("_", " ")
    if typed.locale != in_force.locale:
        others["locale"] = LOCALES.get(in_force.locale, in_force.locale)
    if typed.language != in_force.language:
        others["language"] = LANGUAGES[Language(in_force.language)]
    return others


def _locales(account: Account) -> tuple[tuple[str, str], ...]:
    offered = dict(LOCALES) if account.locale in LOCALES else {account.locale: "", **LOCALES}
    sample = 1_234_500_000
    return tuple((name, money.show(sample, account.currency, name)) for name in offered)


def _samples(topic: Topic) -> tuple[MailSample, ...]:
    return tuple(
        MailSample(kind, name) for kind, name in KIND_NAMES.items() if TOPICS[kind] is topic
    )
