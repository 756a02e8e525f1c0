"""Wire transfers: the customer's page and requests, and records for operators (L5, L11)."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound, Refusal
from webapp.domain.shared.policy import Policy
from webapp.domain.users.user import User
from webapp.domain.wires import proofs
from webapp.domain.wires import wire as wires
from webapp.domain.wires.bank_details import BankDetails
from webapp.domain.wires.proofs import ProofKind
from webapp.domain.wires.wire import (
    OPEN_STATES,
    STATE_NAMES,
    WireProof,
    WireRequest,
    WireState,
)

PAGE = 50

DEFAULT = 20
"""Suggested amount, as a multiple of the recommended threshold: 1,000.00 by default."""

TONES = {
    WireState.PROOF_UPLOADED: "warn",
    WireState.COMPLETED: "ok",
    WireState.REJECTED: "bad",
}

MATCHED_BY = "Use it as the payment reference, so that we can match your transfer."
USUALLY = "Usually 1 to 3 business days"
PRETEND = "Sandbox: these bank details are not real"

COPIED = ("Payment reference", "Beneficiary", "IBAN", "BIC", "Account number", "Routing number")


@dataclass(frozen=True)
class WireLine:
    name: str
    value: str
    copy: str = ""
    """Text that the copy button copies; empty without a button."""
    hint: str = ""
    is_key: bool = False
    """The line to emphasise: the payment reference."""

    @property
    def spoken(self) -> str:
        """The name within a sentence: "payment reference", but "IBAN"."""
        return self.name if self.name.isupper() else f"{self.name[0].lower()}{self.name[1:]}"


@dataclass(frozen=True)
class WireFile:
    id: int
    name: str
    detail: str
    """ "320 KB · Today, 09:12"."""


@dataclass(frozen=True)
class WireCard:
    """A wire transfer request, open or closed."""

    id: int
    reference: str
    title: str
    """ "Send $1,000.00 to this account"."""
    state: str
    tone: str
    is_open: bool
    can_be_proved: bool
    lines: tuple[WireLine, ...]
    hint: str
    """Hint next to the buttons."""
    history: tuple[tuple[str, str], ...]
    """Events with their time: ("Requested", "Today, 09:12 · Ana Ruiz")."""
    proofs: tuple[WireFile, ...]


@dataclass(frozen=True)
class WireRow:
    id: int
    amount: str
    reference: str
    detail: str
    """ "Today, 09:12 · Ana Ruiz"."""
    state: str
    """ "Completed Wed 14 Oct"."""
    tone: str


@dataclass(frozen=True)
class WireForm:
    amount: str
    """Field text."""
    currency: str
    currencies: tuple[tuple[str, str], ...]
    bounds: str
    request_key: str
    errors: dict[str, str]


@dataclass(frozen=True)
class WiresScreen:
    offered: bool
    card: WireCard | None
    """The newest open request."""
    rows: tuple[WireRow, ...]
    older: int | None
    newer: bool
    form: WireForm


@dataclass(frozen=True)
class StoredProof:
    """A proof-of-payment file to download."""

    file: str
    download_name: str
    """Built from the reference and the file type; the uploaded name is not used."""
    mime_type: str


@dataclass(frozen=True)
class WireRecord:
    """For the operator's command line; amounts are exact decimal strings."""

    id: int
    reference: str
    account: int
    account_name: str
    state: str
    amount: str
    currency: str
    requested_by: str
    requested_at: datetime
    proofs: tuple[str, ...]
    """ "1: transfer.pdf, pdf, 320 KB"."""
    received: str
    """In the wire's currency."""
    rate: str
    credited: str
    """In the account's currency."""
    account_currency: str
    payment: str
    reason: str
    closed_at: datetime | None


def read_wires(
    ctx: Context,
    account_id: int,
    bank: BankDetails | None,
    request_key: str,
    *,
    before: int | None = None,
    amount: str | None = None,
    currency: str = "",
    errors: dict[str, str] | None = None,
) -> WiresScreen:
    """Read one page, newest first; `before` is the last request id of the previous page."""
    account = ctx.session.get_one(Account, account_id)
    query = select(WireRequest).where(WireRequest.account_id == account_id)
    if before is not None:
        query = query.where(WireRequest.id < before)
    found = ctx.session.scalars(query.order_by(WireRequest.id.desc()).limit(PAGE + 1)).all()
    shown = found[:PAGE]
    newest_open = ctx.session.scalar(
        select(WireRequest)
        .where(WireRequest.account_id == account_id, WireRequest.state.in_(OPEN_STATES))
        .order_by(WireRequest.id.desc())
        .limit(1)
    )
    first = newest_open if before is None else None
    return WiresScreen(
        offered=bank is not None,
        card=_card(ctx, account, first, bank) if first is not None else None,
        rows=tuple(_row(ctx, account, wire) for wire in shown),
        older=shown[-1].id if len(found) > PAGE else None,
        newer=before is not None,
        form=_form(account, ctx.policy, request_key, amount, currency, errors or {}),
    )


def read_wire(ctx: Context, account_id: int, wire_id: int, bank: BankDetails | None) -> WireCard:
    """Raises `NotFound`."""
    wire = wires.find(ctx.session, account_id, wire_id)
    return _card(ctx, ctx.session.get_one(Account, account_id), wire, bank)


def read_proof(ctx: Context, account_id: int, wire_id: int, proof_id: int) -> StoredProof:
    """Raises `NotFound`, also for another account's proof."""
    wire = wires.find(ctx.session, account_id, wire_id)
    for number, proof in enumerate(wire.proofs, start=1):
        if proof.id == proof_id:
            return _stored(wire, number, proof)
    raise NotFound("That proof")


def _form(
    account: Account,
    policy: Policy,
    request_key: str,
    amount: str | None,
    currency: str,
    errors: dict[str, str],
) -> WireForm:
    bounds = policy.bounds(account.currency)
    low, high = account.show(bounds.payment_min), account.show(bounds.payment_max)
    offered = wires.currencies_of(account.currency)
    own, *others = offered
    return WireForm(
        amount=account.amounts.field(DEFAULT * bounds.threshold_advice)
        if amount is None
        else amount,
        currency=currency if currency in offered else own,
        currencies=tuple((unit, unit) for unit in offered),
        bounds=f"{low} to {high}, or the equivalent in {' or '.join(others)}",
        request_key=request_key,
        errors=errors,
    )


def _card(ctx: Context, account: Account, wire: WireRequest, bank: BankDetails | None) -> WireCard:
    amount = money.show(wire.amount, wire.currency, account.locale)
    state = STATE_NAMES[WireState(wire.state)]
    payable = wire.is_open and bank is not None
    lines = _bank_lines(wire, amount, bank) if bank and wire.is_open else _outcome(account, wire)
    hint = (PRETEND if bank and bank.pretend else USUALLY) if payable else ""
    return WireCard(
        id=wire.id,
        reference=wire.reference,
        title=f"Send {amount} to this account" if payable else f"Wire transfer of {amount}",
        state=state,
        tone=TONES.get(WireState(wire.state), ""),
        is_open=wire.is_open,
        can_be_proved=wire.is_open and len(wire.proofs) < wires.PROOFS,
        lines=tuple(lines),
        hint=hint,
        history=tuple(_history(ctx, account, wire)),
        proofs=tuple(
            WireFile(
                proof.id,
                proof.name,
                f"{proofs.size_text(proof.size)} · "
                f"{datetimes.since(proof.uploaded_at, account.time_zone, ctx.now)}",
            )
            for proof in wire.proofs
        ),
    )


def _bank_lines(wire: WireRequest, amount: str, bank: BankDetails) -> list[WireLine]:
    lines = [WireLine("Payment reference", wire.reference, wire.reference, MATCHED_BY, is_key=True)]
    for name, value in bank.lines(wire.currency):
        # Bank forms take numbers without spaces.
        typed = value.replace(" ", "") if name != "Beneficiary" else value
        lines.append(WireLine(name, value, typed if name in COPIED else ""))
    return lines


def _outcome(account: Account, wire: WireRequest) -> list[WireLine]:
    lines = [WireLine("Payment reference", wire.reference, wire.reference)]
    if wire.payment is not None and wire.received is not None:
        lines.append(WireLine("Received", money.show(wire.received, wire.currency, account.locale)))
        if wire.rate:
            lines.append(WireLine("Rate", wires.rate_in_words(wire, account.currency)))
        lines += [
            WireLine("Added to your balance", account.show(wire.payment.amount)),
            WireLine("Payment", wire.payment.reference),
        ]
    if wire.reason:
        lines.append(WireLine("Reason", wire.reason))
    return lines


def _history(ctx: Context, account: Account, wire: WireRequest) -> list[tuple[str, str]]:
    steps = [("Requested", _asked(ctx, account, wire))]
    if wire.proved_at is not None:
        uploaded = datetimes.since(wire.proved_at, account.time_zone, ctx.now)
        steps.append((STATE_NAMES[WireState.PROOF_UPLOADED], uploaded))
    if wire.closed_at is not None:
        ended = datetimes.since(wire.closed_at, account.time_zone, ctx.now)
        steps.append((STATE_NAMES[WireState(wire.state)], ended))
    return steps


def _row(ctx: Context, account: Account, wire: WireRequest) -> WireRow:
    state = STATE_NAMES[WireState(wire.state)]
    if wire.closed_at is not None:
        state = f"{state} {datetimes.weekday_and_day(wire.closed_at, account.time_zone, ctx.now)}"
    return WireRow(
        id=wire.id,
        amount=money.show(wire.amount, wire.currency, account.locale),
        reference=wire.reference,
        detail=_asked(ctx, account, wire),
        state=state,
        tone=TONES.get(WireState(wire.state), ""),
    )


def _asked(ctx: Context, account: Account, wire: WireRequest) -> str:
    when = datetimes.since(wire.created_at, account.time_zone, ctx.now)
    user = ctx.session.get(User, wire.requested_by_id) if wire.requested_by_id else None
    return f"{when} · {user.name}" if user else when


def _stored(wire: WireRequest, number: int, proof: WireProof) -> StoredProof:
    kind = ProofKind(proof.kind)
    name = f"{wire.reference}-proof-{number}.{kind.ending}"
    return StoredProof(proof.file, name, kind.mime_type)


# For the operator


def wire_called(ctx: Context, name: str) -> WireRequest:
    """Find a request by id or by its reference, in any spelling. Raises `Refusal`."""
    if name.isascii() and name.isdigit() and len(name) <= 9:
        wire = ctx.session.get(WireRequest, int(name))
    else:
        reference = wires.read_reference(name)
        if reference is None:
            raise Refusal(f"{name} is not a wire transfer reference. Check its spelling.")
        wire = ctx.session.scalar(select(WireRequest).where(WireRequest.reference == reference))
    if wire is None:
        raise NotFound(f"Wire transfer {name}")
    return wire


def read_records(ctx: Context, state: WireState | None) -> list[WireRecord]:
    """Return the requests, oldest first, the order in which operators handle them."""
    query = select(WireRequest, Account).join(Account, Account.id == WireRequest.account_id)
    if state is not None:
        query = query.where(WireRequest.state == state)
    rows = ctx.session.execute(query.order_by(WireRequest.id))
    return [_record(ctx, account, wire) for wire, account in rows]


def read_record(ctx: Context, wire: WireRequest) -> WireRecord:
    return _record(ctx, ctx.session.get_one(Account, wire.account_id), wire)


def read_numbered_proof(wire: WireRequest, number: int | None) -> StoredProof:
    """Return the proof with that number, or the last one. Raises `NotFound`."""
    if not wire.proofs:
        raise NotFound(f"A proof for {wire.reference}")
    number = len(wire.proofs) if number is None else number
    if number > len(wire.proofs):
        raise NotFound(f"Proof {number} for {wire.reference}")
    return _stored(wire, number, wire.proofs[number - 1])


def _record(ctx: Context, account: Account, wire: WireRequest) -> WireRecord:
    user = ctx.session.get(User, wire.requested_by_id) if wire.requested_by_id else None
    return WireRecord(
        id=wire.id,
        reference=wire.reference,
        account=account.id,
        account_name=account.name,
        state=wire.state,
        amount=money.decimal_text(wire.amount),
        currency=wire.currency,
        requested_by=user.name if user else "",
        requested_at=wire.created_at,
        proofs=tuple(
            f"{number}: {proof.name}, {proof.kind}, {proofs.size_text(proof.size)}"
            for number, proof in enumerate(wire.proofs, start=1)
        ),
        received="" if wire.received is None else money.decimal_text(wire.received),
        rate=wire.rate or "",
        credited=money.decimal_text(wire.payment.amount) if wire.payment else "",
        account_currency=account.currency,
        payment=wire.payment.reference if wire.payment else "",
        reason=wire.reason,
        closed_at=wire.closed_at,
    )
