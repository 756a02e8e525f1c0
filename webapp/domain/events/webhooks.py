"""Events about webhook endpoints."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Self

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Subject
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.context import Context
from webapp.domain.webhooks.endpoint import Ended, EventKind


class WebhookEvent(Event):
    page_of = Subject.WEBHOOKS
    url: str


class WebhookAdded(WebhookEvent):
    audit = Audit(Group.DEVELOPERS, "Webhook added")
    events: Sequence[str] = ()
    before: str = ""
    """The URL before a change."""

    def audited(self, account: Account) -> str:
        events = ", ".join(self.events) or "events not recorded"
        moved = f"From {self.before} to" if self.before not in ("", self.url) else "To"
        return f"{moved} {self.url}: {events}."


class WebhookChanged(WebhookAdded):
    audit = Audit(Group.DEVELOPERS, "Webhook changed")


class WebhookSwitched(WebhookEvent):
    audit = Audit(Group.DEVELOPERS, "Webhook switched", "{url}: turned {on}.")
    on: bool


class WebhookRemoved(WebhookEvent):
    audit = Audit(Group.DEVELOPERS, "Webhook removed", "{url}.")


class WebhookRotated(WebhookEvent):
    audit = Audit(Group.DEVELOPERS, "Webhook secret rotated", "{url}.")


class WebhookTested(Event):
    webhook = EventKind.TEST

    def payload(self) -> Mapping[str, object]:
        return {"message": "It works."}


class ProviderWebhookEnded(WebhookEvent):
    """An endpoint of the provider was switched off because its deliveries fail."""

    audit = Audit(Group.DEVELOPERS, "Provider webhook switched off")
    why: str

    def audited(self, account: Account) -> str:
        gone = self.why == Ended.GONE
        why = "the endpoint answered 410 Gone" if gone else "deliveries failed for days"
        return f"{self.url}: {why}."


class WebhookEnded(ProviderWebhookEnded):
    """An endpoint of an account was switched off because its deliveries fail."""

    once = "{key}"
    audit = Audit(Group.DEVELOPERS, "Webhook switched off")
    email_kind = NoticeKind.WEBHOOK_ENDED
    since: datetime
    last: str
    """The last answer, in the language of the email."""
    key: str

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {**super().mailed(ctx, reader), "gone": self.why == Ended.GONE}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        return cls("https://example.com/hooks", Ended.FAILING, now, "HTTP 500", "")
