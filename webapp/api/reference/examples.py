"""An example of each answer. A field that is missing or of the wrong type stops the import."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from webapp.api import low_balance
from webapp.api.accounts import PortalSession
from webapp.api.holds import HoldList, HoldRecord, OpenHold
from webapp.api.low_balance import SettingsRecord
from webapp.api.payments import PaymentAnswer
from webapp.api.sandbox import BankAnswer, CardAnswer, ChallengeRecord, ClockRecord
from webapp.api.usage import ONE, Judgement, UsageAnswer
from webapp.api.webhook_endpoints import NewEndpoint
from webapp.domain.accounts.account import AccountState
from webapp.domain.ledger import EntryKind
from webapp.domain.notifications.outbox import NoticeKind, NoticeState
from webapp.domain.payment_methods.payment_method import MethodKind, MethodStatus
from webapp.domain.payments.payment import AttemptState, PaymentKind, PaymentState
from webapp.domain.shared.i18n import Language
from webapp.domain.shared.money import DecimalText as Text
from webapp.domain.usage.holds import HoldState
from webapp.domain.usage.record import Verdict
from webapp.domain.webhooks.endpoint import DeliveryState, EventKind
from webapp.processors.sandbox.records import AnswerKind, ChallengeState
from webapp.reads.records.accounts import AccountPage, AccountRecord, OwnerRecord
from webapp.reads.records.activity import ActivityPage, DecisionRecord
from webapp.reads.records.adjustments import AdjustmentRecord
from webapp.reads.records.balances import AccountBalance, Balance, BalancePage
from webapp.reads.records.emails import EmailPage, EmailRecord
from webapp.reads.records.events import EventAccount, EventPage, EventRecord
from webapp.reads.records.methods import MethodList, MethodRecord, Order
from webapp.reads.records.payments import AttemptRecord, PaymentPage, PaymentRecord
from webapp.reads.records.record import Record
from webapp.reads.records.statement import EntryRecord, StatementPage
from webapp.reads.records.usage_reversals import UsageReversalRecord
from webapp.reads.records.webhooks import DeliveryPage, DeliveryRecord, EndpointList, EndpointRecord

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)
SOON = AT + timedelta(seconds=2)

_ACCOUNT = AccountRecord(
    id=17,
    external_id="cust-0042",
    name="Harbour Voice",
    state=AccountState.ACTIVE,
    metadata={"plan": "wholesale"},
    currency="USD",
    time_zone="Europe/Dublin",
    language=Language.ENGLISH,
    owner=OwnerRecord(name="Ana Ruiz", email="ana@example.com", has_joined=False),
    credit_limit=Text("0.00"),
    max_open_holds=None,
    own_metering=False,
    created_at=AT,
)
_POSTED = Judgement(index=0, account=17, reference=ONE["reference"], status=Verdict.POSTED)
_BALANCE = Balance(
    account=17,
    external_id="cust-0042",
    balance=Text("87.66"),
    currency="USD",
    held=Text("3.20"),
    available=Text("84.46"),
)
_HELD: dict[str, Any] = {
    "reference": "call-983",
    "amount": Text("3.20"),
    "opened_at": AT,
    "expires_at": AT + timedelta(hours=1),
}
_METHOD = MethodRecord(
    id=7,
    position=1,
    kind=MethodKind.CARD,
    name="Visa •••• 4242",
    brand="Visa",
    last4="4242",
    expires="08/28",
    auto_charge=True,
    status=MethodStatus.READY,
    suspended_until=None,
    reason="",
    added_at=AT,
)
_PAYMENT = PaymentRecord(
    id=12,
    reference="P-000012",
    kind=PaymentKind.AUTOMATIC,
    state=PaymentState.PAID,
    amount=Text("100.00"),
    currency="USD",
    note="",
    created_at=AT,
    settled_at=SOON,
    attempts=(
        AttemptRecord(
            id=17,
            payment_method=7,
            method_name="Visa •••• 4242",
            state=AttemptState.PAID,
            reason="",
            decline_code=None,
            started_at=AT,
            answered_at=SOON,
        ),
    ),
)
_ENDPOINT = EndpointRecord(
    id=3,
    url="https://example.com/hooks",
    name="",
    events=(EventKind.PAYMENT_SUCCEEDED, EventKind.BALANCE_LOW),
    on=True,
    ended=None,
    failing_since=None,
    created_at=AT,
)
_DELIVERY = DeliveryRecord(
    id=41,
    event=EventKind.PAYMENT_SUCCEEDED,
    message_id="evt_000000000012",
    state=DeliveryState.DELIVERED,
    tries=1,
    status=204,
    trouble="",
    created_at=AT,
    last_try_at=SOON,
    next_try_at=None,
)
_ENTRY = EntryRecord(
    id=230,
    kind=EntryKind.USAGE,
    amount=Text("-12.34"),
    balance_after=Text("87.66"),
    reference=ONE["reference"],
    description="Ireland mobile",
    payment=None,
    occurred_at=AT,
    posted_at=AT,
)
_EVENT = EventRecord(
    type=EventKind.BALANCE_EXHAUSTED,
    id="evt_000000000012",
    timestamp=AT,
    sequence=1042,
    account=EventAccount(id=17, external_id="cust-0042"),
    data={"balance": "-0.02", "balance_currency": "USD", "credit_limit": "0.00"},
)
_DECISION = DecisionRecord(
    id=58,
    code="charged",
    sentence="$100.00 paid with Visa •••• 4242. The balance is $143.40.",
    times=1,
    first_at=AT,
    last_at=AT,
)

_EMAIL = EmailRecord(
    id=31,
    account=17,
    kind=NoticeKind.RECEIPT,
    to="ana@example.com",
    subject="Receipt for $100.00",
    text="$100.00 was paid with Visa •••• 4242.",
    state=NoticeState.KEPT,
    created_at=SOON,
)

EXAMPLES: Mapping[type[Record], Record] = {
    type(answer): answer
    for answer in (
        _ACCOUNT,
        AccountPage(accounts=(_ACCOUNT,), next_cursor="17"),
        PortalSession(url="https://billing.example.com/portal/…", expires_at=AT),
        UsageAnswer(
            posted=1,
            ended=0,
            duplicate=0,
            conflict=0,
            invalid=0,
            too_large=0,
            records=(_POSTED,),
            balances={
                "17": AccountBalance(
                    external_id="cust-0042",
                    balance=Text("87.66"),
                    available=Text("84.46"),
                    currency="USD",
                )
            },
        ),
        _BALANCE,
        BalancePage(balances=(_BALANCE,), next_cursor=None),
        AdjustmentRecord(
            reference="goodwill-17",
            account=17,
            payment=13,
            amount=Text("5.00"),
            reason="Outage of 21 November",
            posted_at=AT,
            balance=Text("92.66"),
            currency="USD",
        ),
        UsageReversalRecord(
            reference="credit-17",
            usage=ONE["reference"],
            account=17,
            amount=Text("0.35"),
            left=Text("11.99"),
            reason="Wrong rate",
            reversed_at=AT,
            balance=Text("88.01"),
            currency="USD",
        ),
        HoldRecord(
            **_HELD,
            account=17,
            external_id="cust-0042",
            granted=_HELD["amount"],
            seconds=300,
            used=Text("0.00"),
            state=HoldState.OPEN,
            ended_at=None,
            balance=Text("87.66"),
            available=Text("84.46"),
            currency="USD",
        ),
        HoldList(holds=(OpenHold(**_HELD),)),
        _METHOD,
        MethodList(payment_methods=(_METHOD,)),
        Order(order=(7, 5)),
        SettingsRecord(**low_balance.EXAMPLE),
        PaymentAnswer(**vars(_PAYMENT), authentication_url=None),
        PaymentPage(payments=(_PAYMENT,), next_cursor="12"),
        StatementPage(entries=(_ENTRY,), next_cursor="230"),
        ActivityPage(
            next="Below $50.00: charge $100.00 to Visa •••• 4242.",
            decisions=(_DECISION,),
            next_cursor=None,
        ),
        _ENDPOINT,
        EndpointList(webhook_endpoints=(_ENDPOINT,)),
        NewEndpoint(id=3, url=_ENDPOINT.url, secret="whsec_…"),
        _DELIVERY,
        DeliveryPage(deliveries=(_DELIVERY,), next_cursor=None),
        CardAnswer(payment_method=_METHOD, challenge=None),
        ChallengeRecord(
            challenge="ask_6f1d2c3b4a596877",
            state=ChallengeState.COMPLETED,
            account=17,
            payment_method=_METHOD,
            payment=None,
        ),
        BankAnswer(
            kind=AnswerKind.DECLINE, decline_code="insufficient_funds", seconds=0.0, last4="4242"
        ),
        ClockRecord(now=AT, seconds_ahead=172_800),
        EmailPage(emails=(_EMAIL,), next_cursor=None),
        EventPage(events=(_EVENT,), next_after=1042, has_more=False),
    )
}
