"""Events about emails and notification settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Subject, in_words
from webapp.domain.notifications.outbox import NOTICE_NAMES, NoticeKind
from webapp.domain.notifications.settings import FIELDS


class NotificationSettingsApplied(Event):
    audit = Audit(Group.NOTIFICATIONS, "Notifications changed", code="notifications")
    changed: Mapping[str, Sequence[Any]]
    """Value before and after, by field."""

    def audited(self, account: Account) -> str:
        return in_words(FIELDS, self.changed, account)


class Unsubscribed(Event):
    audit = Audit(Group.NOTIFICATIONS, "Unsubscribed by link", "Topic: {topic}.")
    topic: str


class MailEvent(Event):
    page_of = Subject.NOTIFICATIONS
    mail: str
    """Kind of the email."""
    notice: int

    def words(self, account: Account) -> dict[str, str]:
        known = self.mail in set(NoticeKind)
        mail = NOTICE_NAMES[NoticeKind(self.mail)] if known else self.mail
        return {**super().words(account), "mail": mail}


class MailResent(MailEvent):
    audit = Audit(Group.OPERATOR, "Email sent again", "{mail}.{because}")
    reason: str


class MailRead(MailEvent):
    audit = Audit(Group.OPERATOR, "Email viewed", "{mail}, to {recipient}.")
    recipient: str
