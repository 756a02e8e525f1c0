"""The contract that every processor adapter must fulfil.

A test class inherits `CardContract` or `AgreementContract` and provides a `harness` fixture: the
adapter, and control of the service on the other side.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Protocol
from uuid import uuid4

import pytest

from webapp.currencies import DECIMALS, Bounds
from webapp.domain.payment_methods import declines
from webapp.domain.shared.money import CENT, MICROS
from webapp.ports import (
    Cancelled,
    ChargeRequest,
    DeclineClass,
    Declined,
    Event,
    Forged,
    Happening,
    Listed,
    MethodGone,
    MethodUpdated,
    NeedsCustomer,
    NotKnown,
    Paid,
    Processor,
    RequestRejected,
    ReversalKind,
    ReversalState,
    Reversed,
    SavedAgreement,
    SavedCard,
    Settled,
    Unknown,
    Verified,
    WrongAccount,
)

HUNDRED = 100 * MICROS
YEN = 3_000 * MICROS
BACK = "/billing/payment-methods/back"

ACCOUNT, OTHER = 1, 4711
"""The requesting account, and another account of the same installation."""


class Harness(Protocol):
    processor: Processor
    stale: timedelta
    """The age from which a delivery is rejected."""

    def now(self) -> datetime:
        """The processor's own time."""

    def move_clock(self, by: timedelta) -> None:
        """Move the processor's time ahead."""

    def paying(self) -> str:
        """Return the reference of a saved method that pays."""

    def declining(self) -> str:
        """Return the reference of a saved method whose bank declines with `generic_decline`."""

    def requires_authentication(self) -> str:
        """Return the reference of a saved method that requires a challenge for every charge.

        Once the customer confirms, it pays.
        """

    def confirm(self, address: str) -> None:
        """The customer completes the challenge at this address, unless it has ended."""

    def fail(self, address: str) -> None:
        """The customer fails the challenge, unless it has ended."""

    def lose_next_answer(self) -> None:
        """The next charge is made, but its response is lost."""

    def lose_next_request(self) -> None:
        """The next charge request is lost."""

    def refuse_next(self) -> None:
        """The next charge is rejected before it is processed."""

    def refund(self, key: str, amount: int) -> None:
        """Refund this many micros of a charge."""

    def dispute(self, key: str) -> str:
        """The customer disputes all of a charge. Returns the dispute's reference."""

    def end_dispute(self, reference: str, won: bool) -> None:
        """Decide the dispute; `won` means in the merchant's favour."""

    def remove_at_processor(self, reference: str) -> None:
        """Remove a saved method on the processor's side."""

    def deliveries(self) -> Sequence[tuple[bytes, dict[str, str]]]:
        """Return the body and headers of each webhook delivery since the last call."""

    def unknown_delivery(self) -> tuple[bytes, dict[str, str]]:
        """Return a validly signed delivery of an event type that the adapter does not follow."""

    def taken(self) -> Sequence[tuple[str, int, str]]:
        """Return key, micros and currency of every charge that took money."""


class CardHarness(Harness, Protocol):
    def token(self) -> str:
        """Return the form token of `ACCOUNT` for a card that pays: Visa 4242, 12/2030 or later."""

    def renew(self, reference: str) -> None:
        """The bank renews a saved card with a later expiry."""

    def challenged_token(self) -> str:
        """Return a form token for a card that needs a challenge to be saved, and then pays."""


class AgreementHarness(Harness, Protocol):
    def agree(self, address: str, email: str) -> None:
        """The payer signs in and agrees at this address, unless the request has ended."""

    def turn_down(self, address: str) -> None:
        """The payer returns without agreeing."""

    def cancel_agreement(self, reference: str) -> None:
        """The payer cancels the agreement later on the processor's pages."""


def charge_request(reference: str, **other) -> ChargeRequest:
    wanted = {
        "key": f"attempt-{uuid4().hex}",
        "amount": HUNDRED,
        "currency": "USD",
        "method_reference": reference,
        "customer_present": False,
    }
    return ChargeRequest(**{**wanted, **other})


def verified_event(harness, body, headers) -> Event:
    event = harness.processor.open_event(body, headers)
    assert isinstance(event, Event), event
    return event


def happenings_in(harness, body, headers) -> list[Happening]:
    found = harness.processor.happenings(verified_event(harness, body, headers))
    assert not isinstance(found, Unknown | RequestRejected), found
    return list(found)


def new_happenings(harness) -> list[Happening]:
    """Return the content of all webhook deliveries since the last call."""
    return [one for each in harness.deliveries() for one in happenings_in(harness, *each)]


class ProcessorContract:
    # Charging

    def test_a_charge_takes_exactly_the_requested_amount(self, harness):
        """L9: the answer carries amount and currency, which settling compares."""
        request = charge_request(harness.paying(), amount=123_450_000)

        answer = harness.processor.charge(request)

        assert isinstance(answer, Paid)
        assert (answer.amount, answer.currency) == (123_450_000, "USD")
        assert answer.reference
        assert list(harness.taken()) == [(request.key, 123_450_000, "USD")]

    @pytest.mark.parametrize("currency", DECIMALS)
    def test_a_charge_takes_the_smallest_payment_in_each_currency_l1(self, harness, currency):
        """L1: every currency that is offered by default."""
        least = Bounds.default(currency).payment_min
        request = charge_request(harness.paying(), amount=least, currency=currency)

        answer = harness.processor.charge(request)

        assert isinstance(answer, Paid)
        assert (answer.amount, answer.currency) == (least, currency)
        assert list(harness.taken()) == [(request.key, least, currency)]

    def test_yen_are_charged_refunded_and_disputed_in_whole_units_l1(self, harness):
        """L1, L7: a currency without a minor unit has the same amount in every message."""
        reference = harness.paying()
        request = charge_request(reference, amount=YEN, currency="JPY")
        answer = harness.processor.charge(request)
        assert isinstance(answer, Paid)
        assert (answer.amount, answer.currency) == (YEN, "JPY")
        assert list(harness.taken()) == [(request.key, YEN, "JPY")]
        assert harness.processor.ask(request.key) == answer

        harness.refund(request.key, 1_000 * MICROS)
        other = charge_request(reference, amount=YEN, currency="JPY")
        harness.processor.charge(other)
        harness.dispute(other.key)

        back = [one for one in new_happenings(harness) if isinstance(one, Reversed)]
        assert {(one.key, one.amount, one.currency) for one in back} == {
            (request.key, 1_000 * MICROS, "JPY"),
            (other.key, YEN, "JPY"),
        }

    @pytest.mark.parametrize(
        ("amount", "currency"), [(3_000_500_000, "JPY"), (30_005_000, "USD"), (0, "JPY")]
    )
    def test_parts_of_a_minor_unit_are_rejected_l1(self, harness, amount, currency):
        request = charge_request(harness.paying(), amount=amount, currency=currency)

        assert isinstance(harness.processor.charge(request), RequestRejected)
        assert list(harness.taken()) == []

    def test_the_same_key_takes_money_once_and_returns_the_same_answer(self, harness):
        """L3"""
        request = charge_request(harness.paying())

        first = harness.processor.charge(request)
        harness.move_clock(timedelta(hours=1))

        assert harness.processor.charge(request) == first
        assert len(harness.taken()) == 1

    def test_the_same_key_used_concurrently_takes_money_once(self, harness):
        """L3: a double click, or a recovery that runs while the first request is in progress."""
        request, start = charge_request(harness.paying()), threading.Barrier(8)

        def charge():
            start.wait()
            return harness.processor.charge(request)

        with ThreadPoolExecutor(8) as pool:
            answers = [future.result() for future in [pool.submit(charge) for _ in range(8)]]

        assert len(harness.taken()) == 1
        # A processor may reject the others while the first is in progress, but not charge them.
        assert all(isinstance(answer, Paid | RequestRejected | Unknown) for answer in answers)
        assert len({a.reference for a in answers if isinstance(a, Paid)}) == 1

    def test_different_keys_are_different_charges(self, harness):
        reference = harness.paying()

        harness.processor.charge(charge_request(reference))
        harness.processor.charge(charge_request(reference))

        assert len(harness.taken()) == 2

    def test_a_key_reused_with_another_request_is_rejected(self, harness):
        """L8: the second request is not processed, and the first answer remains."""
        request = charge_request(harness.paying())
        first = harness.processor.charge(request)

        other = harness.processor.charge(
            charge_request(request.method_reference, key=request.key, amount=2 * HUNDRED)
        )

        assert isinstance(other, RequestRejected)
        assert harness.processor.ask(request.key) == first
        assert len(harness.taken()) == 1

    def test_a_decline_is_conclusive_and_has_its_class(self, harness):
        """T7, F3"""
        request = charge_request(harness.declining())

        answer = harness.processor.charge(request)

        assert isinstance(answer, Declined)
        assert answer.code == "generic_decline"
        assert answer.decline_class is declines.class_of(answer.code)
        assert harness.processor.charge(request) == answer
        assert list(harness.taken()) == []

    def test_a_decline_carries_the_processors_time(self, harness):
        """F8: the 48 hours run from then, however late the decline is received."""
        request = charge_request(harness.declining())
        before = harness.now()
        answer = harness.processor.charge(request)
        after = harness.now()
        harness.move_clock(timedelta(hours=30))

        learned_later = harness.processor.ask(request.key)

        # Real processors report whole seconds.
        assert before.replace(microsecond=0) <= answer.at <= after
        assert answer.at.utcoffset() == timedelta(0)
        assert learned_later.at == answer.at

    def test_an_unattended_charge_that_requires_authentication_takes_nothing(self, harness):
        """F7"""
        request = charge_request(harness.requires_authentication())

        answer = harness.processor.charge(request)

        assert isinstance(answer, NeedsCustomer)
        assert answer.reference
        assert harness.processor.ask(request.key) == answer
        assert list(harness.taken()) == []

    # Challenges while charging

    def test_a_present_customer_is_challenged_and_then_pays_once(self, harness):
        """F4, L3"""
        request = charge_request(
            harness.requires_authentication(), customer_present=True, return_to=BACK
        )

        asked = harness.processor.charge(request)

        assert isinstance(asked, NeedsCustomer)
        assert asked.address
        assert harness.processor.ask(request.key) == asked
        assert harness.processor.charge(request) == asked
        assert list(harness.taken()) == []

        harness.move_clock(timedelta(minutes=2))
        harness.confirm(asked.address)
        harness.confirm(asked.address)

        paid = harness.processor.ask(request.key)
        assert isinstance(paid, Paid)
        assert (paid.amount, paid.currency) == (HUNDRED, "USD")
        assert harness.processor.charge(request) == paid
        assert list(harness.taken()) == [(request.key, HUNDRED, "USD")]

    def test_a_failed_challenge_is_a_decline_with_its_own_time(self, harness):
        """F8, F9"""
        request = charge_request(
            harness.requires_authentication(), customer_present=True, return_to=BACK
        )
        asked = harness.processor.charge(request)
        harness.move_clock(timedelta(minutes=2))
        before = harness.now()

        harness.fail(asked.address)
        harness.confirm(asked.address)

        answer = harness.processor.ask(request.key)
        assert isinstance(answer, Declined)
        assert answer.code == "authentication_required"
        assert answer.decline_class is DeclineClass.CUSTOMER
        assert before.replace(microsecond=0) <= answer.at <= harness.now()
        assert harness.processor.charge(request) == answer
        assert list(harness.taken()) == []

    def test_a_cancelled_challenge_takes_nothing(self, harness):
        """F9"""
        request = charge_request(
            harness.requires_authentication(), customer_present=True, return_to=BACK
        )
        asked = harness.processor.charge(request)

        given_up = harness.processor.cancel(request.key)
        harness.confirm(asked.address)

        assert isinstance(given_up, Cancelled)
        assert harness.processor.cancel(request.key) == given_up
        assert harness.processor.ask(request.key) == given_up
        assert harness.processor.charge(request) == given_up
        assert list(harness.taken()) == []

    def test_cancelling_an_answered_challenge_returns_its_outcome(self, harness):
        """F9: for a confirmed and for a failed challenge."""
        reference = harness.requires_authentication()
        paid, failed = (
            charge_request(reference, customer_present=True, return_to=BACK) for _ in range(2)
        )
        harness.confirm(harness.processor.charge(paid).address)
        harness.fail(harness.processor.charge(failed).address)

        assert isinstance(harness.processor.cancel(paid.key), Paid)
        assert isinstance(harness.processor.cancel(failed.key), Declined)
        assert len(harness.taken()) == 1

    def test_cancelling_a_charge_without_a_challenge_changes_nothing(self, harness):
        paid, declined = charge_request(harness.paying()), charge_request(harness.declining())
        harness.processor.charge(paid)
        harness.processor.charge(declined)

        assert isinstance(harness.processor.cancel(paid.key), Paid)
        assert isinstance(harness.processor.cancel(declined.key), Declined)
        assert isinstance(harness.processor.cancel("attempt-never-made"), NotKnown)
        assert len(harness.taken()) == 1

    def test_confirming_and_cancelling_concurrently_have_one_outcome(self, harness):
        """F9, L3"""
        request = charge_request(
            harness.requires_authentication(), customer_present=True, return_to=BACK
        )
        asked, start = harness.processor.charge(request), threading.Barrier(4)

        def at_once(do, happenings):
            start.wait()
            do(happenings)

        with ThreadPoolExecutor(4) as pool:
            doing = [
                pool.submit(at_once, do, happenings)
                for do, happenings in (
                    (harness.confirm, asked.address),
                    (harness.processor.cancel, request.key),
                )
                * 2
            ]
            for future in doing:
                future.result()

        answer = harness.processor.ask(request.key)
        assert isinstance(answer, Paid | Cancelled)
        assert len(harness.taken()) == isinstance(answer, Paid)

    def test_a_method_revoked_during_its_challenge_is_not_charged(self, harness):
        """M10"""
        request = charge_request(
            harness.requires_authentication(), customer_present=True, return_to=BACK
        )
        asked = harness.processor.charge(request)

        harness.processor.revoke(request.method_reference)
        harness.confirm(asked.address)

        assert not isinstance(harness.processor.ask(request.key), Paid)
        assert list(harness.taken()) == []

    def test_a_different_return_address_is_the_same_request(self, harness):
        """L3: the same payment, submitted again from another page."""
        reference = harness.paying()
        first = charge_request(reference, customer_present=True, return_to=BACK)

        paid = harness.processor.charge(first)

        again = charge_request(
            reference, key=first.key, customer_present=True, return_to="/elsewhere"
        )
        assert harness.processor.charge(again) == paid
        assert len(harness.taken()) == 1

    # Unknown outcomes

    def test_a_charge_whose_answer_was_lost_is_found_by_asking(self, harness):
        """L10"""
        request = charge_request(harness.paying())
        harness.lose_next_answer()

        assert isinstance(harness.processor.charge(request), Unknown)

        answer = harness.processor.ask(request.key)
        assert isinstance(answer, Paid)
        assert (answer.amount, answer.currency) == (HUNDRED, "USD")
        assert harness.processor.charge(request) == answer
        assert len(harness.taken()) == 1

    def test_a_decline_whose_answer_was_lost_is_found_by_asking(self, harness):
        """T7: the outcome is unknown at first; only the decline found later allows fallback."""
        request = charge_request(harness.declining())
        harness.lose_next_answer()

        assert isinstance(harness.processor.charge(request), Unknown)
        assert isinstance(harness.processor.ask(request.key), Declined)

    def test_a_request_that_was_lost_is_not_known_and_can_be_repeated(self, harness):
        """L10"""
        request = charge_request(harness.paying())
        harness.lose_next_request()

        assert isinstance(harness.processor.charge(request), Unknown)
        assert isinstance(harness.processor.ask(request.key), NotKnown)
        assert list(harness.taken()) == []

        assert isinstance(harness.processor.charge(request), Paid)
        assert isinstance(harness.processor.charge(request), Paid)
        assert len(harness.taken()) == 1

    def test_an_unused_key_is_not_known(self, harness):
        assert isinstance(harness.processor.ask("attempt-never-made"), NotKnown)

    def test_a_rejected_request_is_no_decline(self, harness):
        """L8: no money is taken, and the same key can be used again."""
        request = charge_request(harness.paying())
        harness.refuse_next()

        answer = harness.processor.charge(request)

        assert isinstance(answer, RequestRejected)
        assert answer.reason
        assert isinstance(harness.processor.ask(request.key), NotKnown)
        assert isinstance(harness.processor.charge(request), Paid)
        assert len(harness.taken()) == 1

    # Verifying

    def test_a_method_is_verified_without_a_charge(self, harness):
        """F4: Restore without paying."""
        answer = harness.processor.verify("verify-1", harness.paying())

        assert isinstance(answer, Verified)
        assert list(harness.taken()) == []

    def test_a_repeated_verification_returns_the_first_answer(self, harness):
        """F4: a double click asks the bank once."""
        reference = harness.paying()
        first = harness.processor.verify("verify-3", reference)
        harness.move_clock(timedelta(minutes=1))

        assert harness.processor.verify("verify-3", reference) == first

    # Events

    def test_each_refund_has_its_own_reference_and_amount(self, harness):
        """L7: each refund appears once, by its own amount, together with the payment it
        reverses.
        """
        request = charge_request(harness.paying())
        paid = harness.processor.charge(request)
        harness.refund(request.key, 30 * MICROS)
        harness.refund(request.key, 20 * MICROS)

        happenings = new_happenings(harness)

        back = {one.reference: one for one in happenings if isinstance(one, Reversed)}
        assert sorted(one.amount for one in back.values()) == [20 * MICROS, 30 * MICROS]
        for one in back.values():
            assert (one.key, one.currency, one.kind) == (request.key, "USD", ReversalKind.REFUND)
            assert one.state is ReversalState.TAKEN
            assert one.at.utcoffset() == timedelta(0)
        assert Settled(request.key, paid) in happenings

    @pytest.mark.parametrize("won", [True, False])
    def test_a_dispute_and_its_outcome_are_reported(self, harness, won):
        """L7"""
        request = charge_request(harness.paying())
        harness.processor.charge(request)
        reference = harness.dispute(request.key)

        (begun,) = [one for one in new_happenings(harness) if isinstance(one, Reversed)][-1:]
        harness.end_dispute(reference, won)
        (ended,) = [one for one in new_happenings(harness) if isinstance(one, Reversed)][-1:]

        assert (begun.reference, begun.key) == (reference, request.key)
        assert (begun.kind, begun.state) == (ReversalKind.DISPUTE, ReversalState.TAKEN)
        assert begun.amount == HUNDRED
        assert ended.reference == reference
        assert ended.state is (ReversalState.RETURNED if won else ReversalState.LOST)

    def test_an_old_event_returns_the_current_state(self, harness):
        """The order of events is not trusted; the object of the event is fetched again."""
        request = charge_request(harness.paying())
        harness.processor.charge(request)
        reference = harness.dispute(request.key)
        begun = list(harness.deliveries())
        harness.end_dispute(reference, True)

        happenings = [one for each in begun for one in happenings_in(harness, *each)]

        states = {one.state for one in happenings if isinstance(one, Reversed)}
        assert states == {ReversalState.RETURNED}

    def test_a_method_removed_at_the_processor_is_gone(self, harness):
        """M13"""
        reference = harness.paying()
        harness.remove_at_processor(reference)

        happenings = [one for one in new_happenings(harness) if isinstance(one, MethodGone)]

        assert {one.method_reference for one in happenings} == {reference}

    def test_a_charge_finds_that_its_method_is_gone(self, harness):
        """M13, T7: conclusive for every request, without an event."""
        reference = harness.paying()
        harness.remove_at_processor(reference)
        request = charge_request(reference)

        answers = [harness.processor.charge(request) for _ in range(2)]

        assert all(isinstance(answer, MethodGone) for answer in answers), answers
        assert {answer.method_reference for answer in answers} == {reference}
        assert isinstance(harness.processor.ask(request.key), NotKnown | MethodGone)
        assert isinstance(harness.processor.verify("verify-6", reference), MethodGone)
        assert list(harness.taken()) == []

    def test_an_event_has_the_same_id_in_every_delivery(self, harness):
        request = charge_request(harness.paying())
        harness.processor.charge(request)
        harness.refund(request.key, 30 * MICROS)
        deliveries = list(harness.deliveries())

        ids = [verified_event(harness, *each).id for each in deliveries]
        again = [verified_event(harness, *each).id for each in deliveries]

        assert ids == again
        assert len(set(ids)) == len(ids) > 0

    def test_a_modified_body_is_rejected(self, harness):
        body, headers = harness.unknown_delivery()

        answer = harness.processor.open_event(body.replace(b":", b": ", 1), headers)

        assert isinstance(answer, Forged)

    @pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}])
    def test_an_unsigned_delivery_is_rejected(self, harness, headers):
        body, _ = harness.unknown_delivery()

        assert isinstance(harness.processor.open_event(body, headers), Forged)
        assert isinstance(harness.processor.open_event(b"", headers), Forged)

    def test_a_stale_signature_is_rejected(self, harness):
        body, headers = harness.unknown_delivery()
        harness.move_clock(harness.stale)

        assert isinstance(harness.processor.open_event(body, headers), Forged)

    def test_an_unknown_event_type_has_no_happenings(self, harness):
        assert happenings_in(harness, *harness.unknown_delivery()) == []

    # Revoking

    def test_a_revoked_method_is_never_charged_again(self, harness):
        """M10"""
        reference = harness.paying()

        assert harness.processor.revoke(reference) is True

        answer = harness.processor.charge(charge_request(reference))
        assert isinstance(answer, MethodGone)
        assert isinstance(harness.processor.verify("verify-4", reference), MethodGone)
        assert list(harness.taken()) == []

    def test_revoking_twice_succeeds(self, harness):
        """M13: a revocation is repeated until it succeeds."""
        reference = harness.paying()
        harness.processor.revoke(reference)

        assert harness.processor.revoke(reference) is True

    def test_a_charge_before_a_revocation_stays_known(self, harness):
        """M10, L10"""
        request = charge_request(harness.paying())
        paid = harness.processor.charge(request)

        harness.processor.revoke(request.method_reference)

        assert harness.processor.ask(request.key) == paid
        assert harness.processor.charge(request) == paid

    def test_an_unknown_method_is_gone(self, harness):
        """M13: an answer instead of an error."""
        answer = harness.processor.charge(charge_request("card_made_up"))

        assert isinstance(answer, MethodGone)
        assert list(harness.taken()) == []


class CardContract(ProcessorContract):
    def test_a_saved_card_keeps_only_permitted_fields(self, harness):
        """M7"""
        card = harness.processor.save_card(ACCOUNT, harness.token(), BACK)

        assert isinstance(card, SavedCard)
        assert (card.brand, card.last4) == ("visa", "4242")
        assert card.reference
        assert card.fingerprint
        assert "4242424242424242" not in repr(card)

    def test_a_saved_card_can_be_charged(self, harness):
        card = harness.processor.save_card(ACCOUNT, harness.token(), BACK)

        assert isinstance(harness.processor.charge(charge_request(card.reference)), Paid)

    def test_the_same_card_has_the_same_fingerprint(self, harness):
        """M8"""
        first, again = (
            harness.processor.save_card(ACCOUNT, harness.token(), BACK) for _ in range(2)
        )

        assert first.fingerprint == again.fingerprint

    def test_a_token_saves_one_card(self, harness):
        """A form submitted twice is rejected, or recognised as the same card."""
        token = harness.token()
        card = harness.processor.save_card(ACCOUNT, token, BACK)

        again = harness.processor.save_card(ACCOUNT, token, BACK)

        assert again == card or isinstance(again, RequestRejected)

    def test_a_token_of_another_account_is_rejected(self, harness):
        """M14: nothing is saved for the other account, and the token stays valid for its own."""
        token = harness.token()

        assert isinstance(harness.processor.save_card(OTHER, token, BACK), WrongAccount)
        card = harness.processor.save_card(ACCOUNT, token, BACK)

        assert isinstance(harness.processor.charge(charge_request(card.reference)), Paid)

    def test_a_challenge_of_another_account_is_rejected(self, harness):
        """M14: it can be neither read nor cancelled, before and after it is answered."""
        processor = harness.processor
        asked = processor.save_card(ACCOUNT, harness.challenged_token(), BACK)

        assert isinstance(processor.saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.cancel_saving(OTHER, asked.reference), WrongAccount)
        assert processor.saving(ACCOUNT, asked.reference) == asked
        harness.confirm(asked.address)

        assert isinstance(processor.saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.cancel_saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.saving(ACCOUNT, asked.reference), SavedCard)

    def test_an_invented_token_is_rejected(self, harness):
        assert isinstance(
            harness.processor.save_card(ACCOUNT, "tok_made_up", BACK), RequestRejected
        )

    def test_a_challenged_card_is_saved_after_confirmation(self, harness):
        """M6, M7"""
        processor = harness.processor

        asked = processor.save_card(ACCOUNT, harness.challenged_token(), BACK)

        assert isinstance(asked, NeedsCustomer)
        assert asked.reference
        assert asked.address
        assert processor.saving(ACCOUNT, asked.reference) == asked

        harness.confirm(asked.address)
        harness.confirm(asked.address)

        card = processor.saving(ACCOUNT, asked.reference)
        assert isinstance(card, SavedCard)
        assert processor.saving(ACCOUNT, asked.reference) == card
        assert isinstance(processor.charge(charge_request(card.reference)), Paid)

    def test_a_failed_challenge_saves_nothing(self, harness):
        """M6"""
        asked = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)

        harness.fail(asked.address)
        harness.confirm(asked.address)

        answer = harness.processor.saving(ACCOUNT, asked.reference)
        assert isinstance(answer, Declined)
        assert answer.code == "authentication_required"
        assert harness.processor.saving(ACCOUNT, asked.reference) == answer
        assert harness.processor.cancel_saving(ACCOUNT, asked.reference) == answer

    def test_an_abandoned_challenge_saves_nothing(self, harness):
        """M6, F9"""
        asked = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
        harness.move_clock(timedelta(minutes=20))

        given_up = harness.processor.cancel_saving(ACCOUNT, asked.reference)
        harness.confirm(asked.address)

        assert isinstance(given_up, Cancelled)
        assert harness.processor.saving(ACCOUNT, asked.reference) == given_up
        assert harness.processor.cancel_saving(ACCOUNT, asked.reference) == given_up

    def test_cancelling_a_confirmed_challenge_returns_the_saved_card(self, harness):
        """F9"""
        asked = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
        harness.confirm(asked.address)

        card = harness.processor.cancel_saving(ACCOUNT, asked.reference)

        assert isinstance(card, SavedCard)
        assert isinstance(harness.processor.charge(charge_request(card.reference)), Paid)

    def test_a_card_renewed_by_its_bank_is_reported_with_its_new_expiry(self, harness):
        """M13"""
        card = harness.processor.save_card(ACCOUNT, harness.token(), BACK)
        harness.deliveries()
        harness.renew(card.reference)

        happenings = [one for one in new_happenings(harness) if isinstance(one, MethodUpdated)]

        assert {one.saved.reference for one in happenings} == {card.reference}
        assert all(one.saved.exp_year > card.exp_year for one in happenings)
        assert {one.saved.fingerprint for one in happenings} == {card.fingerprint}

    def test_an_invented_reference_saves_nothing(self, harness):
        assert isinstance(harness.processor.saving(ACCOUNT, "ask_made_up"), RequestRejected)
        assert isinstance(harness.processor.cancel_saving(ACCOUNT, "ask_made_up"), RequestRejected)

    def test_a_method_that_would_be_declined_is_not_verified(self, harness):
        """F4: a bank can be asked without an amount; of an agreement only the status can be
        checked.
        """
        answer = harness.processor.verify("verify-2", harness.declining())

        assert isinstance(answer, Declined)
        assert answer.code == "generic_decline"

    def test_cards_are_not_linked(self, harness):
        assert isinstance(harness.processor.link(ACCOUNT, BACK), RequestRejected)


class ListingContract:
    """For processors whose events can be listed (L17)."""

    def test_a_listed_event_equals_its_webhook_delivery_l17(self, harness):
        request = charge_request(harness.paying())
        harness.processor.charge(request)
        since = harness.now()
        for number in range(60):
            harness.move_clock(timedelta(seconds=1))
            harness.refund(request.key, (number % 3 + 1) * 10 * CENT)
        happenings = [
            verified_event(harness, body, headers) for body, headers in harness.deliveries()
        ]
        harness.move_clock(timedelta(minutes=1))

        listed = harness.processor.list_events(since, harness.now())

        assert listed.is_whole
        assert {one.id for one in listed.events} <= {one.id for one in happenings}
        assert {one for one in happenings if "refund" in one.about} <= set(listed.events)

    def test_events_are_listed_in_order_and_within_their_span_l17(self, harness):
        """An event at the boundary of two spans is in at least one of them, and may be in both."""
        request = charge_request(harness.paying())
        harness.processor.charge(request)
        harness.move_clock(timedelta(minutes=1))
        harness.deliveries()
        begin, happenings = harness.now(), []
        for _ in range(3):
            harness.refund(request.key, 10 * CENT)
            happenings.append([verified_event(harness, *each).id for each in harness.deliveries()])
            harness.move_clock(timedelta(hours=1))

        hours = [begin + timedelta(hours=number) for number in range(4)]
        for (since, until), ids in zip(pairwise(hours), happenings, strict=True):
            listed = harness.processor.list_events(since, until)
            assert {one.id for one in listed.events} >= set(ids)
        whole = [one.id for one in harness.processor.list_events(hours[0], hours[-1]).events]
        assert whole == list(chain.from_iterable(happenings))
        before = harness.processor.list_events(begin - timedelta(days=2), begin - timedelta(days=1))
        assert before == Listed([])

    def test_an_event_type_that_is_not_followed_is_not_listed_l17(self, harness):
        since = harness.now()
        harness.unknown_delivery()
        harness.move_clock(timedelta(minutes=1))

        assert harness.processor.list_events(since, harness.now()) == Listed([])


class AgreementContract(ProcessorContract):
    def test_an_agreement_is_saved_after_the_payer_agreed(self, harness):
        """M1"""
        processor = harness.processor

        asked = processor.link(ACCOUNT, BACK)

        assert isinstance(asked, NeedsCustomer)
        assert asked.reference
        assert asked.address
        assert processor.saving(ACCOUNT, asked.reference) == asked

        harness.agree(asked.address, "ana@example.com")
        harness.agree(asked.address, "somebody.else@example.com")

        agreement = processor.saving(ACCOUNT, asked.reference)
        assert isinstance(agreement, SavedAgreement)
        assert agreement.payer_email == "ana@example.com"
        assert processor.saving(ACCOUNT, asked.reference) == agreement
        assert isinstance(processor.charge(charge_request(agreement.reference)), Paid)

    def test_an_agreement_of_another_account_is_rejected(self, harness):
        """M14: it can be neither read nor cancelled, before and after the payer agreed."""
        processor = harness.processor
        asked = processor.link(ACCOUNT, BACK)

        assert isinstance(processor.saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.cancel_saving(OTHER, asked.reference), WrongAccount)
        harness.agree(asked.address, "ana@example.com")

        assert isinstance(processor.saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.cancel_saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.saving(ACCOUNT, asked.reference), SavedAgreement)

    def test_the_same_payer_has_the_same_fingerprint(self, harness):
        """M8"""
        found = []
        for email in ("ana@example.com", "Ana@Example.com", "ben@example.com"):
            asked = harness.processor.link(ACCOUNT, BACK)
            harness.agree(asked.address, email)
            found.append(harness.processor.saving(ACCOUNT, asked.reference))

        first, again, other = (agreement.fingerprint for agreement in found)
        assert first == again != other
        assert len({agreement.reference for agreement in found}) == 3

    def test_an_agreement_that_the_payer_declined_is_not_saved(self, harness):
        """F9"""
        asked = harness.processor.link(ACCOUNT, BACK)

        harness.turn_down(asked.address)
        harness.agree(asked.address, "ana@example.com")

        answer = harness.processor.saving(ACCOUNT, asked.reference)
        assert isinstance(answer, Cancelled)
        assert harness.processor.saving(ACCOUNT, asked.reference) == answer

    def test_an_abandoned_link_is_cancelled(self, harness):
        """F9"""
        asked = harness.processor.link(ACCOUNT, BACK)
        harness.move_clock(timedelta(minutes=20))

        given_up = harness.processor.cancel_saving(ACCOUNT, asked.reference)
        harness.agree(asked.address, "ana@example.com")

        assert isinstance(given_up, Cancelled)
        assert harness.processor.saving(ACCOUNT, asked.reference) == given_up

    def test_cancelling_a_link_after_the_payer_agreed_returns_the_agreement(self, harness):
        """F9"""
        asked = harness.processor.link(ACCOUNT, BACK)
        harness.agree(asked.address, "ana@example.com")

        assert isinstance(harness.processor.cancel_saving(ACCOUNT, asked.reference), SavedAgreement)

    def test_an_agreement_cancelled_by_the_payer_is_gone(self, harness):
        """M13"""
        reference = harness.paying()
        harness.cancel_agreement(reference)

        answer = harness.processor.charge(charge_request(reference))

        assert isinstance(answer, MethodGone)
        assert isinstance(harness.processor.verify("verify-5", reference), MethodGone)
        assert harness.processor.revoke(reference) is True
        assert list(harness.taken()) == []

    def test_an_invented_reference_saves_nothing(self, harness):
        assert isinstance(harness.processor.saving(ACCOUNT, "ask_made_up"), RequestRejected)
        assert isinstance(harness.processor.cancel_saving(ACCOUNT, "ask_made_up"), RequestRejected)

    def test_cards_are_not_accepted(self, harness):
        assert isinstance(harness.processor.save_card(ACCOUNT, "tok_any", BACK), RequestRejected)
