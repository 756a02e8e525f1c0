"""Holds of running calls (T12): open, change, release; usage under the same reference ends one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from flask.typing import ResponseReturnValue

from webapp.actions.usage.change_hold import change_hold as change
from webapp.actions.usage.open_hold import open_hold as open_
from webapp.actions.usage.release_hold import release_hold as release
from webapp.api.http import bodies
from webapp.api.http.answers import answer
from webapp.api.http.authentication import Machine, permit
from webapp.api.http.blueprint import noun
from webapp.api.http.idempotency import repeatable
from webapp.api.openapi import schemas
from webapp.api.openapi.fields import MICROS, Money, Reference, Whole
from webapp.api.openapi.operations import Group, Link, operation
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.holds import LIFE, Hold, HoldState, find
from webapp.extensions import db, services
from webapp.reads.usage.holds import read_hold_summary, read_open_holds

blueprint = noun("holds")

LONGEST = int(LIFE.total_seconds())

EXAMPLE = {"reference": "call-983", "amount": "3.20", "expires_in": 3600}


@dataclass(frozen=True)
class NewHold:
    """What a running call or job is expected to cost."""

    reference: Annotated[str, Reference()]
    """Yours, and the one under which its usage will come."""
    amount: Annotated[int, MICROS]
    """The estimate: above zero, with at most six decimals."""
    expires_in: Annotated[int, Whole(1, LONGEST)] = LONGEST
    """Seconds from now, after which nothing is held any more; a day when left out."""


@dataclass(frozen=True)
class HoldChange:
    """At least one of both."""

    amount: Annotated[int, MICROS] | None = None
    """The new estimate."""
    expires_in: Annotated[int, Whole(1, LONGEST)] | None = None
    """Seconds from now."""


@dataclass(frozen=True)
class HoldRecord:
    """A hold, and what it leaves of the balance."""

    reference: str
    amount: Money
    state: HoldState
    """`open`; `ended` by its usage; `released`; or `expired`."""
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    balance: Money
    """Holds change nothing of it."""
    available: Money
    """The balance without all that is held."""
    currency: str


@dataclass(frozen=True)
class OpenHold:
    reference: str
    amount: Money
    opened_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class HoldList:
    """All that is held, the oldest first."""

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
    also={200: ("It is open already.", HoldRecord)},
    body=NewHold,
    examples={"call": EXAMPLE},
    problems=("conflict", "hold_over", "balance_out_of_range"),
    links=LINKS,
)
@repeatable
def open_hold() -> ResponseReturnValue:
    """A hold changes no balance and triggers no payment. The same again finds it open; under the
    reference of one that is over, or of usage that has been posted, none is opened.
    """
    machine, now = permit(Scope.USAGE_WRITE), services().clock.now()
    sent = schemas.read(NewHold, bodies.read_json())
    lasts = timedelta(seconds=sent.expires_in)
    made = open_(db.session(), machine.account_id, sent.reference, sent.amount, now, lasts)
    return answer(_record(machine, made.hold, now), 201 if made.is_new else 200)


@blueprint.get("/holds")
@operation("List what is held", Group.HOLDS, Scope.BALANCE_READ, answer=HoldList, has_etag=True)
def list_holds() -> ResponseReturnValue:
    machine, now = permit(Scope.BALANCE_READ), services().clock.now()
    found = read_open_holds(db.session(), machine.account_id, now)
    rows = (
        OpenHold(hold.reference, decimal_text(hold.amount), hold.opened_at, hold.expires_at)
        for hold in found
    )
    return answer(HoldList(tuple(rows)))


@blueprint.get(ONE)
@operation("Read a hold", Group.HOLDS, Scope.BALANCE_READ, answer=HoldRecord, has_etag=True)
def read_hold(reference: str) -> ResponseReturnValue:
    machine, now = permit(Scope.BALANCE_READ), services().clock.now()
    return answer(_record(machine, find(db.session(), machine.account_id, reference), now))


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
    """Its estimate, its end, or both."""
    machine, now = permit(Scope.USAGE_WRITE), services().clock.now()
    sent = schemas.read(HoldChange, bodies.read_json())
    if sent.amount is None and sent.expires_in is None:
        raise Invalid({"amount": "Send an amount, or expires_in"})
    lasts = timedelta(seconds=sent.expires_in) if sent.expires_in is not None else None
    hold = change(db.session(), machine.account_id, reference, sent.amount, lasts, now)
    return answer(_record(machine, hold, now))


@blueprint.delete(ONE)
@operation("Release a hold", Group.HOLDS, Scope.USAGE_WRITE, answer=HoldRecord)
def release_hold(reference: str) -> ResponseReturnValue:
    """The call came to nothing. One that is over stays as it ended, and is told so."""
    machine, now = permit(Scope.USAGE_WRITE), services().clock.now()
    hold = release(db.session(), machine.account_id, reference, now)
    return answer(_record(machine, hold, now))


def _record(machine: Machine, hold: Hold, now: datetime) -> HoldRecord:
    account = db.session().get_one(Account, machine.account_id)
    standing = read_hold_summary(db.session(), account, now)
    return HoldRecord(
        reference=hold.reference,
        amount=decimal_text(hold.amount),
        state=hold.standing(now),
        opened_at=hold.opened_at,
        expires_at=hold.expires_at,
        ended_at=hold.ended_at,
        balance=decimal_text(standing.balance),
        available=decimal_text(standing.available),
        currency=machine.currency,
    )
