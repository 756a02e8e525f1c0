"""Wire transfers in tests, through the product's own actions."""

from secrets import token_hex

from sqlalchemy import select

from tests.factories import World, micros
from webapp.actions.wires.add_proof import add_proof
from webapp.actions.wires.cancel_wire import cancel_wire
from webapp.actions.wires.complete_wire import complete_wire
from webapp.actions.wires.reject_wire import reject_wire
from webapp.actions.wires.request_wire import request_wire
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Actor
from webapp.domain.wires.wire import WireRequest, parse_rate

PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00"
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
HTML = b"<!doctype html><script>alert(1)</script>"

OPERATOR = Actor(name="Operator")


def ask(world: World, amount="1000.00", currency="USD", key=None) -> WireRequest:
    return request_wire(
        world.ctx,
        world.account_id,
        micros(amount),
        currency,
        key or token_hex(16),
        world.services.bank,
    )


def prove(world: World, wire: WireRequest, content=PDF, name="transfer.pdf") -> WireRequest:
    return add_proof(world.ctx, world.account_id, wire.id, name, content, world.services.proofs)


def complete(world: World, wire: WireRequest, amount="1000.00", received=None, rate=None) -> bool:
    return complete_wire(
        world.ctx.by(OPERATOR),
        wire.id,
        micros(amount),
        received=micros(received),
        rate=parse_rate(rate) if rate else None,
    )


def reject(world: World, wire: WireRequest, reason="Called back by your bank") -> bool:
    return reject_wire(world.ctx.by(OPERATOR), wire.id, reason)


def cancel(world: World, wire: WireRequest) -> WireRequest:
    return cancel_wire(world.ctx, world.account_id, wire.id)


def again(world: World, wire: WireRequest) -> WireRequest:
    """Reload the request from the database."""
    wire_id = wire.id
    world.session.rollback()
    return world.session.get_one(WireRequest, wire_id, populate_existing=True)


def proof_files(world: World) -> list:
    return [path for path in (world.services.settings.home / "proofs").rglob("*") if path.is_file()]


def audited(world: World) -> list[str]:
    world.session.rollback()
    query = select(EventRow.audit).where(
        EventRow.account_id == world.account_id, EventRow.audit.is_not(None)
    )
    return list(world.session.scalars(query.order_by(EventRow.id)))
