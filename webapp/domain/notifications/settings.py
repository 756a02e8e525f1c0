"""Settings of the Notifications page: recipients by topic, alert steps, and formats."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from zoneinfo import available_timezones

from webapp.domain.accounts.account import Account
from webapp.domain.notifications.topics import MOST_ADDRESSES, Recipient, Topic, unreached
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.i18n import Language
from webapp.domain.top_ups.settings import LowBalanceSettings

MOST_STEPS = 3

LOCALES: Mapping[str, str] = {
    "en_US": "$1,234.50",
    "en_IE": "US$1,234.50",
    "de_DE": "1.234,50 $",
    "fr_FR": "1 234,50 $US",
    "es_ES": "1234,50 US$",
    "sv_SE": "1 234,50 US$",
}
"""The number formats on offer, each with an example."""

NOBODY = {
    Topic.RECEIPTS: "At least one address must receive receipts",
    Topic.FAILURES: "At least one address must receive emails about failed payments",
    Topic.WIRES: "At least one address must receive emails about wire transfers",
}


@dataclass(frozen=True)
class NotificationSettings:
    recipients: tuple[Recipient, ...]
    steps: tuple[int, ...]
    """Additional thresholds of the low balance alert, in micros, highest first."""
    time_zone: str
    locale: str
    language: str
    """Language of emails."""

    @classmethod
    def of(cls, account: Account, settings: LowBalanceSettings) -> "NotificationSettings":
        return cls(
            recipients=account.recipients,
            steps=tuple(settings.notification_steps),
            time_zone=account.time_zone,
            locale=account.locale,
            language=account.language,
        )

    @property
    def seal(self) -> str:
        """Digest of the settings, sent with the form to detect a stale submission."""
        people = [(it.address, sorted(it.topics)) for it in self.recipients]
        form = (self.time_zone, self.locale, str(self.language))
        return sha256(repr((people, self.steps, form)).encode()).hexdigest()

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
        if self.time_zone not in available_timezones():
            faults["time_zone"] = "Choose a time zone from the list"
        if self.locale not in LOCALES and self.locale != account.locale:
            faults["locale"] = "Choose a format from the list"
        if self.language not in set(Language):
            faults["language"] = "Choose a language from the list"
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
