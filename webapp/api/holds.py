"""Holds for calls in progress (T12). Usage with the same reference ends a hold."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from webapp.actions.usage.change_hold import change_hold as change
from webapp.actions.usage.open_hold import open_hold as open_
from webapp.actions.usage.release_hold import release_hold as release
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ApiClient
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Body, Micros, Reference, whole
from webapp.api.openapi.operations import Group, Link
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.money import decimal_text
from webapp.domain.usage.holds import LIFE, Hold, HoldState, find
from webapp.reads.records.record import Amount, Currency, Instant, Money, Open, Record
from webapp.reads.usage.holds import read_hold_summary, read_open_holds

LONGEST = int(LIFE.total_seconds())
Seconds = Annotated[int, *whole(1, LONGEST)]

Named = Annotated[str, Field(description="Your reference.")]
Opened = Annotated[Instant, Field(description="When the hold was opened.")]
Expires = Annotated[Instant, Field(description="When the hold expires.")]

ONE = "/holds/<path:reference>"
LINKS = {
    name: Link(name, "reference", "/reference")
    for name in ("read_hold", "change_hold", "release_hold")
}


class NewHold(Body):
    """The expected cost of a call or job in progress."""

    reference: Reference = Field(
        description="Your reference. Post the final usage with the same one."
    )
    amount: Micros = Field(description="The estimated cost: above zero, with at most six decimals.")
    expires_in: Seconds = Field(
        LONGEST, description="Seconds until the hold expires. Default: one day."
    )


class HoldChange(Body):
    """Changes to a hold. At least one field is required."""

    amount: Micros | None = Field(None, description="The new estimated cost.")
    expires_in: Seconds | None = Field(None, description="Seconds from now until the hold expires.")


class HoldRecord(Record):
    """A hold and the account's balance."""

    reference: Named
    amount: Amount
    state: Open[HoldState] = Field(
        description="`open`, `ended` (its usage was posted), `released` or `expired`."
    )
    opened_at: Opened
    expires_at: Expires
    ended_at: Instant | None = Field(description="When the hold ended; null while it is open.")
    balance: Money = Field(description="The account's balance. Holds do not change it.")
    available: Money = Field(description="The balance minus all open holds.")
    currency: Currency


class OpenHold(Record):
    """An open hold."""

    reference: Named
    amount: Amount
    opened_at: Opened
    expires_at: Expires


class HoldList(Record):
    """The account's open holds, oldest first."""

    holds: tuple[OpenHold, ...] = Field(description="All open holds.")


resource = Resource("holds", Group.HOLDS)


@resource.post(
    "/holds",
    "Open a hold",
    Scope.USAGE_WRITE,
    status=201,
    also={200: "The hold is already open."},
    examples={"call": {"reference": "call-983", "amount": "3.20", "expires_in": 3600}},
    problems=("conflict", "hold_over", "balance_out_of_range"),
    links=LINKS,
)
def open_hold(ctx: Context, client: ApiClient, body: NewHold) -> Answer[HoldRecord]:
    """A hold does not change the balance and does not trigger a payment. Repeating the request
    returns the open hold. The request is refused if the reference belongs to a hold that is over
    or to posted usage.
    """
    lasts = timedelta(seconds=body.expires_in)
    made = open_(ctx, client.account_id, body.reference, body.amount, lasts)
    return Answer(_record(ctx, made.hold), 201 if made.is_new else 200)


@resource.get("/holds", "List open holds", Scope.BALANCE_READ)
def list_holds(ctx: Context, client: ApiClient) -> HoldList:
    """List the account's open holds, oldest first."""
    found = read_open_holds(ctx, client.account_id)
    return HoldList(
        holds=tuple(
            OpenHold(
                reference=hold.reference,
                amount=decimal_text(hold.amount),
                opened_at=hold.opened_at,
                expires_at=hold.expires_at,
            )
            for hold in found
        )
    )


@resource.get(ONE, "Read a hold", Scope.BALANCE_READ)
def read_hold(ctx: Context, client: ApiClient, reference: str) -> HoldRecord:
    """Read a hold in any state, with the account's balance."""
    return _record(ctx, find(ctx.session, client.account_id, reference))


@resource.patch(
    ONE,
    "Change a hold",
    Scope.USAGE_WRITE,
    examples={"dearer": {"amount": "4.80"}, "longer": {"expires_in": 7200}},
    problems=("hold_over", "balance_out_of_range"),
)
def change_hold(ctx: Context, client: ApiClient, reference: str, body: HoldChange) -> HoldRecord:
    """Change the estimated cost, the expiry, or both."""
    if body.amount is None and body.expires_in is None:
        raise Invalid({"amount": "Send amount, expires_in or both"})
    lasts = timedelta(seconds=body.expires_in) if body.expires_in is not None else None
    return _record(ctx, change(ctx, client.account_id, reference, body.amount, lasts))


@resource.delete(ONE, "Release a hold", Scope.USAGE_WRITE)
def release_hold(ctx: Context, client: ApiClient, reference: str) -> HoldRecord:
    """Release a hold without usage. A hold that is already over is returned unchanged."""
    return _record(ctx, release(ctx, client.account_id, reference))


def _record(ctx: Context, hold: Hold) -> HoldRecord:
    account = ctx.session.get_one(Account, hold.account_id)
    standing = read_hold_summary(ctx, account)
    return HoldRecord(
        reference=hold.reference,
        amount=decimal_text(hold.amount),
        state=hold.standing(ctx.now),
        opened_at=hold.opened_at,
        expires_at=hold.expires_at,
        ended_at=hold.ended_at,
        balance=decimal_text(standing.balance),
        available=decimal_text(standing.available),
        currency=account.currency,
    )
