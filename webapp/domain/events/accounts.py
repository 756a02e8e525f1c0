"""Events about an account: its creation, balance, billing details and views by staff."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import FIELDS
from webapp.domain.events.event import Audit, Event, Group, Micros
from webapp.domain.shared.money import decimal_text
from webapp.domain.webhooks.endpoint import EventKind


class AccountEvent(Event):
    """The provider is told what it may have set, as of the event; other properties it reads."""

    state: str
    credit_limit: Micros
    max_open_holds: int | None
    currency: str

    @classmethod
    def about(cls, account: Account, **facts: Any) -> Self:
        return cls(
            state=account.state,
            credit_limit=account.credit_limit,
            max_open_holds=account.max_open_holds,
            currency=account.currency,
            **facts,
        )

    def payload(self) -> Mapping[str, object]:
        return {
            "state": self.state,
            "currency": self.currency,
            "credit_limit": decimal_text(self.credit_limit),
            "max_open_holds": self.max_open_holds,
        }


class AccountCreated(AccountEvent):
    audit = Audit(Group.ACCOUNT, "Account created", "Owner added.")
    webhook = EventKind.ACCOUNT_CREATED


class AccountUpdated(AccountEvent):
    """The provider changed properties of the account, other than its state (V4)."""

    audit = Audit(Group.OPERATOR, "Account changed")
    webhook = EventKind.ACCOUNT_UPDATED
    changed: Mapping[str, Sequence[Any]]
    """Value before and after, by field of `AccountChoice`."""

    def audited(self, account: Account) -> str:
        parts = [_changed(name, values, account) for name, values in self.changed.items()]
        return f"{'; '.join(parts)}."

    def payload(self) -> Mapping[str, object]:
        names = ["metadata" if name == "details" else name for name in self.changed]
        return {**super().payload(), "changed": names}


class AccountSuspended(AccountEvent):
    audit = Audit(
        Group.OPERATOR, "Account suspended", "No holds and no automatic payments.{because}"
    )
    webhook = EventKind.ACCOUNT_SUSPENDED
    reason: str = ""


class AccountClosed(AccountEvent):
    audit = Audit(
        Group.OPERATOR, "Account closed", "Nothing is charged, held or added any more.{because}"
    )
    webhook = EventKind.ACCOUNT_CLOSED
    reason: str = ""


class AccountReactivated(AccountEvent):
    """A suspended or closed account is active again."""

    audit = Audit(Group.OPERATOR, "Account active again", "It was {before}.{because}")
    webhook = EventKind.ACCOUNT_UPDATED
    before: str
    """Its state before."""
    reason: str = ""

    def payload(self) -> Mapping[str, object]:
        return {**super().payload(), "changed": ["state"]}


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


class BalanceExhausted(Event):
    """The balance, with the credit limit, is used up: nothing more can be authorised (V7)."""

    webhook = EventKind.BALANCE_EXHAUSTED
    balance: int
    credit_limit: int
    currency: str

    @classmethod
    def about(cls, account: Account) -> Self:
        return cls(account.balance, account.credit_limit, account.currency)

    def payload(self) -> Mapping[str, object]:
        return {
            "balance": decimal_text(self.balance),
            "balance_currency": self.currency,
            "credit_limit": decimal_text(self.credit_limit),
        }


class BalanceRestored(BalanceExhausted):
    webhook = EventKind.BALANCE_RESTORED


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
