"""The pretend processor itself, behind the same port as the real ones."""

import time
from collections.abc import Callable

from webapp.clock import Clock
from webapp.domain import money
from webapp.ports import (
    Answer,
    ChargeRequest,
    Declined,
    NotKnown,
    RefusedToLook,
    SavedCard,
    Unknown,
    Verified,
)
from webapp.processors.sandbox.answers import LONGEST, AnswerKind, NextAnswer
from webapp.processors.sandbox.books import SandboxBooks
from webapp.processors.sandbox.cards import Adding, Charging
from webapp.processors.sandbox.charges import OTHER_REQUEST, Outcome, Status, declined
from webapp.processors.sandbox.vault import VaultCard

# What comes back instead of the bank's answer; nothing is booked, so nothing is known later.
UNHEARD: dict[AnswerKind, Unknown | RefusedToLook] = {
    AnswerKind.TIMEOUT_BEFORE_CHARGE: Unknown("The connection timed out"),
    AnswerKind.SERVER_ERROR: Unknown("The processor answered 500"),
    AnswerKind.REFUSE_TO_LOOK: RefusedToLook("Too many requests; try again later"),
}
ANSWER_LOST = Unknown("The processor did not answer in time")

AS_USUAL = NextAnswer(AnswerKind.SLOW)


class SandboxProcessor:
    """Implements `webapp.ports.Processor`. Its time is the product's, which the sandbox moves."""

    name = "sandbox"

    def __init__(
        self, books: SandboxBooks, clock: Clock, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._books = books
        self._clock = clock
        self._sleep = sleep

    def save_card(self, token: str) -> SavedCard | Declined | Unknown | RefusedToLook:
        self._take(self._books.latency)
        now = self._clock.now()
        saved = self._books.vault.save(token, now)
        if saved is None:
            return RefusedToLook("This card token is not known, was used, or is too old")
        if saved.behaviour.adding is Adding.SUCCEEDS:
            return saved.card
        # M6: without its challenge such a card is as good as refused by the bank.
        return declined(saved.behaviour.code or "authentication_required", now)

    def charge(self, request: ChargeRequest) -> Answer:
        objection = _objection(request)
        if objection:
            return RefusedToLook(objection)
        recorded = self._books.book.find(request.key)
        if recorded is not None:
            self._take(self._books.latency)
            return recorded.answer_to(request)
        card = self._books.vault.card(request.method_reference)
        told = self._books.queue.take(card.card.last4 if card else "") or AS_USUAL
        self._take(self._books.latency + told.seconds)
        if told.kind in UNHEARD:
            return UNHEARD[told.kind]
        # The same key may have been booked while this answer took its time: that one stands.
        charge = self._books.book.book(
            request, self._outcome(request, card, told), self._clock.now()
        )
        if told.kind is AnswerKind.TIMEOUT_AFTER_CHARGE:
            return ANSWER_LOST
        return charge.answer_to(request)

    def ask(self, key: str) -> Answer | NotKnown:
        self._take(self._books.latency)
        recorded = self._books.book.find(key)
        return NotKnown() if recorded is None else recorded.answer()

    def verify(
        self, key: str, method_reference: str
    ) -> Verified | Declined | Unknown | RefusedToLook:
        self._take(self._books.latency)
        outcome = self._bank(self._books.vault.card(method_reference), customer_present=True)
        card_reference, code, at = self._books.book.book_verification(
            key, method_reference, outcome.decline_code, self._clock.now()
        )
        if card_reference != method_reference:
            return OTHER_REQUEST
        return declined(code, at) if code else Verified(at)

    def revoke(self, method_reference: str) -> bool:
        self._take(self._books.latency)
        self._books.vault.revoke(method_reference, self._clock.now())
        return True

    def _outcome(self, request: ChargeRequest, card: VaultCard | None, told: NextAnswer) -> Outcome:
        if told.kind is AnswerKind.DECLINE:
            return Outcome(Status.DECLINED, told.decline_code or "generic_decline")
        if told.kind is AnswerKind.AUTHENTICATION_REQUIRED:
            # Whoever is present has been asked, and has failed.
            status = Status.DECLINED if request.customer_present else Status.NEEDS_CUSTOMER
            return Outcome(status, "authentication_required")
        return self._bank(card, customer_present=request.customer_present)

    def _bank(self, card: VaultCard | None, *, customer_present: bool) -> Outcome:
        """What the bank behind the card says; a decline code unless it would pay."""
        if card is None or card.revoked:
            return Outcome(Status.DECLINED, "invalid_account")
        if card.has_expired(self._clock.now()):
            return Outcome(Status.DECLINED, "expired_card")
        charging = card.behaviour.charging(customer_present=customer_present)
        if charging is Charging.PAYS:
            return Outcome(Status.PAID)
        if charging is Charging.WANTS_CUSTOMER:
            return Outcome(Status.NEEDS_CUSTOMER, "authentication_required")
        return Outcome(Status.DECLINED, card.behaviour.code)

    def _take(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(min(seconds, LONGEST))


def _objection(request: ChargeRequest) -> str:
    """What is wrong with the request itself, or nothing."""
    if not request.key:
        return "The idempotency key is missing"
    if request.amount <= 0 or request.amount % money.CENT:
        return "The amount must be whole cents above zero"
    if not (
        request.currency.isascii() and request.currency.isalpha() and len(request.currency) == 3
    ):
        return "The currency must be three letters"
    return ""
