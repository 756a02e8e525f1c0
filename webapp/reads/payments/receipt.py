"""Contents of a receipt (L6), as frozen when the payment was paid."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import select

from webapp.currencies import minor_unit
from webapp.domain.accounts.account import Account
from webapp.domain.payments import queries
from webapp.domain.payments.payment import KIND_NAMES, Attempt, AttemptState, PaymentKind
from webapp.domain.payments.receipts import Receipt
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.shared.provider import Provider, without_tax


@dataclass(frozen=True)
class ReceiptPaper:
    number: str
    issued: str
    provider: tuple[str, ...]
    """Name, address and tax number, line by line."""
    customer: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    lines: tuple[tuple[str, str], ...]
    """Net amount and tax; empty without a tax rate."""
    total: str
    closing: str

    @property
    def words(self) -> str:
        """Full text, to select fonts by script."""
        values = (value for _, value in self.facts)
        return " ".join([*self.provider, *self.customer, *values, self.closing])


def receipt_label(ctx: Context, payment_id: int) -> str:
    """Return the receipt number, "R-17-000012"; empty if the payment has no receipt."""
    receipt = ctx.session.scalar(select(Receipt).where(Receipt.payment_id == payment_id))
    return receipt.label if receipt else ""


def read_receipt(
    ctx: Context, account_id: int, payment_id: int, provider: Provider
) -> ReceiptPaper:
    """Read a receipt; `provider` is used if the receipt froze none.

    Raises `NotFound`, also for an unpaid payment.
    """
    account = ctx.session.get_one(Account, account_id)
    payment = queries.find_payment(ctx.session, account_id, payment_id)
    receipt = ctx.session.scalar(select(Receipt).where(Receipt.payment_id == payment.id))
    paid = ctx.session.scalar(
        select(Attempt).where(Attempt.payment_id == payment.id, Attempt.state == AttemptState.PAID)
    )
    if receipt is None or paid is None:
        raise NotFound("That receipt")
    facts = receipt.facts
    frozen = _mapping(facts.get("provider"))
    if frozen:
        known = {field.name for field in fields(Provider)}
        provider = Provider(**{k: v for k, v in frozen.items() if k in known})  # type: ignore[arg-type]
    method = str(facts.get("method") or (paid.method.label if paid.method else "Wire transfer"))
    when = _exactly(paid.answered_at or paid.started_at, account)
    rows = [
        ("Payment", payment.reference),
        ("For", str(facts.get("kind") or KIND_NAMES[PaymentKind(payment.kind)])),
        ("Paid with", method),
        ("Paid at", when),
        ("Account", f"{account.name}, no. {account.id}"),
    ]
    if paid.processor_reference:
        rows.append(("Processor reference", paid.processor_reference))
    questions = f" Questions: {provider.email}." if provider.email else ""
    return ReceiptPaper(
        number=receipt.label,
        issued=_day(receipt.issued_at, account),
        provider=named_lines(provider.name, provider.lines, provider.tax_name, provider.tax_number),
        customer=_customer(account, _mapping(facts.get("customer"))),
        facts=tuple(rows),
        lines=_taxed(account, payment.amount, provider),
        total=account.show(payment.amount),
        closing=f"Added to the prepaid balance of {account.name}. Paid in full.{questions}",
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _customer(account: Account, frozen: Mapping[str, object]) -> tuple[str, ...]:
    """Return the frozen billing details, or the current ones if no address was frozen."""
    details = frozen if frozen.get("address") else account.billing_details()
    name, address, number = (
        str(details.get(key) or "") for key in ("name", "address", "tax_number")
    )
    return named_lines(name, address.splitlines(), "Tax", number)


def named_lines(name: str, lines: Sequence[str], tax: str, number: str) -> tuple[str, ...]:
    """Return name and address lines, followed by the tax number if there is one."""
    return (name, *lines, *([f"{tax} no. {number}"] if number else []))


def _taxed(account: Account, amount: int, provider: Provider) -> tuple[tuple[str, str], ...]:
    if not provider.tax_rate:
        return ()
    net = without_tax(amount, provider.tax_rate, minor_unit(account.currency))
    return (
        ("Net", account.show(net)),
        (provider.tax_label, account.show(amount - net)),
    )


def _day(at: datetime, account: Account) -> str:
    then = datetimes.local(at, account.time_zone)
    return f"{then.day} {datetimes.MONTHS[then.month - 1]} {then.year}"


def _exactly(at: datetime, account: Account) -> str:
    then = datetimes.local(at, account.time_zone)
    return f"{_day(at, account)}, {then:%H:%M} {then.tzname()}"
