"""What an event is: facts, and one rendering per channel in which its kind is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import datetime
from enum import StrEnum
from re import sub
from typing import Annotated, Any, ClassVar, NamedTuple, Self, dataclass_transform, get_origin

from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import ABOUT, EventRow
from webapp.domain.events.timeline import Code
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.payment_methods.payment_method import label_in
from webapp.domain.shared.context import Context
from webapp.domain.shared.field_tables import Table
from webapp.domain.webhooks.endpoint import EventKind

Micros = Annotated[int, "micros"]
"""A fact that is shown as an amount of the account's currency."""
Label = Annotated[str, "label"]
"""A fact that is the label of a payment method."""
Text = Annotated[str, "text"]
"""A fact that emails translate."""

NOT_RECORDED = "not recorded"
"""Stands for text that an older row lacks."""


class Subject(StrEnum):
    """What an event can be about (E2): a record, which its columns name, or else a page.

    A page's value is its blueprint's name.
    """

    PAYMENT = "payment"
    METHOD = "method"
    WIRE = "wire"

    PAYMENT_METHODS = "payment_methods"
    """The list of methods and the low-balance settings."""
    WIRES = "wires"
    STATEMENT = "statement"
    BILLING_DETAILS = "billing_details"
    USERS = "users"
    NOTIFICATIONS = "notifications"
    API_KEYS = "api_keys"
    WEBHOOKS = "webhook_endpoints"
    DATA = "data"


class Group(StrEnum):
    """Filters of the audit log, in display order."""

    page: Subject | None
    """The page that shows what the group's kinds change; a kind may name another one."""

    def __new__(cls, value: str, page: Subject | None = None) -> Self:
        group = str.__new__(cls, value)
        group._value_, group.page = value, page
        return group

    SIGN_IN = "Signing in"
    PEOPLE = "Users", Subject.USERS
    OPERATOR = "Your provider"
    ACCOUNT = "Account"
    METHODS = "Payment methods", Subject.PAYMENT_METHODS
    LOW_BALANCE = "Low Balance Settings", Subject.PAYMENT_METHODS
    NOTIFICATIONS = "Notifications", Subject.NOTIFICATIONS
    PAYMENTS = "Payments"
    WIRES = "Wire transfers", Subject.WIRES
    DEVELOPERS = "API keys and webhooks"


class Audit(NamedTuple):
    """How the audit log shows a kind (P2). `sentence` is a template of `Event.words`."""

    group: Group
    title: str
    sentence: str = ""
    code: str = ""
    """Stable, because exported files contain it; by default the event's kind."""


class Line(NamedTuple):
    """How the timeline shows a kind (E1). `sentence` is a template of `Event.words`."""

    code: Code
    sentence: str = ""


@dataclass_transform(frozen_default=True)
class Event:
    """A thing that happened. Its subclasses are frozen dataclasses.

    The fields are the facts as of that time. A field with the name of a column in `ABOUT` says what
    the event is about.
    """

    event_kind: ClassVar[str]
    """The class's name, as in `payment_paid`."""
    page_of: ClassVar[Subject | None] = None
    """The page that shows what the kind changes, if it is not the group's."""
    audit: ClassVar[Audit | None] = None
    audit_code: ClassVar[str | None] = None
    """Code of its audit line, by default the kind's name."""
    timeline: ClassVar[Line | None] = None
    webhook: ClassVar[EventKind | None] = None
    folds: ClassVar[bool] = False
    """Whether a repetition is only counted beside the first event, although that was a webhook."""
    email_kind: ClassVar[NoticeKind | None] = None
    once: ClassVar[str] = ""
    """Template of a key: an account is sent one email of the kind and key."""
    fields_of_type: ClassVar[dict[Any, list[str]]]
    """Fields that are shown in another way than they are stored."""
    of_account: ClassVar[bool] = False
    """Whether a personal email is in the account's language."""

    def __init_subclass__(cls) -> None:
        cls.event_kind = sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        cls.audit_code = cls.audit and (cls.audit.code or cls.event_kind)
        dataclass(frozen=True)(cls)
        cls.fields_of_type = {
            kind: [it.name for it in cls._all() if it.type in (kind, kind | None)]
            for kind in (Micros, Label, Text, datetime)
        }

    @classmethod
    def shown_on(cls) -> Subject | None:
        """Return the page of what the event is about, unless it is about a record (E2)."""
        return cls.page_of or (cls.audit.group.page if cls.audit else None)

    def audited(self, account: Account) -> str:
        """Return the sentence of the audit log."""
        return self.audit.sentence.format_map(self.words(account)) if self.audit else ""

    def line_code(self) -> Code | None:
        """Return the code on the timeline."""
        return self.timeline and self.timeline.code

    def line(self, account: Account) -> str:
        """Return the sentence of the timeline."""
        return self.timeline.sentence.format_map(self.words(account)) if self.timeline else ""

    def payload(self) -> Mapping[str, object]:
        """Return `data` of the webhook's payload."""
        raise NotImplementedError(self.event_kind)

    def provider_payload(self) -> Mapping[str, object]:
        """Return `data` of the provider's payload, which may say more than the customer's (V7)."""
        return self.payload()

    def email_key(self) -> str:
        return self.once.format_map(vars(self))

    def mailed(self, ctx: Context, reader: Any) -> dict[str, object]:
        """Return the email's template variables: the facts, in the language of the reader.

        The reader is the account; of a personal email, unless `of_account`, the user.
        """
        tongue, by_type = reader.translator, self.fields_of_type
        shown = {
            **{name: reader.show(value) for name, value in self._some(by_type[Micros])},
            **{name: label_in(tongue, value) for name, value in self._some(by_type[Label])},
            **{name: tongue.gettext(value) for name, value in self._some(by_type[Text])},
            **{
                name: reader.mailed(value, ctx.now) for name, value in self._some(by_type[datetime])
            },
        }
        facts = {name: "" if value is None else value for name, value in self._plain().items()}
        return {"at": reader.mailed(ctx.now, ctx.now), **facts, **shown}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        """Return an event for the preview of its email."""
        raise NotImplementedError(cls.event_kind)

    def words(self, account: Account) -> dict[str, str]:
        """Return the facts for a template of a sentence; `because` is the reason, if any."""
        words = {
            name: ("on" if value else "off")
            if isinstance(value, bool)
            else ", ".join(map(str, value))
            if isinstance(value, list)
            else str(value)
            for name, value in self._plain().items()
        }
        amounts = self._some(self.fields_of_type[Micros])
        because = f" Reason: {words['reason']}" if words.get("reason") else ""
        return {**words, **{name: account.show(it) for name, it in amounts}, "because": because}

    def columns(self) -> dict[str, Any]:
        """Return the values of the row's columns that come from the fields."""
        facts = self._plain()
        about = {name: facts.pop(name) for name in ABOUT if name in facts}
        return about | {"facts": facts}

    @classmethod
    def of(cls, row: EventRow) -> Self:
        """Return the event of a row, which may be older than some of the facts."""
        values = row.facts | {name: getattr(row, name) for name in ABOUT}
        missing = {it.name: _empty(it.type) for it in cls._all() if it.default is MISSING}
        known = {it.name: _read(it.type, values[it.name]) for it in cls._all() if it.name in values}
        return cls(**missing | known)

    def _plain(self) -> dict[str, Any]:
        """Return the fields as JSON knows them."""
        return {
            name: value.isoformat()
            if isinstance(value, datetime)
            else list(value)
            if isinstance(value, tuple | set | frozenset)
            else value
            for name, value in vars(self).items()
        }

    def _some(self, names: Sequence[str]) -> list[tuple[str, Any]]:
        """Return those of these fields that have a value."""
        values = vars(self)
        return [(name, values[name]) for name in names if values[name] is not None]

    @classmethod
    def _all(cls) -> Sequence[Any]:
        return fields(cls)  # type: ignore[arg-type]


def in_words(table: Table, changed: Mapping[str, Sequence[Any]], account: Account) -> str:
    """Return what was changed in a form; `changed` has a field's value before and after."""
    parts = [
        field.change(changed[name][0], changed[name][1], account.show)
        for name, field in table.items()
        if name in changed
    ]
    text = "; ".join(parts) or "no visible setting changed"
    return f"{text[:1].upper()}{text[1:]}."


def _empty(kind: Any) -> object:
    """Return what stands for a fact that a row lacks."""
    if kind in (str, Label, Text):
        return NOT_RECORDED
    if kind in (int, bool, Micros):
        return 0
    return {Sequence: (), Mapping: {}}.get(get_origin(kind))


def _read(kind: Any, value: Any) -> object:
    is_instant = kind in (datetime, datetime | None) and isinstance(value, str)
    return datetime.fromisoformat(value) if is_instant else value
