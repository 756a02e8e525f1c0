"""Holds authorise calls in progress (T12, V5, V6). Usage with the same reference ends a hold."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from webapp.actions.usage.change_hold import change_hold as change
from webapp.actions.usage.open_hold import NewHold as Asked
from webapp.actions.usage.release_hold import release_hold as release
from webapp.api.http.accounts import AccountQuery, OfAccount, account_of, account_to_lock
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import Client, require_metering
from webapp.api.http.idempotency import request_key
from webapp.api.http.problems import ProblemDetails
from webapp.api.http.resource import Resource
from webapp.api.openapi.fields import Micros, MicrosOrZero, Reference, whole
from webapp.api.openapi.operations import Group, Link
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Invalid, Refusal
from webapp.domain.shared.money import DecimalText, decimal_text
from webapp.domain.usage.funds import Funds
from webapp.domain.usage.hold_request import HoldChange as Change
from webapp.domain.usage.hold_request import HoldRequest, Rate
from webapp.domain.usage.holds import LIFE, Hold, HoldState, find
from webapp.extensions import services
from webapp.reads.records.record import Amount, Currency, Instant, Money, Open, Record
from webapp.reads.usage.holds import read_open_holds

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


class NewHold(OfAccount):
    """The cost of a call or job that may start: an amount, or time at a rate."""

    reference: Reference = Field(
        description="Your reference. Post the final usage with the same one."
    )
    amount: Micros | None = Field(
        None,
        description="The amount asked, with at most six decimals. With a rate, the most that the "
        "time may cost. Default: as much as the time until the hold expires costs.",
    )
    rate_per_minute: Micros | None = Field(None, description="The price of a minute.")
    increment: Seconds | None = Field(
        None,
        description="With a rate: time is charged in whole increments of this many seconds. "
        "Default: one.",
    )
    minimum: Micros | None = Field(
        None,
        description="The least amount that may be granted. Default: the amount asked; with a rate, "
        "one increment.",
    )
    expires_in: Seconds = Field(
        LONGEST,
        description="Seconds until the hold expires. No longer time is granted. Default: one day.",
    )


class HoldChange(OfAccount):
    """A report of use, a request for the next part, or both. At least one field is required."""

    used: MicrosOrZero | None = Field(
        None,
        description="The cost since the last report. It is debited, whether or not the next part "
        "is granted.",
    )
    used_total: MicrosOrZero | None = Field(
        None,
        description="Instead of `used`: the cost since the start. What earlier reports have not "
        "debited is debited, so that a report can be repeated, late or out of order.",
    )
    amount: Micros | None = Field(
        None, description="The amount asked for the next part. Default: as last time."
    )
    rate_per_minute: Micros | None = Field(None, description="A new price of a minute.")
    increment: Seconds | None = Field(
        None, description="The increment of the new price in seconds. Default: one second."
    )
    minimum: Micros | None = Field(
        None, description="The least amount that may be granted. Default: as last time."
    )
    expires_in: Seconds | None = Field(
        None, description="Seconds from now until the hold expires. Default: as last time."
    )


class HoldRecord(Record):
    """A hold and the account's balance."""

    account: int = Field(description="The account's id.")
    external_id: str | None = Field(description="Your own id of the account, if it has one.")
    reference: Named
    amount: Amount = Field(description="The amount that was asked last.")
    granted: Money = Field(description="The amount that is held, which may be less.")
    seconds: int | None = Field(
        None, description="With a rate: the seconds that `granted` pays for, in whole increments."
    )
    used: Money = Field(description="What reports have debited while the hold was open.")
    state: Open[HoldState] = Field(
        description="`open`, `ended` (its usage was posted), `released` or `expired`."
    )
    opened_at: Opened
    expires_at: Expires
    ended_at: Instant | None = Field(description="When the hold ended; null while it is open.")
    balance: Money = Field(description="The account's balance. Holds do not change it.")
    available: Money = Field(
        description="The balance minus all open holds, plus the account's credit limit."
    )
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


class HoldProblem(ProblemDetails):
    """A hold that is refused for lack of balance, with what there is."""

    granted: Money = Field(DecimalText("0.00"), description="Nothing is held.")
    balance: Money = Field(DecimalText("0.00"), description="The account's balance.")
    available: Money = Field(
        DecimalText("0.00"), description="What further holds can be granted now."
    )
    currency: Currency = ""


class ReportProblem(HoldProblem):
    """A report or a next part that is refused, with what reports have debited."""

    used: Money = Field(
        DecimalText("0.00"),
        description="What reports have debited, this one included. The final usage posts the rest.",
    )


resource = Resource("holds", Group.HOLDS)


@resource.post(
    "/holds",
    "Open a hold",
    Scope.USAGE_WRITE,
    Scope.HOLDS,
    status=201,
    also={200: "The hold is already open."},
    examples={
        "time": {
            "account": 17, "reference": "call-983", "rate_per_minute": "0.021", "increment": 6,
            "expires_in": 300,
        },
        "amount": {"external_id": "cust-0042", "reference": "job-7", "amount": "3.20"},
    },
    problem=HoldProblem,
    problems=(
        "insufficient_balance", "account_suspended", "account_closed", "too_many_holds",
        "conflict", "hold_closed", "not_found",
    ),
    links=LINKS,
)  # fmt: skip
def open_hold(ctx: Context, client: Client, body: NewHold) -> Answer[HoldRecord]:
    """Ask whether a call may start. In one transaction, the amount is granted if the balance minus
    all open holds plus the credit limit covers it, or in part down to `minimum`, or it is refused
    with 402. Concurrent requests are never granted more than there is. A hold does not change the
    balance and does not trigger a payment. Repeating the request returns the open hold.
    """
    rate = Rate.read(body.rate_per_minute, body.increment)
    request = HoldRequest(timedelta(seconds=body.expires_in), body.amount, rate, body.minimum)
    request.require_valid()
    new = Asked(account_to_lock(ctx, client, body), body.reference, request)
    made = services().hold_batcher.submit(ctx, [new.account_id], new)
    if isinstance(made, Refusal):
        raise made
    return Answer(_record(ctx, made.hold, made.funds), 201 if made.is_new else 200)


@resource.get("/holds", "List open holds", Scope.BALANCE_READ, Scope.HOLDS, problems=("not_found",))
def list_holds(ctx: Context, client: Client, query: AccountQuery) -> HoldList:
    """List the account's open holds, oldest first. An account's key can read holds only if the
    operator allows the account its own metering.
    """
    require_metering(client)
    found = read_open_holds(ctx, account_of(ctx, client, query))
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


@resource.get(ONE, "Read a hold", Scope.BALANCE_READ, Scope.HOLDS)
def read_hold(ctx: Context, client: Client, reference: str, query: AccountQuery) -> HoldRecord:
    """Read a hold in any state, with the account's balance. An account's key can read holds only if
    the operator allows the account its own metering.
    """
    require_metering(client)
    return _record(ctx, find(ctx.session, account_of(ctx, client, query), reference))


@resource.patch(
    ONE,
    "Report use and extend a hold",
    Scope.USAGE_WRITE,
    Scope.HOLDS,
    examples={
        "use": {"account": 17, "used": "0.84", "expires_in": 300},
        "total": {"external_id": "cust-0042", "used_total": "2.52", "expires_in": 300},
        "dearer": {"amount": "4.80"},
    },
    problem=ReportProblem,
    problems=(
        "insufficient_balance", "account_suspended", "account_closed", "too_many_holds",
        "conflict", "hold_closed", "balance_out_of_range",
    ),
)  # fmt: skip
def change_hold(
    ctx: Context, client: Client, reference: str, body: HoldChange, query: AccountQuery
) -> HoldRecord:
    """Debit what was used since the last report, and ask for the next part, in one transaction.
    If the next part is refused with 402, what was used is debited all the same and nothing is held:
    end the call. Send an `Idempotency-Key` with `used`: a report sent again with the same key is
    not debited again. `used_total` needs none. A hold that has expired is open again. The final
    usage under the reference ends the hold; it posts the rest. A refusal also states, as `used`,
    what reports have debited. A report on a released hold is debited and answered with 409
    `hold_closed`; on an ended hold nothing is debited.
    """
    rate = Rate.read(body.rate_per_minute, body.increment)
    asked = (body.amount, rate, body.minimum, body.expires_in)
    if all(it is None for it in (body.used, body.used_total, *asked)):
        raise Invalid({"amount": "Send used, amount, rate_per_minute, minimum or expires_in"})
    if body.used is not None and body.used_total is not None:
        raise Invalid({"used_total": "Send used or used_total, not both"})
    lasts = timedelta(seconds=body.expires_in) if body.expires_in is not None else None
    requested = Change(body.used, body.used_total, body.amount, rate, body.minimum, lasts)
    account_id = account_of(ctx, client, body, query)
    changed = change(ctx, account_id, reference, requested, request_key())
    if changed.opened_top_up:
        services().wake()
    if changed.refusal is not None:
        raise changed.refusal
    return _record(ctx, changed.hold)


@resource.delete(ONE, "Release a hold", Scope.USAGE_WRITE, Scope.HOLDS)
def release_hold(ctx: Context, client: Client, reference: str, query: AccountQuery) -> HoldRecord:
    """Release a hold without usage. A hold that is already over is returned unchanged."""
    return _record(ctx, release(ctx, account_of(ctx, client, query), reference))


def _record(ctx: Context, hold: Hold, funds: Funds | None = None) -> HoldRecord:
    funds = funds or Funds.of(ctx, hold.account_id)
    return HoldRecord(
        account=funds.account_id,
        external_id=funds.external_id,
        reference=hold.reference,
        amount=decimal_text(hold.asked),
        granted=decimal_text(hold.amount),
        seconds=hold.seconds,
        used=decimal_text(hold.used),
        state=hold.standing(ctx.now),
        opened_at=hold.opened_at,
        expires_at=hold.expires_at,
        ended_at=hold.ended_at,
        balance=decimal_text(funds.balance),
        available=decimal_text(funds.available),
        currency=funds.currency,
    )
