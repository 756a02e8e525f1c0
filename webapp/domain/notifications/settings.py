"""Settings of the Notifications page: recipients by topic, alert steps, and formats."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from zoneinfo import available_timezones

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.topics import MOST_ADDRESSES, Recipient, Topic, unreached
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.field_tables import (
    Errors,
    Field,
    Form,
    Listed,
    Show,
    Table,
    read_amount,
    table_of,
)
from webapp.domain.shared.i18n import NAMES as LANGUAGES
from webapp.domain.shared.money import AmountFormat
from webapp.domain.top_ups.settings import LowBalanceSettings

MOST_STEPS = 3

LOCALES: Mapping[str, str] = {
    "en_US": "$1,234.50",
    "en_IE": "US$1,234.50",
    "en_CA": "US$1,234.50",
    "de_DE": "1.234,50 $",
    "de_CH": "$ 1’234.50",
    "fr_FR": "1 234,50 $US",
    "es_ES": "1234,50 US$",
    "pl_PL": "1 234,50 USD",
    "sv_SE": "1 234,50 US$",
}
"""The number formats on offer, each with an example."""


@cache
def time_zones() -> Mapping[str, str]:
    """Return the time zones on offer, sorted, with their names."""
    return {zone: zone.replace("_", " ") for zone in sorted(available_timezones())}


NOBODY = {
    Topic.RECEIPTS: "At least one address must receive receipts",
    Topic.FAILURES: "At least one address must receive emails about failed payments",
    Topic.WIRES: "At least one address must receive emails about wire transfers",
}


@dataclass(frozen=True, kw_only=True)
class Recipients(Field):
    """Rows of an address and its topics, "address-0" and "topics-0"; an empty address is no row."""

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> tuple[Recipient, ...]:
        return self.rows(form)

    def rows(self, form: Form) -> tuple[Recipient, ...]:
        rows = []
        for number in range(MOST_ADDRESSES + 1):
            address = form.get(f"address-{number}", "").strip().lower()
            chosen = set(form.getlist(f"topics-{number}")) & set(Topic)
            if address:
                rows.append(Recipient(address, frozenset(Topic(topic) for topic in chosen)))
        return tuple(rows)

    def typed(self, form: Form, saved: object) -> tuple[Recipient, ...]:
        return self.rows(form)

    def text(self, value: tuple[Recipient, ...], amounts: AmountFormat) -> tuple[Recipient, ...]:
        return value

    def stored(self, value: tuple[Recipient, ...]) -> dict[str, list[str]]:
        return {recipient.address: sorted(recipient.topics) for recipient in value}

    def change(self, before: object, after: Iterable[str], show: Show) -> str:
        return f"{self.noun}: {', '.join(after) or 'none'}"


@dataclass(frozen=True, kw_only=True)
class Steps(Field):
    """Amounts, "step-0" to "step-2"; empty ones do not count."""

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> tuple[int, ...]:
        names = [f"step-{number}" for number in range(MOST_STEPS)]
        steps = [read_amount(form, name, errors, amounts) for name in names]
        return tuple(sorted((step for step in steps if step is not None), reverse=True))

    def typed(self, form: Form, saved: object) -> tuple[str, ...]:
        return tuple(form.get(f"step-{number}", "") for number in range(MOST_STEPS))

    def text(self, value: tuple[int, ...], amounts: AmountFormat) -> tuple[str, ...]:
        steps = [amounts.field(step) for step in value]
        return (*steps, *[""] * (MOST_STEPS - len(steps)))

    def change(self, before: object, after: Iterable[int], show: Show) -> str:
        return f"{self.noun}: {', '.join(map(show, after)) or 'none'}"


@dataclass(frozen=True)
class NotificationSettings:
    """The settings that a person submits on the Notifications page: the field table."""

    recipients: tuple[Recipient, ...] = Recipients.field(label="Recipients")
    steps: tuple[int, ...] = Steps.field(label="More low-balance alerts")
    """Additional thresholds of the low balance alert, in micros, highest first."""
    time_zone: str = Listed.field(
        label="Time zone", entries=time_zones, refusal="Choose a time zone from the list"
    )
    locale: str = Listed.field(
        label="Number format",
        entries=lambda: LOCALES,
        refusal="Choose a format from the list",
    )
    language: str = Listed.field(
        label="Email language",
        entries=lambda: LANGUAGES,
        refusal="Choose a language from the list",
    )

    @classmethod
    def of(cls, account: Account, settings: LowBalanceSettings) -> "NotificationSettings":
        of_account = {name: getattr(account, name) for name in ACCOUNT_FIELDS}
        return cls(account.recipients, tuple(settings.notification_steps), **of_account)

    @property
    def seal(self) -> str:
        """Digest of the settings, sent with the form to detect a stale submission."""
        values = [field.stored(getattr(self, name)) for name, field in FIELDS.items()]
        return sha256(repr(values).encode()).hexdigest()

    def faults(self, settings: LowBalanceSettings, account: Account) -> dict[str, str]:
        """Return an error for each invalid field, such as "address-0", "step-1" or "time_zone"."""
        faults = self._faults_of_recipients()
        first, seen = settings.notification_threshold, set[int]()
        for number, step in enumerate(self.steps):
            if first is not None and step >= first:
                faults[f"step-{number}"] = f"Must be below the first alert, {account.show(first)}"
            elif step in seen:
                faults[f"step-{number}"] = "This alert is already in the list"
            seen.add(step)
        for name, field in ACCOUNT_FIELDS.items():
            value = getattr(self, name)
            if value not in field.entries() and value != getattr(account, name):
                faults[name] = field.refusal
        return faults

    def _faults_of_recipients(self) -> dict[str, str]:
        faults: dict[str, str] = {}
        seen = set[str]()
        for number, recipient in enumerate(self.recipients):
            address = recipient.address
            if not is_address(address):
                faults[f"address-{number}"] = "Enter an email address such as ana@example.com"
            elif address in seen:
                faults[f"address-{number}"] = "This address is already in the list"
            seen.add(address)
        if len(self.recipients) > MOST_ADDRESSES:
            faults["recipients"] = f"At most {MOST_ADDRESSES} addresses"
        elif missing := unreached(self.recipients):
            faults["recipients"] = ". ".join(NOBODY[topic] for topic in missing) + "."
        return faults


FIELDS: Table = table_of(NotificationSettings)
ACCOUNT_FIELDS = {name: it for name, it in FIELDS.items() if isinstance(it, Listed)}
"""The fields that are columns of the account and apply everywhere."""
