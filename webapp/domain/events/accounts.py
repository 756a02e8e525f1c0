"""Events about an account: its creation, balance, billing details and views by staff."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import FIELDS
from webapp.domain.events.event import Audit, Event, Group, Micros, Subject
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import N_
from webapp.domain.shared.money import decimal_text
from webapp.domain.webhooks.endpoint import EventKind


class AccountEvent(Event):
    """The payload contains what the provider may have set, as of the event."""

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
    reason: str = ""

    def audited(self, account: Account) -> str:
        parts = [_changed(name, values, account) for name, values in self.changed.items()]
        return f"{'; '.join(parts)}.{self.words(account)['because']}"

    def payload(self) -> Mapping[str, object]:
        names = ["metadata" if name == "details" else name for name in self.changed]
        return {**super().payload(), "changed": names}


class StateEvent(AccountEvent):
    """The provider changed the state of the account. Its people are emailed (V4)."""

    once = "{key}"
    what: ClassVar[str]
    """Subject of the email, which the template translates, as it does `follows`."""
    follows: ClassVar[str]
    reason: str = ""
    key: str = ""

    @classmethod
    def at(cls, ctx: Context, account: Account, reason: str, **facts: Any) -> Self:
        return cls.about(account, reason=reason, key=ctx.now.isoformat(), **facts)

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {**super().mailed(ctx, reader), "what": self.what, "follows": self.follows}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        return cls("", 0, None, account.currency, reason="2026-17")


class AccountSuspended(StateEvent):
    audit = Audit(
        Group.OPERATOR, "Account suspended", "No holds and no automatic charges.{because}"
    )
    webhook = EventKind.ACCOUNT_SUSPENDED
    email_kind = NoticeKind.ACCOUNT_STATE
    what = N_("Your account is suspended")
    follows = N_("Nothing is charged automatically. Payments you make yourself still work.")


class AccountClosed(StateEvent):
    audit = Audit(
        Group.OPERATOR, "Account closed", "Nothing is charged, held or added any more.{because}"
    )
    webhook = EventKind.ACCOUNT_CLOSED
    email_kind = NoticeKind.ACCOUNT_STATE
    what = N_("Your account is closed")
    follows = N_(
        "Nothing is charged any more, and your payment methods are removed. "
        "You can still sign in and read statements and receipts."
    )


class AccountReactivated(StateEvent):
    """A suspended or closed account is active again."""

    audit = Audit(Group.OPERATOR, "Account active again", "It was {before}.{because}")
    webhook = EventKind.ACCOUNT_UPDATED
    email_kind = NoticeKind.ACCOUNT_STATE
    what = N_("Your account is active again")
    follows = N_("Automatic refills follow your settings again, if they are on.")
    before: str = ""
    """Its state before."""

    def payload(self) -> Mapping[str, object]:
        return {**super().payload(), "changed": ["state"]}


class AccountErased(Event):
    """The personal data of the closed account was erased."""

    audit = Audit(
        Group.OPERATOR,
        "Personal data erased",
        "Sign-ins erased: {people}. Kept as the law asks: receipts {receipts}, proofs {proofs}.",
    )
    people: int
    receipts: int
    proofs: int


class AccountExported(Event):
    audit = Audit(Group.ACCOUNT, "Account exported", "All account data was downloaded.", "exported")


class BillingDetailsChanged(Event):
    page_of = Subject.BILLING_DETAILS
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
