"""The Notifications page: as it stands, or as someone is filling it in."""

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
    Topic.CARDS: "Cards that expire",
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
    """The value in force, where another was typed and the settings have changed since."""


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
    """The last one is empty, for another address, as long as there is room."""
    first_step: str
    """ "The first mail goes out below $75.00.", or that notification is off."""
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
    """The values in force beside what was typed, by field name (P5)."""


@dataclass(frozen=True)
class Typed:
    """What a refused form had sent."""

    recipients: tuple[tuple[str, frozenset[str]], ...]
    steps: tuple[str, ...]
    time_zone: str
    locale: str
    language: str
    errors: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    seal: str = ""
    """Of the settings that the form showed; empty: it shows those in force beside it (P5)."""


def read_overtaken(session: Session, account_id: int, user_id: int, now: datetime) -> str:
    """Why nothing was applied of a form whose settings have changed since."""
    account = session.get_one(Account, account_id)
    last = next(iter(changes(session, account_id, "notifications", 1)), None)
    who = who_changed(account, last, user_id, now)
    return f"{who} Nothing of yours was applied. What you entered is kept here."


def read_notifications(
    session: Session, account_id: int, typed: Typed | None = None
) -> NotificationsScreen:
    account = session.get_one(Account, account_id)
    settings = LowBalanceSettings.of(session, account_id)
    standing = NotificationSettings.of(account, settings)
    in_force = _standing(standing)
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
        seal=shown.seal or standing.seal,
        errors=shown.errors,
        refused=shown.refused,
        others=others,
    )


def _standing(settings: NotificationSettings) -> Typed:
    return Typed(
        recipients=tuple((it.address, frozenset(it.topics)) for it in settings.recipients),
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
        return "Low balance notification is off, so these wait until it is on."
    return f"The first mail goes out below {account.show(settings.notification_threshold)}."


def _step(number: int, shown: Typed, others: Mapping[str, str]) -> StepField:
    key = f"step-{number}"
    error, other = shown.errors.get(key, ""), others.get(key, "")
    return StepField(number, f"Step {number + 2}", _step_of(shown, number), error, other)


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
