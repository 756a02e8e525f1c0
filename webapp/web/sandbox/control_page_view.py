"""The data of the sandbox page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import declines
from webapp.domain.payment_methods.payment_method import BRANDS, MethodKind, PaymentMethod, listed
from webapp.domain.payments.payment import Attempt
from webapp.domain.payments.reversals import NAMES
from webapp.domain.shared import datetimes, money
from webapp.domain.shared.email_address import is_address
from webapp.extensions import make_context
from webapp.ports import DeclineClass, Mailer, ReversalKind, ReversalState
from webapp.processors.sandbox.books import NextAnswer, SandboxBooks
from webapp.processors.sandbox.charges import Charge
from webapp.processors.sandbox.records import Agreement, AnswerKind, Reversal, Status
from webapp.processors.sandbox.reversals import left
from webapp.reads.notifications import outbox
from webapp.reads.notifications.outbox import MailRow, Reader

CHARGES_SHOWN = 20
MAILS_SHOWN = 5

KINDS = {
    AnswerKind.DECLINE: "Decline",
    AnswerKind.AUTHENTICATION_REQUIRED: "Require authentication",
    AnswerKind.SLOW: "Answer slowly",
    AnswerKind.TIMEOUT_AFTER_CHARGE: "Charge, then time out",
    AnswerKind.TIMEOUT_BEFORE_CHARGE: "Time out before charging",
    AnswerKind.SERVER_ERROR: "Fail with a server error",
    AnswerKind.REFUSE_TO_LOOK: "Reject the request",
}

# One code per reaction of the product; many codes share a message to the customer.
DECLINES = {
    "insufficient_funds": "Insufficient funds",
    "generic_decline": "Declined without a reason",
    "call_issuer": "Call the bank",
    "card_velocity_exceeded": "Over the card’s limit",
    "processing_error": "Bank out of reach",
    "authentication_required": "Authentication failed",
    "expired_card": "Expired card",
    "incorrect_cvc": "Wrong security code",
    "lost_card": "Lost card",
    "stolen_card": "Stolen card",
    "fraudulent": "Suspected fraud",
    "invalid_account": "Closed account",
    "stop_payment_order": "Stopped by the cardholder",
    "transaction_not_allowed": "Payment not allowed",
}

# Label, tone and reason; a decline's reason is that of its code.
OUTCOMES = {
    Status.PAID: ("Paid", "ok", ""),
    Status.DECLINED: ("Declined", "bad", ""),
    Status.NEEDS_CUSTOMER: ("Not paid", "warn", "Authentication required"),
    Status.CANCELLED: ("Cancelled", "", "Authentication not completed"),
}

DISPUTE_ENDS = (("won", "Won"), ("lost", "Lost"))
OTHER_ENDS = (("won", "Failed"),)
STATES = {
    ReversalState.TAKEN: "",
    ReversalState.LOST: "Lost",
    ReversalState.RETURNED: "Returned",
}


@dataclass(frozen=True)
class ChargeRow:
    at: str
    amount: str
    card: str
    """ "Visa •••• 4242" or "PayPal ana@example.com"; empty for neither."""
    status: str
    tone: str
    detail: str
    reference: str


@dataclass(frozen=True)
class AgreementRow:
    reference: str
    payer: str
    state: str
    """Empty while the agreement is active."""


@dataclass(frozen=True)
class TakenBackLine:
    reference: str
    words: str
    """ "Dispute of $100.00, Visa •••• 4242"."""
    state: str
    ends: tuple[tuple[str, str], ...]
    """Possible outcomes, with the labels of their buttons."""


@dataclass(frozen=True)
class SandboxScreen:
    account_id: int
    account_name: str
    now: str
    """The product's current time in the account's time zone, as in "Tue 24 Nov, 10:02 CET"."""
    ahead: str
    """How far the clock is ahead of the wall clock; empty if it is not."""
    usage_key: str
    """Idempotency key of the usage form."""
    symbol: str
    kinds: list[tuple[str, str]]
    reasons: list[tuple[str, str]]
    methods: list[tuple[str, str]]
    queue: list[str]
    mails: list[MailRow]
    charges: list[ChargeRow]
    agreements: list[AgreementRow]
    refundable: list[tuple[str, str]]
    """Keys of charges that are not fully taken back, with their descriptions."""
    taken_back: list[TakenBackLine]
    saved: list[tuple[str, str]]


def read_screen(
    session: Session,
    reader: Reader,
    books: SandboxBooks,
    mailer: Mailer,
    now: datetime,
) -> SandboxScreen:
    account, account_id = reader.account, reader.account.id
    charges = _charges(session, account_id, books)
    reversals = books.reversals.of_charges([charge.key for charge in charges])
    methods = [(_bound_to(m), m.label) for m in listed(session, account_id)]
    return SandboxScreen(
        account_id=account_id,
        account_name=account.name,
        now=f"{datetimes.when(now, account.time_zone, now)} {_zone(now, account.time_zone)}",
        ahead=in_words(books.clock_offset()),
        usage_key=token_hex(8),
        symbol=money.symbol(account.currency, account.locale),
        kinds=[(str(kind), words) for kind, words in KINDS.items()],
        reasons=[(code, _reason(code)) for code in DECLINES],
        methods=[("", "Any method"), *methods],
        queue=[_queued(answer) for answer in books.next_answers()],
        mails=outbox.last(make_context(), reader, mailer, MAILS_SHOWN),
        charges=[_charge(c, account, now) for c in charges],
        agreements=[_agreement(a) for a in own_agreements(session, account_id, books)],
        refundable=_refundable(charges, reversals, account),
        taken_back=_taken_back(charges, reversals, account),
        saved=[(str(method.id), method.label) for method in listed(session, account_id)],
    )


def _refundable(
    charges: list[Charge], reversals: Sequence[Reversal], account: Account
) -> list[tuple[str, str]]:
    rest = [(charge, left(charge, reversals)) for charge in charges]
    return [
        (charge.key, f"{money.show(amount, charge.currency, account.locale)}, {_charged(charge)}")
        for charge, amount in rest
        if amount > 0
    ]


def _taken_back(
    charges: list[Charge], reversals: Sequence[Reversal], account: Account
) -> list[TakenBackLine]:
    return [
        _taken_back_line(one, charge, account)
        for charge in charges
        for one in reversals
        if one.key == charge.key
    ]


def _taken_back_line(one: Reversal, charge: Charge, account: Account) -> TakenBackLine:
    ends = DISPUTE_ENDS if one.kind is ReversalKind.DISPUTE else OTHER_ENDS
    amount = money.show(one.amount, one.currency, account.locale)
    return TakenBackLine(
        reference=one.reference,
        words=f"{NAMES[one.kind] % {'payment': amount}}, {_charged(charge)}",
        state=STATES[one.state],
        ends=ends if one.state is ReversalState.TAKEN else (),
    )


def own_agreements(session: Session, account_id: int, books: SandboxBooks) -> Sequence[Agreement]:
    """The agreements of this account's methods. The sandbox's books have no accounts (P1)."""
    references = session.scalars(
        select(PaymentMethod.processor_reference).where(
            PaymentMethod.account_id == account_id, PaymentMethod.kind == MethodKind.PAYPAL
        )
    ).all()
    return books.agreements.among(references)


def in_words(offset: timedelta) -> str:
    """The offset as in "2 days 3 hours"; empty for zero."""
    minutes = offset // timedelta(minutes=1)
    parts = (
        (minutes // 1440, "day"),
        (minutes // 60 % 24, "hour"),
        (minutes % 60, "minute"),
    )
    return " ".join(f"{n} {unit}{'s' * (n != 1)}" for n, unit in parts if n)


def _zone(now: datetime, time_zone: str) -> str:
    return datetimes.local(now, time_zone).strftime("%Z")


def _reason(code: str) -> str:
    bars = declines.class_of(code) is DeclineClass.HARD
    return f"{DECLINES[code]} (no retries)" if bars else DECLINES[code]


def _queued(answer: NextAnswer) -> str:
    words = KINDS[answer.kind]
    if answer.kind is AnswerKind.DECLINE:
        words += f": {DECLINES.get(answer.decline_code, 'declined').lower()}"
    if answer.seconds:
        words += f", after {answer.seconds:g} s"
    if not answer.last4:
        return words
    payer = is_address(answer.last4)
    return f"{words}, for {'PayPal' if payer else 'the card ••••'} {answer.last4}"


def _bound_to(method: PaymentMethod) -> str:
    """The method's key in the queue of next responses."""
    return method.payer_email if method.kind == MethodKind.PAYPAL else method.last4


def _agreement(agreement: Agreement) -> AgreementRow:
    cancelled = "Cancelled by the payer" if agreement.cancelled_at else ""
    state = "Ended by Ballast" if agreement.revoked_at else cancelled
    return AgreementRow(agreement.id, agreement.payer_email, state)


def _charges(session: Session, account_id: int, books: SandboxBooks) -> list[Charge]:
    """This account's charges, by its methods and attempts: the books have no accounts (P1)."""
    references = session.scalars(
        select(PaymentMethod.processor_reference).where(PaymentMethod.account_id == account_id)
    ).all()
    keys = session.scalars(
        select(Attempt.key)
        .where(Attempt.account_id == account_id)
        .order_by(Attempt.id.desc())
        .limit(CHARGES_SHOWN)
    ).all()
    return books.charges(CHARGES_SHOWN, keys=keys, method_references=references)


def _charged(charge: Charge) -> str:
    if charge.payer_email:
        return f"PayPal {charge.payer_email}"
    return f"{BRANDS.get(charge.brand, 'Card')} •••• {charge.last4}" if charge.last4 else ""


def _charge(charge: Charge, account: Account, now: datetime) -> ChargeRow:
    present = "Customer present" if charge.customer_present else "Automatic"
    label, tone, why = OUTCOMES[charge.status]
    if charge.status is Status.DECLINED:
        why = declines.reason(charge.decline_code).sentence
    return ChargeRow(
        at=datetimes.since(charge.at, account.time_zone, now),
        amount=money.show(charge.amount, charge.currency, account.locale),
        card=_charged(charge),
        status=label,
        tone=tone,
        detail=f"{present} · {why}" if why else present,
        reference=charge.reference,
    )
