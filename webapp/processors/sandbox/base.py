"""Base class of the sandbox card processor and the sandbox PayPal."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from webapp.clock import Clock
from webapp.currencies import minor_unit
from webapp.domain.payment_methods.declines import declined
from webapp.ports import (
    Answer,
    Cancelled,
    ChargeRequest,
    Declined,
    Event,
    Forged,
    Happening,
    MethodGone,
    MethodUpdated,
    NotKnown,
    RequestRejected,
    Reversed,
    Saved,
    SavingAnswer,
    Settled,
    Unknown,
    Verified,
    WrongAccount,
)
from webapp.processors.errors import converts
from webapp.processors.sandbox.books import LONGEST, NextAnswer, SandboxBooks
from webapp.processors.sandbox.cards import Behaviour, Charging
from webapp.processors.sandbox.challenges import leads_here
from webapp.processors.sandbox.charges import OTHER_REQUEST, Outcome
from webapp.processors.sandbox.records import (
    Agreement,
    AnswerKind,
    Card,
    Challenge,
    ChallengeKind,
    ChallengeState,
    Status,
)
from webapp.processors.sandbox.store import STORE_ERRORS

# Answers instead of the bank's; nothing is booked, so later queries do not know the charge.
UNBOOKED: dict[AnswerKind, Unknown | RequestRejected] = {
    AnswerKind.TIMEOUT_BEFORE_CHARGE: Unknown("The connection timed out"),
    AnswerKind.SERVER_ERROR: Unknown("The processor answered 500"),
    AnswerKind.REFUSE_TO_LOOK: RequestRejected("Too many requests; try again later"),
}
ANSWER_LOST = Unknown("The processor did not answer in time")

AS_USUAL = NextAnswer(AnswerKind.SLOW)

DOWN = Unknown("The processor cannot use its books")

or_down = converts(STORE_ERRORS, lambda error: DOWN)
or_false = converts(STORE_ERRORS, lambda error: False)

BAD_RETURN = RequestRejected("The address to return to must be a path on this host")


class PretendProcessor(ABC):
    """Base of the sandbox processors. They use the product's clock, which the sandbox can advance.

    They list no events (L17), because the sandbox stores undelivered events.
    """

    saves: ChallengeKind
    """The kind of challenge that saves a method."""

    def __init__(
        self, books: SandboxBooks, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._books = books
        self._clock = clock
        self._sleep = sleep

    @or_down
    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        self._take(self._books.latency)
        return self._ended(account_id, self._books.challenges.find(reference, {self.saves}))

    @or_down
    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        self._take(self._books.latency)
        challenge = self._books.challenges.find(reference, {self.saves})
        if challenge is not None and challenge.account_id == account_id:
            challenge = self._books.challenges.cancel(reference, self._clock.now())
        return self._ended(account_id, challenge)

    @or_down
    def charge(self, request: ChargeRequest) -> Answer:
        objection = _objection(request)
        if objection is not None:
            return objection
        recorded = self._books.charge_book.find(request.key)
        if recorded is not None:
            self._take(self._books.latency)
            return recorded.answer_to(request)
        bound_to = partial(self._bound_to, request.method_reference)
        script = self._books.take_answer(bound_to) or AS_USUAL
        self._take(self._books.latency + script.seconds)
        if script.kind in UNBOOKED:
            return UNBOOKED[script.kind]
        # If the same key was booked during the delay, that booking counts.
        outcome = self._outcome(request, script)
        if outcome is None:
            charge = None
        else:
            charge = self._books.charge_book.book(request, outcome, self._clock.now())
        if script.kind is AnswerKind.TIMEOUT_AFTER_CHARGE:
            return ANSWER_LOST
        if charge is None:
            return MethodGone(request.method_reference, self._clock.now())
        return charge.answer_to(request)

    @or_down
    def ask(self, key: str) -> Answer | NotKnown:
        self._take(self._books.latency)
        recorded = self._books.charge_book.find(key)
        return NotKnown() if recorded is None else recorded.answer()

    @or_down
    def cancel(self, key: str) -> Answer | NotKnown:
        self._take(self._books.latency)
        recorded = self._books.charge_book.find(key)
        if recorded is not None and recorded.challenge_id:
            self._books.challenges.cancel(recorded.challenge_id, self._clock.now())
            recorded = self._books.charge_book.find(key)
        return NotKnown() if recorded is None else recorded.answer()

    @or_down
    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        self._take(self._books.latency)
        outcome = self._bank(method_reference, customer_present=True)
        if outcome is None:
            return MethodGone(method_reference, self._clock.now())
        booked = self._books.charge_book.book_verification(
            key, method_reference, outcome.decline_code, self._clock.now()
        )
        if booked.method_reference != method_reference:
            return OTHER_REQUEST
        code, at = booked.decline_code, booked.created_at
        return declined(code, at) if code else Verified(at)

    @or_down
    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        return self._books.reversals.open(body, headers, self._clock.now())

    @or_down
    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        self._take(self._books.latency)
        subject, _, reference = event.about.partition(" ")
        if subject == "charge":
            return self._charged(reference)
        if subject == "taken_back":
            return self._taken_back(reference)
        return self._method(reference) if subject == "method" else ()

    def _charged(self, key: str) -> Sequence[Happening]:
        recorded = self._books.charge_book.find(key)
        return () if recorded is None else (Settled(key, recorded.answer()),)

    def _taken_back(self, reference: str) -> Sequence[Happening]:
        """The charge's outcome, then the refund or dispute: only a paid charge can have one."""
        row = self._books.reversals.find(reference)
        if row is None:
            return ()
        reversal = Reversed(
            row.reference, row.key, row.kind, row.state, row.amount, row.currency, row.at
        )
        return (*self._charged(row.key), reversal)

    @abstractmethod
    def _find(self, reference: str) -> Card | Agreement | None:
        """The saved method with this reference."""

    def _method(self, reference: str) -> Sequence[Happening]:
        """The current state of a saved method."""
        method = self._find(reference)
        if method is None:
            return ()
        if method.is_gone:
            return (MethodGone(reference, self._clock.now()),)
        return (MethodUpdated(method.saved),)

    def _bound_to(self, method_reference: str) -> str:
        """The method's name in the queue of scripted answers."""
        method = self._find(method_reference)
        return "" if method is None else method.bound_to

    def _bank(self, method_reference: str, *, customer_present: bool) -> Outcome | None:
        """The outcome at the method's bank; None if the method no longer exists."""
        method = self._find(method_reference)
        if method is None or method.is_gone:
            return None
        if method.has_expired(self._clock.now()):
            return Outcome(Status.DECLINED, "expired_card")
        return _outcome_of(method.behaviour, customer_present=customer_present)

    def _ended(self, account_id: int, challenge: Challenge | None) -> SavingAnswer:
        if challenge is None:
            return RequestRejected("No setup exists for this reference")
        if challenge.account_id != account_id:
            return WrongAccount(
                f"{challenge.reference} was started for account {challenge.account_id}"
            )
        if challenge.state is ChallengeState.OPEN:
            return challenge.asks()
        if challenge.state is ChallengeState.COMPLETED:
            return self._saved(challenge)
        if challenge.state is ChallengeState.CANCELLED:
            return Cancelled(challenge.at)
        return declined("authentication_required", challenge.at, challenge.reference)

    def _saved(self, completed: Challenge) -> Saved:
        method = self._find(completed.subject)
        if method is None:
            raise LookupError(f"no method {completed.subject} behind its completed challenge")
        return method.saved

    def _outcome(self, request: ChargeRequest, script: NextAnswer) -> Outcome | None:
        """The outcome by script and bank; None if the method is gone, whatever the script."""
        asks = script.kind is AnswerKind.AUTHENTICATION_REQUIRED
        present = asks or request.customer_present
        outcome = self._bank(request.method_reference, customer_present=present)
        if outcome is None:
            return None
        if script.kind is AnswerKind.DECLINE:
            return Outcome(Status.DECLINED, script.decline_code or "generic_decline")
        if asks:
            refused = outcome.status is Status.DECLINED
            code = outcome.decline_code if refused else outcome.confirmed_code
            return Outcome(Status.NEEDS_CUSTOMER, "authentication_required", code)
        return outcome

    def _take(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(min(seconds, LONGEST))


def _outcome_of(behaviour: Behaviour, *, customer_present: bool) -> Outcome:
    charging = behaviour.charging(customer_present=customer_present)
    if charging is Charging.PAYS:
        return Outcome(Status.PAID)
    if charging is Charging.DECLINES:
        return Outcome(Status.DECLINED, behaviour.code)
    code = "" if behaviour.confirmed is Charging.PAYS else behaviour.code
    return Outcome(Status.NEEDS_CUSTOMER, "authentication_required", code)


def is_way_back(return_to: str) -> bool:
    """Whether a return address is empty or a path on this host."""
    return not return_to or leads_here(return_to)


def _objection(request: ChargeRequest) -> RequestRejected | None:
    """The error in the request itself, if any."""
    if not request.key:
        return RequestRejected("The idempotency key is missing")
    if request.amount <= 0 or request.amount % minor_unit(request.currency):
        return RequestRejected("The amount must be whole minor units above zero")
    if not (
        request.currency.isascii() and request.currency.isalpha() and len(request.currency) == 3
    ):
        return RequestRejected("The currency must be three letters")
    return None if is_way_back(request.return_to) else BAD_RETURN
