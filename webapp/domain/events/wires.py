"""Events about wire transfers (L5). The account is emailed about each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group
from webapp.domain.events.payments import PaymentEvent
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import money
from webapp.domain.shared.context import Context
from webapp.domain.shared.money import MICROS
from webapp.domain.webhooks.endpoint import EventKind
from webapp.domain.wires.wire import WireRequest

REFERENCE = "WT-CDFG-HJKX"
"""Of the sample events."""


class WireEvent(Event):
    once = "wire {wire_id}"
    wire: str
    """Reference."""
    amount: int
    currency: str
    wire_id: int

    @classmethod
    def about(cls, wire: WireRequest, **facts: Any) -> Self:
        return cls(wire.reference, wire.amount, wire.currency, wire.id, **facts)

    @classmethod
    def sample(cls, account: Account, now: datetime, **facts: Any) -> Self:
        return cls(REFERENCE, 1000 * MICROS, account.currency, 17, **facts)

    def shown(self, account: Account) -> str:
        return money.show(self.amount, self.currency, account.locale)

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        about = {"request_id": str(self.wire_id), "reference": self.wire}
        return {**super().mailed(ctx, reader), **about, "amount": self.shown(reader)}


class WireRequested(WireEvent):
    audit = Audit(Group.WIRES, "Wire transfer requested")
    email_kind = NoticeKind.WIRE_REQUESTED
    bank: Sequence[Sequence[str]]
    """Names and values of the bank details."""

    def audited(self, account: Account) -> str:
        return f"{self.wire} for {self.shown(account)}."

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        _ = reader.translator.gettext
        bank = [{"label": _(name), "value": value} for name, value in self.bank]
        return {**super().mailed(ctx, reader), "bank": bank}

    @classmethod
    def sample(cls, account: Account, now: datetime, **facts: Any) -> Self:
        provider = account.translator.gettext("Your provider")
        return super().sample(account, now, bank=[("Beneficiary", provider)])


class WireProofAdded(WireEvent):
    audit = Audit(Group.WIRES, "Proof uploaded", "{file} for {wire}.")
    email_kind = NoticeKind.WIRE_PROOF
    file: str
    digest: str

    @classmethod
    def sample(cls, account: Account, now: datetime, **facts: Any) -> Self:
        return super().sample(account, now, file="transfer.pdf", digest="")


class WireCancelled(WireEvent):
    audit = Audit(Group.WIRES, "Wire transfer cancelled", "{wire}.")
    email_kind = NoticeKind.WIRE_CANCELLED

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {**super().mailed(ctx, reader), "by": ctx.actor.name}


class WireRejected(WireEvent):
    audit = Audit(Group.WIRES, "Wire transfer rejected", "{wire}.{because}")
    email_kind = NoticeKind.WIRE_REJECTED
    reason: str

    @classmethod
    def sample(cls, account: Account, now: datetime, **facts: Any) -> Self:
        reason = account.translator.gettext("Your bank recalled the transfer.")
        return super().sample(account, now, reason=reason)


class WireCompleted(PaymentEvent):
    """The email is also the receipt (L6)."""

    once = "wire {wire_id}"
    audit = Audit(Group.WIRES, "Wire transfer completed")
    webhook = EventKind.PAYMENT_SUCCEEDED
    email_kind = NoticeKind.WIRE_COMPLETED
    wire: str
    received: int
    """In the currency of the wire."""
    wire_currency: str
    rate: str | None
    conversion: str
    """ "1 EUR = 1.0842 USD", or empty."""
    wire_id: int
    attempt_id: int
    reason: str = ""

    def audited(self, account: Account) -> str:
        rate = f" at {self.rate}" if self.rate else ""
        template = f"{{wire}}: {{amount}} credited{rate}, {{payment}}.{{because}}"
        return template.format_map(self.words(account))

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        received = money.show(self.received, self.wire_currency, reader.locale)
        about = {"request_id": str(self.wire_id), "reference": self.wire, "received": received}
        return {**super().mailed(ctx, reader), **about, "rate": self.conversion}

    @classmethod
    def sample(cls, account: Account, now: datetime) -> Self:
        amount, currency = 1000 * MICROS, account.currency
        credit = ("P-000012", "wire", amount, currency, None, 149_200_000, 12)
        return cls(*credit, REFERENCE, amount, currency, None, "", 17, 12)
