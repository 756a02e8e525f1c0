"""What every processor must answer, whoever moves the money.

An adapter is put behind these questions by a test class that inherits `ProcessorContract` and
gives a `harness` fixture: the adapter, and hands on whatever stands on the other side of the wire.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from webapp.domain import declines
from webapp.domain.money import MICROS
from webapp.ports import (
    ChargeRequest,
    Declined,
    NeedsCustomer,
    NotKnown,
    Paid,
    Processor,
    RefusedToLook,
    SavedCard,
    Unknown,
    Verified,
)

HUNDRED = 100 * MICROS


class Harness(Protocol):
    processor: Processor

    def now(self) -> datetime:
        """The processor's own time."""

    def move_clock(self, by: timedelta) -> None:
        """Move the processor's time ahead."""

    def token(self) -> str:
        """What the capture form gives for a card that pays: Visa 4242, 12/2030 or later."""

    def paying(self) -> str:
        """The reference of a saved card that pays."""

    def declining(self) -> str:
        """The reference of a saved card whose bank declines with `generic_decline`."""

    def wants_customer(self) -> str:
        """The reference of a saved card whose bank wants the customer at every charge."""

    def lose_next_answer(self) -> None:
        """The next charge is made, but its answer never comes back."""

    def lose_next_request(self) -> None:
        """The next charge never arrives."""

    def refuse_next(self) -> None:
        """The next charge is turned away before it is looked at."""

    def taken(self) -> Sequence[tuple[str, int, str]]:
        """Key, micros and currency of all the money that was really taken."""


def wish(reference: str, **other) -> ChargeRequest:
    wanted = {
        "key": f"attempt-{uuid4().hex}",
        "amount": HUNDRED,
        "currency": "USD",
        "method_reference": reference,
        "customer_present": False,
    }
    return ChargeRequest(**{**wanted, **other})


class ProcessorContract:
    # Saving

    def test_a_token_becomes_a_card_of_which_only_the_permitted_is_kept(self, harness):
        """M7"""
        card = harness.processor.save_card(harness.token())

        assert isinstance(card, SavedCard)
        assert (card.brand, card.last4) == ("visa", "4242")
        assert card.reference
        assert card.fingerprint
        assert "4242424242424242" not in repr(card)

    def test_a_saved_card_can_be_charged(self, harness):
        card = harness.processor.save_card(harness.token())

        assert isinstance(harness.processor.charge(wish(card.reference)), Paid)

    def test_the_same_card_has_the_same_fingerprint(self, harness):
        """M8"""
        first, again = (harness.processor.save_card(harness.token()) for _ in range(2))

        assert first.fingerprint == again.fingerprint

    def test_a_token_is_good_for_one_card(self, harness):
        token = harness.token()
        harness.processor.save_card(token)

        assert isinstance(harness.processor.save_card(token), RefusedToLook)

    def test_a_made_up_token_is_refused(self, harness):
        assert isinstance(harness.processor.save_card("tok_made_up"), RefusedToLook)

    # Charging

    def test_a_charge_takes_exactly_what_was_asked_for(self, harness):
        """L9: amount and currency come back for the settling to compare."""
        request = wish(harness.paying(), amount=123_450_000)

        answer = harness.processor.charge(request)

        assert isinstance(answer, Paid)
        assert (answer.amount, answer.currency) == (123_450_000, "USD")
        assert answer.reference
        assert list(harness.taken()) == [(request.key, 123_450_000, "USD")]

    def test_the_same_key_takes_money_once_and_gives_the_same_answer(self, harness):
        """L3"""
        request = wish(harness.paying())

        first = harness.processor.charge(request)
        harness.move_clock(timedelta(hours=1))

        assert harness.processor.charge(request) == first
        assert len(harness.taken()) == 1

    def test_the_same_key_at_once_takes_money_once(self, harness):
        """L3: a double click, or a crash and its repair, at the same moment."""
        request, start = wish(harness.paying()), threading.Barrier(8)

        def charge():
            start.wait()
            return harness.processor.charge(request)

        with ThreadPoolExecutor(8) as pool:
            answers = [future.result() for future in [pool.submit(charge) for _ in range(8)]]

        assert len(harness.taken()) == 1
        # A processor may turn the others away while the first is under way; it may not pay them.
        assert all(isinstance(answer, Paid | RefusedToLook | Unknown) for answer in answers)
        assert len({a.reference for a in answers if isinstance(a, Paid)}) == 1

    def test_other_keys_are_other_charges(self, harness):
        reference = harness.paying()

        harness.processor.charge(wish(reference))
        harness.processor.charge(wish(reference))

        assert len(harness.taken()) == 2

    def test_a_key_that_comes_back_with_another_request_is_refused(self, harness):
        """L8: nothing is looked at, and the first answer stays."""
        request = wish(harness.paying())
        first = harness.processor.charge(request)

        other = harness.processor.charge(
            wish(request.method_reference, key=request.key, amount=2 * HUNDRED)
        )

        assert isinstance(other, RefusedToLook)
        assert harness.processor.ask(request.key) == first
        assert len(harness.taken()) == 1

    def test_a_decline_is_conclusive_and_carries_its_class(self, harness):
        """T7, F3"""
        request = wish(harness.declining())

        answer = harness.processor.charge(request)

        assert isinstance(answer, Declined)
        assert answer.code == "generic_decline"
        assert answer.decline_class is declines.class_of(answer.code)
        assert harness.processor.charge(request) == answer
        assert list(harness.taken()) == []

    def test_a_decline_keeps_the_processors_own_time(self, harness):
        """F8: 48 hours run from then, however late it is learned."""
        request = wish(harness.declining())
        before = harness.now()
        answer = harness.processor.charge(request)
        after = harness.now()
        harness.move_clock(timedelta(hours=30))

        learned_later = harness.processor.ask(request.key)

        # Real processors tell whole seconds.
        assert before.replace(microsecond=0) <= answer.at <= after
        assert answer.at.utcoffset() == timedelta(0)
        assert learned_later.at == answer.at

    def test_a_bank_that_wants_the_customer_takes_nothing(self, harness):
        """F7"""
        request = wish(harness.wants_customer())

        answer = harness.processor.charge(request)

        assert isinstance(answer, NeedsCustomer)
        assert answer.reference
        assert harness.processor.ask(request.key) == answer
        assert list(harness.taken()) == []

    # Not knowing

    def test_what_was_charged_but_not_heard_is_found_by_asking(self, harness):
        """L10"""
        request = wish(harness.paying())
        harness.lose_next_answer()

        assert isinstance(harness.processor.charge(request), Unknown)

        answer = harness.processor.ask(request.key)
        assert isinstance(answer, Paid)
        assert (answer.amount, answer.currency) == (HUNDRED, "USD")
        assert harness.processor.charge(request) == answer
        assert len(harness.taken()) == 1

    def test_a_decline_that_was_not_heard_is_found_by_asking(self, harness):
        """T7: unknown at first; only the answer found later moves on."""
        request = wish(harness.declining())
        harness.lose_next_answer()

        assert isinstance(harness.processor.charge(request), Unknown)
        assert isinstance(harness.processor.ask(request.key), Declined)

    def test_what_never_arrived_is_not_known_and_may_be_repeated_once(self, harness):
        """L10"""
        request = wish(harness.paying())
        harness.lose_next_request()

        assert isinstance(harness.processor.charge(request), Unknown)
        assert isinstance(harness.processor.ask(request.key), NotKnown)
        assert list(harness.taken()) == []

        assert isinstance(harness.processor.charge(request), Paid)
        assert isinstance(harness.processor.charge(request), Paid)
        assert len(harness.taken()) == 1

    def test_a_key_that_was_never_used_is_not_known(self, harness):
        assert isinstance(harness.processor.ask("attempt-never-made"), NotKnown)

    def test_a_refusal_to_look_says_nothing_about_the_card(self, harness):
        """L8: no money, no decline, and the same key is good for another try."""
        request = wish(harness.paying())
        harness.refuse_next()

        answer = harness.processor.charge(request)

        assert isinstance(answer, RefusedToLook)
        assert answer.reason
        assert isinstance(harness.processor.ask(request.key), NotKnown)
        assert isinstance(harness.processor.charge(request), Paid)
        assert len(harness.taken()) == 1

    # Verifying

    def test_a_method_is_verified_for_no_amount(self, harness):
        """F4: Restore without paying."""
        answer = harness.processor.verify("verify-1", harness.paying())

        assert isinstance(answer, Verified)
        assert list(harness.taken()) == []

    def test_a_method_that_would_be_declined_is_not_verified(self, harness):
        """F4"""
        answer = harness.processor.verify("verify-2", harness.declining())

        assert isinstance(answer, Declined)
        assert answer.code == "generic_decline"

    def test_a_verification_is_asked_for_once(self, harness):
        """F4: a double click asks the bank once."""
        reference = harness.paying()
        first = harness.processor.verify("verify-3", reference)
        harness.move_clock(timedelta(minutes=1))

        assert harness.processor.verify("verify-3", reference) == first

    # Forgetting

    def test_a_revoked_method_is_never_charged_again(self, harness):
        """M10"""
        reference = harness.paying()

        assert harness.processor.revoke(reference) is True

        answer = harness.processor.charge(wish(reference))
        assert isinstance(answer, Declined)
        assert isinstance(harness.processor.verify("verify-4", reference), Declined)
        assert list(harness.taken()) == []

    def test_revoking_again_finds_it_gone(self, harness):
        """M13: a revocation is repeated until it is done."""
        reference = harness.paying()
        harness.processor.revoke(reference)

        assert harness.processor.revoke(reference) is True

    def test_what_was_charged_before_a_revocation_is_still_known(self, harness):
        """M10, L10"""
        request = wish(harness.paying())
        paid = harness.processor.charge(request)

        harness.processor.revoke(request.method_reference)

        assert harness.processor.ask(request.key) == paid
        assert harness.processor.charge(request) == paid

    def test_a_method_that_never_was_is_declined(self, harness):
        """M13: gone at the processor is an answer, not a crash."""
        answer = harness.processor.charge(wish("card_made_up"))

        assert isinstance(answer, Declined)
        assert list(harness.taken()) == []
