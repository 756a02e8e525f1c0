"""Holds for calls in progress (T12). Usage with the same reference ends a hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from flask.typing import ResponseReturnValue

from webapp.actions.usage.change_hold import change_hold as change
from webapp.actions.usage.open_hold import open_hold as open_
from webapp.actions.usage.release_hold import release_hold as release
from webapp.api.http import bodies
from webapp.api.http.answers import answer
from webapp.api.http.authentication import ApiClient, permit
from webapp.api.http.blueprint import api_blueprint
from webapp.api.http.idempotency import repeatable
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import MICROS, Money, Reference, Whole
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.holds import LIFE, Hold, HoldState, find
from webapp.extensions import db, make_context, services
from webapp.reads.usage.holds import read_hold_summary, read_open_holds

blueprint = api_blueprint("holds")

LONGEST = int(LIFE.total_seconds())

EXAMPLE = {"reference": "call-983", "amount": "3.20", "expires_in": 3600}


@dataclass(frozen=True)
class NewHold:
    """The expected cost of a call or job in progress."""

    reference: Annotated[str, Reference()]
    """Your reference. Post the final usage with the same one."""
    amount: Annotated[int, MICROS]
    """The estimated cost: above zero, with at most six decimals."""
    expires_in: Annotated[int, Whole(1, LONGEST)] = LONGEST
    """Seconds until the hold expires. Default: one day."""


@dataclass(frozen=True)
class HoldChange:
    """Changes to a hold. At least one field is required."""

    amount: Annotated[int, MICROS] | None = None
    """The new estimated cost."""
    expires_in: Annotated[int, Whole(1, LONGEST)] | None = None
    """Seconds from now until the hold expires."""


@dataclass(frozen=True)
class HoldRecord:
    """A hold and the account's balance."""

    reference: str
    amount: Money
    state: HoldState
    """`open`, `ended` (its usage was posted), `released` or `expired`."""
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    balance: Money
    """The account's balance. Holds do not change it."""
    available: Money
    """The balance minus all open holds."""
    currency: str


@dataclass(frozen=True)
class OpenHold:
    """An open hold."""

    reference: str
    amount: Money
    opened_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class HoldList:
    """The account's open holds, oldest first."""

    holds: tuple[OpenHold, ...]


LINKS = {
    name: Link(name, "reference", "/reference")
    for name in ("read_hold", "change_hold", "release_hold")
}
ONE = "/holds/<path:reference>"


@blueprint.post("/holds")
@operation(
    "Open a hold",
    Group.HOLDS,
    Scope.USAGE_WRITE,
    status=201,
    answer=HoldRecord,
    also={200: ("The hold is already open.", HoldRecord)},
    body=NewHold,
    examples={"call": EXAMPLE},
    problems=("conflict", "hold_over", "balance_out_of_range"),
    links=LINKS,
)
@repeatable
def open_hold() -> ResponseReturnValue:
    """A hold does not change the balance and does not trigger a payment. Repeating the request
    returns the open hold. The request is refused if the reference belongs to a hold that is over
    or to posted usage.
    """
    client, now = permit(Scope.USAGE_WRITE), services().clock.now()
    sent = schemas.read(NewHold, bodies.read_json())
    lasts = timedelta(seconds=sent.expires_in)
    made = open_(make_context().at(now), client.account_id, sent.reference, sent.amount, lasts)
    return answer(_record(client, made.hold, now), 201 if made.is_new else 200)


@blueprint.get("/holds")
@operation("List open holds", Group.HOLDS, Scope.BALANCE_READ, answer=HoldList, has_etag=True)
def list_holds() -> ResponseReturnValue:
    """List the account's open holds, oldest first."""
    client, now = permit(Scope.BALANCE_READ), services().clock.now()
    found = read_open_holds(make_context().at(now), client.account_id)
    rows = (
        OpenHold(hold.reference, decimal_text(hold.amount), hold.opened_at, hold.expires_at)
        for hold in found
    )
    return answer(HoldList(tuple(rows)))


@blueprint.get(ONE)
@operation("Read a hold", Group.HOLDS, Scope.BALANCE_READ, answer=HoldRecord, has_etag=True)
def read_hold(reference: str) -> ResponseReturnValue:
    """Read a hold in any state, with the account's balance."""
    client, now = permit(Scope.BALANCE_READ), services().clock.now()
    return answer(_record(client, find(db.session(), client.account_id, reference), now))


@blueprint.patch(ONE)
@operation(
    "Change a hold",
    Group.HOLDS,
    Scope.USAGE_WRITE,
    answer=HoldRecord,
    body=HoldChange,
    examples={"dearer": {"amount": "4.80"}, "longer": {"expires_in": 7200}},
    problems=("hold_over", "balance_out_of_range"),
)
def change_hold(reference: str) -> ResponseReturnValue:
    """Change the estimated cost, the expiry, or both."""
    client, now = permit(Scope.USAGE_WRITE), services().clock.now()
    sent = schemas.read(HoldChange, bodies.read_json())
    if sent.amount is None and sent.expires_in is None:
        raise Invalid({"amount": "Send amount, expires_in or both"})
    lasts = timedelta(seconds=sent.expires_in) if sent.expires_in is not None else None
    hold = change(make_context().at(now), client.account_id, reference, sent.amount, lasts)
    return answer(_record(client, hold, now))


@blueprint.delete(ONE)
@operation("Release a hold", Group.HOLDS, Scope.USAGE_WRITE, answer=HoldRecord)
def release_hold(reference: str) -> ResponseReturnValue:
    """Release a hold without usage. A hold that is already over is returned unchanged."""
    client, now = permit(Scope.USAGE_WRITE), services().clock.now()
    hold = release(make_context().at(now), client.account_id, reference)
    return answer(_record(client, hold, now))


def _record(client: ApiClient, hold: Hold, now: datetime) -> HoldRecord:
    account = db.session().get_one(Account, client.account_id)
    standing = read_hold_summary(make_context().at(now), account)
    return HoldRecord(
        reference=hold.reference,
        amount=decimal_text(hold.amount),
        state=hold.standing(now),
        opened_at=hold.opened_at,
        expires_at=hold.expires_at,
        ended_at=hold.ended_at,
        balance=decimal_text(standing.balance),
        available=decimal_text(standing.available),
        currency=client.currency,
    )
