"""The bodies of webhook events, for the document. `domain.webhooks` writes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field, create_model

from webapp.api import low_balance
from webapp.api.openapi import tables
from webapp.domain.accounts.account import AccountState
from webapp.domain.events.timeline import Code
from webapp.domain.payment_methods.declines import FUNDS
from webapp.domain.payments.payment import PaymentKind
from webapp.domain.shared.money import DecimalText
from webapp.domain.top_ups.settings import FIELDS
from webapp.domain.webhooks.endpoint import OF_PROVIDER, EventKind
from webapp.reads.records.events import EventAccount
from webapp.reads.records.record import Amount, Currency, Instant, Money, Open, Record

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


DeclineCode = Annotated[
    str | None,
    Field(description="The processor's code of the decline. Only the provider receives it."),
]


class WebhookEvent(Record):
    """An event, as it is sent to webhook endpoints."""

    type: Open[EventKind] = Field(description="The name of the event.")
    id: str = Field(description="The same in all deliveries of the event; also `webhook-id`.")
    timestamp: Instant = Field(description="When the event occurred.")
    account: int | EventAccount | None = Field(
        description="The id of the account. The provider's endpoints receive an object with `id` "
        "and `external_id`, and null in a test event."
    )
    sequence: int | None = Field(
        None,
        description="The event's number in `/events`. Only the provider's endpoints receive it.",
    )


class ProviderWebhookEvent(WebhookEvent):
    """An event, as it is sent to the provider's webhook endpoints alone."""

    account: EventAccount = Field(description="The account.")
    sequence: int = Field(description="The event's number in `/events`.")


class BalanceData(Record):
    """The balance after the event."""

    balance: Money = Field(description="The account's balance.")
    balance_currency: Currency


class MethodFacts(Record):
    """A payment method."""

    id: int = Field(description="The id of the payment method.")
    label: str = Field(description="Display name: `Visa •••• 4242`.")
    auto_charge: bool = Field(description="The customer's consent to automatic charges.")
    expiry: str | None = Field(description="`08/28`; null for PayPal.")
    suspended_until: Instant | None = Field(description="When the suspension ends.")


class MethodData(Record):
    """The payment method that changed."""

    payment_method: MethodFacts = Field(description="The payment method.")


class SuspensionData(MethodData):
    """The suspended payment method, and why."""

    reason: str | None = Field(description="A sentence for people: `Insufficient funds`.")
    decline_code: DeclineCode = None


class DeclineFacts(Record):
    """A declined attempt of a payment."""

    payment_method: int | None = Field(description="The id of the payment method.")
    reason: str = Field(description="A sentence for people: `Insufficient funds`.")
    decline_code: DeclineCode = None


class PaymentData(BalanceData):
    """A payment in its final state, and the balance after it."""

    payment: int = Field(description="The id of the payment.")
    reference: str = Field(description="Reference shown to people: `P-000012`.")
    kind: Open[PaymentKind] = Field(description="Why the payment was made.")
    amount: Amount
    currency: Currency
    payment_method: MethodFacts | None = Field(description="The method that was tried last.")


class FailureData(PaymentData):
    """A failed payment, and why."""

    reason: str | None = Field(description="The reason of the last decline, for people.")
    decline_code: DeclineCode = None
    declines: tuple[DeclineFacts, ...] = Field(description="Each declined attempt, in order.")


class TopUpData(BalanceData):
    """A refill that has ended, and the balance after it."""

    top_up: int = Field(description="The id of the refill.")
    amount: Money | None = Field(description="The amount that was or would have been charged.")


SettingsData = tables.answer(
    "SettingsData",
    FIELDS,
    "The low-balance settings after the change.",
    version=(int, Field(description="Increases with each change.")),
)


class ExhaustionData(BalanceData):
    """The balance after the crossing, and the credit limit."""

    credit_limit: Money = Field(description="How far below zero holds may take the balance.")


class BlockedData(BalanceData):
    """Why a refill that is due charges nothing."""

    code: Open[Code] = Field(description="The timeline's code: `all_suspended`.")
    reason: str = Field(description="The timeline's sentence, for people.")
    until: Instant | None = Field(description="When the cause ends by itself, if it does.")
    threshold: Money = Field(description="The threshold that the balance is below.")


class RejectionData(Record):
    """Usage records of one request that were refused for the same reason."""

    reason: str = Field(description="`too_large` or `account_closed`. Values may be added.")
    records: int = Field(description="The number of records.")
    reference: str = Field(description="The reference of the largest record.")
    amount: Money = Field(description="The amount of the largest record.")
    limit: Money | None = Field(description="The largest amount of one record, if too large.")


class UsageReversalData(BalanceData):
    """Usage that was given back, and the balance after it."""

    usage: str = Field(description="The reference of the usage.")
    reference: str = Field(description="The reference of the reversal.")
    amount: Amount
    reason: str = Field(description="The reason that you gave.")


class AccountData(Record):
    """What you have set about the account; read the account for its other properties."""

    state: Open[AccountState] = Field(description="The state after the event.")
    currency: Currency
    credit_limit: Money = Field(description="How far below zero holds may take the balance.")
    max_open_holds: int | None = Field(description="Maximum number of open holds, if any.")


class AccountUpdateData(AccountData):
    """The account after an update."""

    changed: tuple[str, ...] = Field(description="The names of the changed properties.")


class TestData(Record):
    """The text of a test event."""

    message: str = Field(description="A fixed text.", examples=["It works."])


@dataclass(frozen=True)
class Webhook:
    when: str
    data: Record
    """An example, whose type is the type of the event's `data`."""


def _money(text: str) -> DecimalText:
    return DecimalText(text)


LOW = BalanceData(balance=_money("43.40"), balance_currency="USD")
FULL = BalanceData(balance=_money("143.40"), balance_currency="USD")
VISA = MethodFacts(
    id=7, label="Visa •••• 4242", auto_charge=True, expiry="08/28", suspended_until=None
)
SUSPENDED = VISA.model_copy(update={"suspended_until": AT})


def _payment(after: BalanceData) -> PaymentData:
    return PaymentData(
        payment=12,
        reference="P-000012",
        kind=PaymentKind.AUTOMATIC,
        amount=_money("100.00"),
        currency="USD",
        payment_method=VISA,
        **vars(after),
    )


def _top_up(after: BalanceData) -> TopUpData:
    return TopUpData(top_up=5, amount=_money("100.00"), **vars(after))


SETTINGS = SettingsData(**low_balance.EXAMPLE | {"version": 3})
METHOD = MethodData(payment_method=VISA)
WHILE_SUSPENDED = SuspensionData(payment_method=SUSPENDED, reason=FUNDS.sentence)
DECLINE = DeclineFacts(payment_method=7, reason=FUNDS.sentence)
FAILED = FailureData(**vars(_payment(LOW)), reason=FUNDS.sentence, declines=(DECLINE,))
BLOCKED = BlockedData(
    **vars(LOW),
    code=Code.ALL_SUSPENDED,
    reason="No payment method can be charged until Tue 24 Nov, 10:00.",
    until=AT,
    threshold=_money("50.00"),
)
REVERSED = UsageReversalData(
    balance=DecimalText("88.01"),
    balance_currency="USD",
    usage="call-981",
    reference="credit-17",
    amount=DecimalText("0.35"),
    reason="Wrong rate",
)
REJECTED = RejectionData(
    reason="too_large",
    records=1,
    reference="call-1001",
    amount=_money("215000.00"),
    limit=_money("1000.00"),
)
ACCOUNT = AccountData(
    state=AccountState.ACTIVE, currency="USD", credit_limit=_money("0.00"), max_open_holds=None
)
UPDATED = AccountUpdateData(**vars(ACCOUNT), changed=("metadata",))


def _exhaustion(balance: str) -> ExhaustionData:
    return ExhaustionData(
        balance=_money(balance), balance_currency="USD", credit_limit=_money("0.00")
    )


def _account(state: AccountState) -> AccountData:
    return ACCOUNT.model_copy(update={"state": state})


WEBHOOKS: Mapping[EventKind, Webhook] = {
    EventKind.BALANCE_LOW: Webhook("The balance fell below the higher active threshold", LOW),
    EventKind.BALANCE_RECOVERED: Webhook("The balance is back at or above it", FULL),
    EventKind.TOP_UP_SUCCEEDED: Webhook("A refill was paid", _top_up(FULL)),
    EventKind.TOP_UP_FAILED: Webhook("A refill failed with every method", _top_up(LOW)),
    EventKind.PAYMENT_SUCCEEDED: Webhook("A payment was paid", _payment(FULL)),
    EventKind.PAYMENT_FAILED: Webhook("A payment failed", FAILED),
    EventKind.PAYMENT_ABANDONED: Webhook("The bank's question stayed unanswered", _payment(LOW)),
    EventKind.METHOD_SUSPENDED: Webhook("A payment method was suspended", WHILE_SUSPENDED),
    EventKind.METHOD_RESTORED: Webhook("A payment method's suspension ended", METHOD),
    EventKind.METHOD_EXPIRING: Webhook("A card expires soon", METHOD),
    EventKind.METHOD_ADDED: Webhook("A payment method was added", METHOD),
    EventKind.METHOD_REMOVED: Webhook("A payment method was removed", METHOD),
    EventKind.SETTINGS_CHANGED: Webhook("The low-balance settings changed", SETTINGS),
    EventKind.BALANCE_EXHAUSTED: Webhook(
        "The balance fell to minus the credit limit, or below", _exhaustion("-0.02")
    ),
    EventKind.BALANCE_RESTORED: Webhook(
        "The balance is above minus the credit limit again", _exhaustion("100.00")
    ),
    EventKind.REFILL_BLOCKED: Webhook("A refill is due and nothing can be charged", BLOCKED),
    EventKind.USAGE_REJECTED: Webhook("Usage was refused", REJECTED),
    EventKind.USAGE_REVERSED: Webhook("Usage was reversed", REVERSED),
    EventKind.ACCOUNT_CREATED: Webhook("An account was created", ACCOUNT),
    EventKind.ACCOUNT_UPDATED: Webhook("An account was updated, or is active again", UPDATED),
    EventKind.ACCOUNT_SUSPENDED: Webhook(
        "An account was suspended", _account(AccountState.SUSPENDED)
    ),
    EventKind.ACCOUNT_CLOSED: Webhook("An account was closed", _account(AccountState.CLOSED)),
    EventKind.TEST: Webhook("A person or program asked for a test", TestData(message="It works.")),
}


EVENTS: Mapping[type[Record], type[WebhookEvent]] = {
    data: create_model(
        data.__name__.replace("Data", "Event"),
        __base__=base,
        __doc__=base.__doc__,
        data=(data, Field(description="What the event is about.")),
    )
    for data, base in {
        type(webhook.data): ProviderWebhookEvent if kind in OF_PROVIDER else WebhookEvent
        for kind, webhook in WEBHOOKS.items()
    }.items()
}
"""The type of an event's body, by the type of its `data`."""


def event_type(kind: EventKind) -> type[WebhookEvent]:
    return EVENTS[type(WEBHOOKS[kind].data)]


def example(kind: EventKind) -> WebhookEvent:
    facts: dict[str, object] = {"type": kind, "id": "evt_000000000012", "timestamp": AT}
    if kind in OF_PROVIDER:
        facts |= {"sequence": 1042, "account": EventAccount(id=17, external_id="cust-0042")}
    else:
        facts["account"] = 17
    return event_type(kind).model_validate({**facts, "data": WEBHOOKS[kind].data})
