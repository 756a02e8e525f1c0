"""Events about an account: its creation, balance, billing details and views by staff."""

from collections.abc import Mapping, Sequence
from typing import Any

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import FIELDS
from webapp.domain.events.event import Audit, Event, Group
from webapp.domain.shared.money import decimal_text
from webapp.domain.webhooks.endpoint import EventKind


class AccountCreated(Event):
    audit = Audit(Group.ACCOUNT, "Account created", "Owner added.")


class AccountUpdated(Event):
    """The provider changed what it sets about the account (V4)."""

    audit = Audit(Group.OPERATOR, "Account changed")
    changed: Mapping[str, Sequence[Any]]
    """Value before and after, by field of `AccountChoice`."""

    def audited(self, account: Account) -> str:
        parts = [_changed(name, values, account) for name, values in self.changed.items()]
        return f"{'; '.join(parts)}."


class AccountExported(Event):
    audit = Audit(Group.ACCOUNT, "Account exported", "All account data was downloaded.", "exported")


class BillingDetailsChanged(Event):
    audit = Audit(Group.ACCOUNT, "Billing details changed", code="billing_details")
    before: Mapping[str, str]
    after: Mapping[str, str]

    def audited(self, account: Account) -> str:
        values = [it.show(self.after.get(name, ""), account.show) for name, it in FIELDS.items()]
        return f"Billed to {', '.join(filter(None, values))}."


class ViewBegun(Event):
    audit = Audit(Group.OPERATOR, "Account viewed", "Read-only.{because}")
    reason: str


class PageViewed(Event):
    audit = Audit(Group.OPERATOR, "Page viewed", "{page}, read-only.", "viewed")
    page: str


class SecretKeyRotated(Event):
    audit = Audit(Group.OPERATOR, "Secret key replaced", "{secrets} secrets re-encrypted.")
    secrets: int


class BalanceLow(Event):
    """The balance fell below the highest threshold that is on."""

    webhook = EventKind.BALANCE_LOW
    balance: int
    currency: str

    def payload(self) -> Mapping[str, object]:
        return {"balance": decimal_text(self.balance), "balance_currency": self.currency}


class BalanceRecovered(BalanceLow):
    webhook = EventKind.BALANCE_RECOVERED


def _changed(name: str, values: Sequence[Any], account: Account) -> str:
    """ "Credit limit from $0.00 to $50.00"."""
    before, after = values
    if name == "details":
        return "Metadata"
    if name == "credit_limit":
        before, after = account.show(before), account.show(after)
    words = name.replace("_", " ").capitalize().replace(" id", " ID")
    return f"{words} from {_shown(before)} to {_shown(after)}"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
