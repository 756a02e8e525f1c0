"""What the pretend card processor and the pretend PayPal do alike, behind one port."""

import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from webapp.clock import Clock
from webapp.domain.shared import money
from webapp.ports import (
    Answer,
    Cancelled,
    ChargeRequest,
    Declined,
    Event,
    Forged,
    Happening,
    MethodGone,
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
from webapp.processors.sandbox.books import SandboxBooks
from webapp.processors.sandbox.cards import Behaviour, Charging
from webapp.processors.sandbox.challenges import (
    Challenge,
    ChallengeKind,
    ChallengeState,
    leads_here,
)
from webapp.processors.sandbox.charges import OTHER_REQUEST, Outcome, Status, declined
from webapp.processors.sandbox.scripted_responses import LONGEST, AnswerKind, NextAnswer

# What comes back instead of the bank's answer; nothing is booked, so nothing is known later.
UNHEARD: dict[AnswerKind, Unknown | RequestRejected] = {
    AnswerKind.TIMEOUT_BEFORE_CHARGE: Unknown("The connection timed out"),
    AnswerKind.SERVER_ERROR: Unknown("The processor answered 500"),
    AnswerKind.REFUSE_TO_LOOK: RequestRejected("Too many requests; try again later"),
}
ANSWER_LOST = Unknown("The processor did not answer in time")

AS_USUAL = NextAnswer(AnswerKind.SLOW)

Asked = ParamSpec("Asked")
Heard = TypeVar("Heard")
Otherwise = TypeVar("Otherwise")


def or_else(
    otherwise: Otherwise,
) -> Callable[[Callable[Asked, Heard]], Callable[Asked, Heard | Otherwise]]:
    """What is answered when the books cannot be used, as on a full disk: no exception leaves."""

    def wrap(call: Callable[Asked, Heard]) -> Callable[Asked, Heard | Otherwise]:
        @wraps(call)
        def answer(*args: Asked.args, **kwargs: Asked.kwargs) -> Heard | Otherwise:
            try:
                return call(*args, **kwargs)
            except sqlite3.Error:
                return otherwise

        return answer

    return wrap


DOWN = Unknown("The processor cannot use its books")

BAD_RETURN = RequestRejected("The address to return to must be a path on this host")


class PretendProcessor(ABC):
    """Behind `webapp.ports.Processor`. Its time is the product's, which the sandbox moves.

    It lists no events (L17): its books keep each until the webhook has taken it.
    """

    saves: ChallengeKind
    """What its `saving` tells about."""

    def __init__(
        self, books: SandboxBooks, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._books = books
        self._clock = clock
        self._sleep = sleep

    @or_else(DOWN)
    def saving(self, account_id: int, reference: str) -> SavingAnswer:
        self._take(self._books.latency)
        return self._ended(account_id, self._books.desk.find(reference, {self.saves}))

    @or_else(DOWN)
    def cancel_saving(self, account_id: int, reference: str) -> SavingAnswer:
        self._take(self._books.latency)
        challenge = self._books.desk.find(reference, {self.saves})
        if challenge is not None and challenge.account_id == account_id:
            challenge = self._books.desk.cancel(reference, self._clock.now())
        return self._ended(account_id, challenge)

    @or_else(DOWN)
    def charge(self, request: ChargeRequest) -> Answer:
        objection = _objection(request)
        if objection is not None:
            return objection
        recorded = self._books.book.find(request.key)
        if recorded is not None:
            self._take(self._books.latency)
            return recorded.answer_to(request)
        told = self._books.queue.take(self._bound_to(request.method_reference)) or AS_USUAL
        self._take(self._books.latency + told.seconds)
        if told.kind in UNHEARD:
            return UNHEARD[told.kind]
        # The same key may have been booked while this answer took its time: that one stands.
        outcome = self._outcome(request, told)
        if outcome is None:
            charge = None
        else:
            charge = self._books.book.book(request, outcome, self._clock.now())
        if told.kind is AnswerKind.TIMEOUT_AFTER_CHARGE:
            return ANSWER_LOST
        if charge is None:
            return MethodGone(request.method_reference, self._clock.now())
        return charge.answer_to(request)

    @or_else(DOWN)
    def ask(self, key: str) -> Answer | NotKnown:
        self._take(self._books.latency)
        recorded = self._books.book.find(key)
        return NotKnown() if recorded is None else recorded.answer()

    @or_else(DOWN)
    def cancel(self, key: str) -> Answer | NotKnown:
        self._take(self._books.latency)
        recorded = self._books.book.find(key)
        if recorded is not None and recorded.challenge_id:
            self._books.desk.cancel(recorded.challenge_id, self._clock.now())
            recorded = self._books.book.find(key)
        return NotKnown() if recorded is None else recorded.answer()

    @or_else(DOWN)
    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RequestRejected | MethodGone:
        self._take(self._books.latency)
        outcome = self._bank(method_reference, customer_present=True)
        if outcome is None:
            return MethodGone(method_reference, self._clock.now())
        booked_reference, code, at = self._books.book.book_verification(
            key, method_reference, outcome.decline_code, self._clock.now()
        )
        if booked_reference != method_reference:
            return OTHER_REQUEST
        return declined(code, at) if code else Verified(at)

    def open_event(
        self, body: bytes, headers: Mapping[str, str]
    ) -> Event | Forged | Unknown | RequestRejected:
        try:
            return self._books.afterwards.open(body, headers, self._clock.now())
        except sqlite3.Error:
            return DOWN

    @or_else(DOWN)
    def happenings(self, event: Event) -> Sequence[Happening] | Unknown | RequestRejected:
        self._take(self._books.latency)
        subject, _, reference = event.about.partition(" ")
        if subject == "charge":
            return self._charged(reference)
        if subject == "taken_back":
            return self._taken_back(reference)
        return self._method(reference) if subject == "method" else ()

    def _charged(self, key: str) -> Sequence[Happening]:
        recorded = self._books.book.find(key)
        return () if recorded is None else (Settled(key, recorded.answer()),)

    def _taken_back(self, reference: str) -> Sequence[Happening]:
        """Money can only go back that was paid: that is told first."""
        row = self._books.afterwards.find(reference)
        if row is None:
            return ()
        told = Reversed(
            row.reference, row.key, row.kind, row.state, row.amount, row.currency, row.at
        )
        return (*self._charged(row.key), told)

    # What an agreement and a card do not share

    @abstractmethod
    def _method(self, reference: str) -> Sequence[Happening]:
        """What a saved method looks like now."""

    @abstractmethod
    def _saved(self, reference: str) -> Saved:
        """What was saved under it once its challenge was completed."""

    @abstractmethod
    def _bound_to(self, method_reference: str) -> str:
        """What the queue of next answers knows the method by."""

    @abstractmethod
    def _bank(self, method_reference: str, *, customer_present: bool) -> Outcome | None:
        """What the bank behind the method says; None where there is no such method any more."""

    def _ended(self, account_id: int, challenge: Challenge | None) -> SavingAnswer:
        if challenge is None:
            return RequestRejected("Nothing is being saved under this reference")
        if challenge.account_id != account_id:
            return WrongAccount(f"{challenge.id} was begun for account {challenge.account_id}")
        if challenge.state is ChallengeState.OPEN:
            return challenge.asks()
        if challenge.state is ChallengeState.COMPLETED:
            return self._saved(challenge.subject)
        if challenge.state is ChallengeState.CANCELLED:
            return Cancelled(challenge.at)
        return declined("authentication_required", challenge.at, challenge.id)

    def _outcome(self, request: ChargeRequest, told: NextAnswer) -> Outcome | None:
        """None where the method is gone, whatever was to be answered."""
        asks = told.kind is AnswerKind.AUTHENTICATION_REQUIRED
        present = asks or request.customer_present
        said = self._bank(request.method_reference, customer_present=present)
        if said is None:
            return None
        if told.kind is AnswerKind.DECLINE:
            return Outcome(Status.DECLINED, told.decline_code or "generic_decline")
        if asks:
            refused = said.status is Status.DECLINED
            code = said.decline_code if refused else said.confirmed_code
            return Outcome(Status.NEEDS_CUSTOMER, "authentication_required", code)
        return said

    def _take(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(min(seconds, LONGEST))


def outcome_of(behaviour: Behaviour, *, customer_present: bool) -> Outcome:
    charging = behaviour.charging(customer_present=customer_present)
    if charging is Charging.PAYS:
        return Outcome(Status.PAID)
    if charging is Charging.DECLINES:
        return Outcome(Status.DECLINED, behaviour.code)
    code = "" if behaviour.confirmed is Charging.PAYS else behaviour.code
    return Outcome(Status.NEEDS_CUSTOMER, "authentication_required", code)


def is_way_back(return_to: str) -> bool:
    """Nobody needs to be sent back; who is, stays on this host."""
    return not return_to or leads_here(return_to)


def _objection(request: ChargeRequest) -> RequestRejected | None:
    """What is wrong with the request itself, or nothing."""
    if not request.key:
        return RequestRejected("The idempotency key is missing")
    if request.amount <= 0 or request.amount % money.CENT:
        return RequestRejected("The amount must be whole cents above zero")
    if not (
        request.currency.isascii() and request.currency.isalpha() and len(request.currency) == 3
    ):
        return RequestRejected("The currency must be three letters")
    return None if is_way_back(request.return_to) else BAD_RETURN
