"""The sandbox for a provider's tests: test cards, the bank's answers, the clock, emails (V10).

With a sandbox processor only: no real money moves, and a request stands for the customer, the bank
or the passing of time.
"""

from datetime import timedelta
from re import fullmatch
from typing import Annotated

from pydantic import Field
from pydantic import WithJsonSchema as Schema

from webapp.actions.payment_methods.add_method import Asked, add_card
from webapp.actions.payment_methods.finish_setup import finish_setup
from webapp.actions.payments.challenges import conclude_challenge
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.api.http.accounts import AccountName
from webapp.api.http.answers import Answer
from webapp.api.http.authentication import ProviderClient
from webapp.api.http.queries import Absent, Page
from webapp.api.http.resource import Resource
from webapp.api.low_balance import EXAMPLE as SETTINGS
from webapp.api.low_balance import NewSettings, SettingsRecord
from webapp.api.openapi.fields import Body, Switch, reader, whole
from webapp.api.openapi.operations import Group, Link
from webapp.domain.accounts.lookup import account_id_of, id_of
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.payment_methods import method_setups
from webapp.domain.payment_methods.declines import METHOD_GONE, REASONS
from webapp.domain.payments.queries import attempt_with_key
from webapp.domain.shared import email_address
from webapp.domain.shared.context import Context
from webapp.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from webapp.domain.top_ups.settings import Choice
from webapp.extensions import services
from webapp.processors.sandbox.books import LONGEST, SandboxBooks
from webapp.processors.sandbox.card_form import CardRefused, example_card, token_for
from webapp.processors.sandbox.processor import SandboxProcessor
from webapp.processors.sandbox.records import (
    AnswerKind,
    Challenge,
    ChallengeKind,
    ChallengeState,
)
from webapp.reads.records.emails import EmailPage, read_emails
from webapp.reads.records.methods import MethodRecord, read_method
from webapp.reads.records.record import Instant, Open, Record
from webapp.reads.records.settings import read_settings

NO_SANDBOX = "This installation uses a real card processor."
HOURS, SECONDS = 8784, 8784 * 3600
"""The longest advance at once: a leap year."""


def _decline_code(value: object) -> str:
    if isinstance(value, str) and value in DECLINE_CODES:
        return value
    raise ValueError("Must be a decline code of the sandbox")


def _delay(value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and 0 <= float(value) <= LONGEST:  # type: ignore[arg-type]
        return float(value)  # type: ignore[arg-type]
    raise ValueError(f"Must be a number from 0 to {LONGEST:g}")


def _last4(value: object) -> str:
    if isinstance(value, str) and fullmatch("[0-9]{4}", value):
        return value
    raise ValueError("Must be four digits")


DECLINE_CODES = sorted({*REASONS, "generic_decline"} - {METHOD_GONE})

CardNumber = Annotated[
    str, Schema({"type": "string", "pattern": "^[0-9]{12,19}$", "examples": ["4242424242424242"]})
]
Expiry = Annotated[str, Schema({"type": "string", "pattern": "^(0[1-9]|1[0-2])/[0-9]{2}$"})]
DeclineCode = Annotated[
    str, reader(_decline_code), Schema({"type": "string", "enum": DECLINE_CODES})
]
Delay = Annotated[
    float, reader(_delay), Schema({"type": "number", "minimum": 0, "maximum": LONGEST})
]
LastFour = Annotated[
    str,
    reader(_last4),
    Schema({"type": "string", "pattern": "^[0-9]{4}$", "examples": ["4242"]}),
]


class NewCard(Body):
    """A test card that a customer adds."""

    card_number: CardNumber = Field(
        description="A public test card number, such as 4242424242424242 (pays), 4000000000000341 "
        "(declines when charged) or 4000002500003155 (the bank asks before it is saved)."
    )
    expiry: Expiry | None = Field(
        None, description="Month and year, as in `08/28`. Default: a month of a later year."
    )
    auto_charge: Switch | None = Field(
        None,
        description="The customer's consent to automatic charges. Default: on for the first "
        "method, off for others.",
    )


class CardAnswer(Record):
    """The card that was added, or the bank's challenge."""

    payment_method: MethodRecord | None = Field(
        description="The payment method; null while the bank asks the customer."
    )
    challenge: str | None = Field(
        description="The bank's challenge, to be answered before the card is listed."
    )


class NewChallengeAnswer(Body):
    """The customer's answer to the bank."""

    confirmed: Switch = Field(
        description="Whether the customer confirms; false fails the authentication."
    )


class ChallengeRecord(Record):
    """A challenge of the bank."""

    challenge: str = Field(description="The id of the challenge.")
    state: Open[ChallengeState] = Field(description="`open`, `completed`, `failed` or `cancelled`.")
    account: int = Field(description="The account's id.")
    payment_method: MethodRecord | None = Field(
        description="The payment method that was saved, if the bank asked about a card."
    )
    payment: int | None = Field(
        description="The id of the payment, if the bank asked about a payment."
    )


class NewBankAnswer(Body):
    """The processor's answer to the next charge of any account."""

    kind: AnswerKind = Field(description="What the processor does.")
    decline_code: DeclineCode = Field("generic_decline", description="The reason of `decline`.")
    seconds: Delay = Field(0.0, description="Delay before the answer.")
    last4: LastFour | None = Field(
        None, description="Only for a card with these last digits. Default: any method."
    )


class BankAnswer(Record):
    """A scripted answer, which is used once."""

    kind: Open[AnswerKind] = Field(description="What the processor does.")
    decline_code: str = Field(description="The reason of `decline`; otherwise empty.")
    seconds: float = Field(description="Delay before the answer.")
    last4: str = Field(description="The last digits of its card; empty for any method.")


class Advance(Body):
    """A step of the installation's clock; hours and seconds are added."""

    hours: Annotated[int, *whole(0, HOURS)] = Field(0, description="Hours to advance.")
    seconds: Annotated[int, *whole(0, SECONDS)] = Field(0, description="Seconds to advance.")


class ClockRecord(Record):
    """The installation's clock."""

    now: Instant = Field(description="The installation's time.")
    seconds_ahead: int = Field(description="How far it is ahead of the real time.")


class EmailQuery(Page):
    """Filters of the outbox."""

    account: AccountName | Absent = Field(
        None, description="Only emails of this account: its id, or `external:` and your own id."
    )
    to: str | Absent = Field(
        None, description="Only emails to this address.", max_length=email_address.LENGTH
    )


resource = Resource("sandbox", Group.SANDBOX)


@resource.post(
    "/accounts/<account>/sandbox/payment-methods",
    "Add a test card",
    Scope.SANDBOX,
    status=201,
    also={202: "The bank asks the customer first: answer `challenge`."},
    examples={
        "pays": {"card_number": "4242424242424242", "auto_charge": True},
        "asks": {"card_number": "4000002500003155"},
    },
    problems=("no_sandbox", "card_declined", "not_saved"),
    links={"challenge": Link("answer_challenge", "challenge", "/challenge")},
)
def add_test_card(
    ctx: Context, client: ProviderClient, account: str, body: NewCard
) -> Answer[CardAnswer]:
    """Add a card as the customer would, with a test address. As on the page, a refill that
    is due is charged at once.
    """
    account_id, books = account_id_of(ctx.session, account), _books()
    try:
        token = token_for(books, _card_form(books, account_id, body, ctx), ctx.now)
    except CardRefused as refused:
        names = {"number": "card_number", "form": "card_number"}
        raise Invalid({names.get(it, it): why for it, why in refused.errors.items()}) from None
    processor = ctx.processors[SandboxProcessor.name]
    added = add_card(ctx, account_id, token, processor, consent=body.auto_charge)
    if isinstance(added, Asked):
        challenge = added.address.rpartition("/")[2]
        return Answer(CardAnswer(payment_method=None, challenge=challenge), 202)
    services().wake()
    record = read_method(ctx.later(), account_id, added.id)
    return Answer(CardAnswer(payment_method=record, challenge=None), 201)


@resource.put(
    "/accounts/<account>/sandbox/low-balance-settings",
    "Replace an account's settings",
    Scope.SANDBOX,
    body=(NewSettings,),
    answer=SettingsRecord,
    examples={"refill": SETTINGS},
    problems=("no_sandbox", "stale"),
)
def replace_settings(ctx: Context, client: ProviderClient, account: str, body: Body) -> Record:
    """Replace the low-balance settings as the customer would."""
    account_id = account_id_of(ctx.session, account)
    _books()
    _, version = read_settings(ctx, account_id)
    apply_settings(ctx, account_id, Choice(**vars(body)), version)
    services().wake()
    values, _ = read_settings(ctx, account_id)
    return SettingsRecord(**values)


@resource.post(
    "/sandbox/challenges/<challenge>",
    "Answer a challenge",
    Scope.SANDBOX,
    examples={"confirm": {"confirmed": True}, "fail": {"confirmed": False}},
    problems=("no_sandbox", "challenge_over"),
)
def answer_challenge(
    ctx: Context, client: ProviderClient, challenge: str, body: NewChallengeAnswer
) -> ChallengeRecord:
    """Answer the bank's question about a card or a payment as the customer would, and return from
    the bank. A challenge that was answered before is returned unchanged.
    """
    challenges = _books().challenges
    if challenges.find(challenge, {ChallengeKind.CARD, ChallengeKind.CHARGE}) is None:
        raise NotFound("The challenge")
    answer = challenges.complete if body.confirmed else challenges.fail
    ended = answer(challenge, ctx.now)
    if ended is None or ended.state is ChallengeState.OPEN:
        raise Conflict("The bank waited 15 minutes for an answer.", code="challenge_over")
    record = _conclude(ctx, ended)
    services().wake()
    return record


@resource.post(
    "/sandbox/answers",
    "Script an answer",
    Scope.SANDBOX,
    status=201,
    examples={
        "decline": {"kind": "decline", "decline_code": "insufficient_funds", "last4": "4242"},
        "lost": {"kind": "timeout_after_charge"},
    },
    problems=("no_sandbox",),
)
def script_answer(ctx: Context, client: ProviderClient, body: NewBankAnswer) -> BankAnswer:
    """Script the processor's answer to the next charge. Answers are used in this order, once each;
    one for a card waits for that card.
    """
    code = body.decline_code if body.kind is AnswerKind.DECLINE else ""
    last4 = body.last4 or ""
    _books().queue_answer(body.kind, decline_code=code, seconds=body.seconds, last4=last4)
    return BankAnswer(kind=body.kind, decline_code=code, seconds=body.seconds, last4=last4)


@resource.delete(
    "/sandbox/answers",
    "Remove scripted answers",
    Scope.SANDBOX,
    status=204,
    problems=("no_sandbox",),
)
def remove_answers(ctx: Context, client: ProviderClient) -> None:
    """Remove all scripted answers that were not used."""
    _books().clear_answers()


@resource.post(
    "/sandbox/clock",
    "Advance the clock",
    Scope.SANDBOX,
    examples={"suspension": {"hours": 48}, "now": {}},
    problems=("no_sandbox", "clock_at_its_end"),
)
def advance_clock(ctx: Context, client: ProviderClient, body: Advance) -> ClockRecord:
    """Advance the clock of the whole installation. What becomes due is done within a second. The
    clock cannot go back. Without a step, the time is returned.
    """
    try:
        ahead = _books().advance_clock(timedelta(hours=body.hours, seconds=body.seconds))
    except ValueError:
        sentence = "The clock is as far ahead as it can go."
        raise Conflict(sentence, code="clock_at_its_end") from None
    services().wake()
    return ClockRecord(now=ctx.clock.now(), seconds_ahead=int(ahead.total_seconds()))


@resource.get(
    "/sandbox/emails", "Read the outbox", Scope.SANDBOX, problems=("no_sandbox", "not_found")
)
def list_emails(ctx: Context, client: ProviderClient, query: EmailQuery) -> EmailPage:
    """List emails to customers, newest first. Links are masked where a mail server delivers the
    emails, or a real processor is used.
    """
    _books()
    account_id = id_of(ctx.session, query.account) if query.account is not None else None
    its = services()
    is_mailbox = not its.mailer.delivers and not its.settings.has_real_processor
    renderer = its.mailer if is_mailbox else its.letters
    return read_emails(ctx, renderer, account_id, query.to, query.cursor, query.limit)


def _books() -> SandboxBooks:
    """The books of the sandbox that customers' cards are saved with.

    Raises `Conflict` if a real processor is used for cards.
    """
    books = services().sandbox
    if books is None or services().card_processor != SandboxProcessor.name:
        raise Conflict(NO_SANDBOX, code="no_sandbox")
    return books


def _card_form(books: SandboxBooks, account_id: int, body: NewCard, ctx: Context) -> dict[str, str]:
    """The card form that the customer would submit."""
    form = example_card(body.card_number, ctx.now) | {"setup": books.vault.form_for(account_id)}
    return form | ({"expiry": body.expiry} if body.expiry else {})


def _conclude(ctx: Context, ended: Challenge) -> ChallengeRecord:
    """Do what follows the return from the bank. Raises `NotFound` if nothing waits for it."""
    answered = {"challenge": ended.reference, "state": ended.state}
    if ended.kind is ChallengeKind.CHARGE:
        attempt = attempt_with_key(ctx.session, ended.subject)
        account_id, payment_id = attempt.account_id, attempt.payment_id
        conclude_challenge(ctx, account_id, attempt.id)
        return ChallengeRecord(
            **answered, account=account_id, payment_method=None, payment=payment_id
        )
    account_id = ended.account_id or 0
    setup = method_setups.with_reference(ctx.session, account_id, ended.reference)
    if setup is None:
        raise NotFound("The challenge")
    record = None
    try:
        method = finish_setup(ctx, account_id, setup.id)
    except Refusal:
        if ended.state is ChallengeState.COMPLETED:
            raise
    else:
        record = read_method(ctx.later(), account_id, method.id) if method is not None else None
    return ChallengeRecord(**answered, account=account_id, payment_method=record, payment=None)
