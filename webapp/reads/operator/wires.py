"""Open wire transfers, and one wire transfer, for operators."""

from dataclasses import dataclass, replace

from sqlalchemy import select

from webapp.domain.accounts.account import Account
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import NotFound
from webapp.domain.wires.wire import OPEN_STATES, STATE_NAMES, WireRequest, WireState
from webapp.reads.operator import ZONE


@dataclass(frozen=True)
class WireLine:
    id: int
    account_id: int
    account: str
    reference: str
    amount: str
    when: str
    state: str
    proofs: int


@dataclass(frozen=True)
class WirePage(WireLine):
    currency: str
    account_currency: str
    is_foreign: bool
    expected: str
    """Requested amount, as field text."""
    is_open: bool
    files: tuple[tuple[int, str], ...]
    ended: str


def read_open_wires(ctx: Context) -> tuple[WireLine, ...]:
    """List open requests, those with a proof of payment first."""
    query = (
        select(WireRequest)
        .where(WireRequest.state.in_(OPEN_STATES))
        .order_by(WireRequest.proved_at.is_(None), WireRequest.id)
        .limit(200)
    )
    return tuple(_wire(ctx, wire) for wire in ctx.session.scalars(query))


def read_wire(ctx: Context, wire_id: int) -> WirePage:
    """Raises `NotFound`."""
    wire = ctx.session.get(WireRequest, wire_id)
    if wire is None:
        raise NotFound("That wire transfer")
    line = _wire(ctx, wire)
    account = ctx.session.get_one(Account, wire.account_id)
    ended = (
        f"{line.state} {datetimes.since(wire.closed_at, ZONE, ctx.now)}" if wire.closed_at else ""
    )
    return WirePage(
        **vars(line),
        currency=wire.currency,
        account_currency=account.currency,
        is_foreign=wire.currency != account.currency,
        expected=replace(account.amounts, currency=wire.currency).field(wire.amount),
        is_open=wire.is_open,
        files=tuple((proof.id, proof.name) for proof in wire.proofs),
        ended=ended,
    )


def _wire(ctx: Context, wire: WireRequest) -> WireLine:
    account = ctx.session.get_one(Account, wire.account_id)
    return WireLine(
        id=wire.id,
        account_id=account.id,
        account=account.name,
        reference=wire.reference,
        amount=money.show(wire.amount, wire.currency, account.locale),
        when=datetimes.since(wire.created_at, ZONE, ctx.now),
        state=STATE_NAMES[WireState(wire.state)],
        proofs=len(wire.proofs),
    )
