"""What every processor must answer, whoever moves the money.

An adapter is put behind these questions by a test class that inherits `CardContract` or
`AgreementContract` and gives a `harness` fixture: the adapter, and hands on whatever stands on the
other side of the wire.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import Protocol
from uuid import uuid4

import pytest

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
    Reversed,
    SavedAgreement,
    SavedCard,
    Settled,
    TakenBack,
    TakenBackState,
    Unknown,
    Verified,
    WrongAccount,
)

HUNDRED = 100 * MICROS
BACK = "/billing/payment-methods/back"

ACCOUNT, OTHER = 1, 4711
"""Who asks, and another account of the same installation."""


class Harness(Protocol):
    processor: Processor
    stale: timedelta
    """After that a delivery is too old to be believed."""

    def now(self) -> datetime:
        """The processor's own time."""

    def move_clock(self, by: timedelta) -> None:
        """Move the processor's time ahead."""

    def paying(self) -> str:
        """The reference of a saved method that pays."""

    def declining(self) -> str:
        """The reference of a saved method whose bank declines with `generic_decline`."""

    def wants_customer(self) -> str:
        """The reference of a saved method whose bank wants the customer at every charge.

        Once they have confirmed, it pays.
        """

    def confirm(self, address: str) -> None:
        """The customer completes the challenge at this address, or finds that it has ended."""

    def fail(self, address: str) -> None:
        """The customer fails it, or finds that it has ended."""

    def lose_next_answer(self) -> None:
        """The next charge is made, but its answer never comes back."""

    def lose_next_request(self) -> None:
        """The next charge never arrives."""

    def refuse_next(self) -> None:
        """The next charge is turned away before it is looked at."""

    def refund(self, key: str, amount: int) -> None:
        """So many micros of a charge go back to the customer."""

    def dispute(self, key: str) -> str:
        """The cardholder or payer disputes all of a charge; gives the dispute's reference."""

    def end_dispute(self, reference: str, won: bool) -> None:
        """It is decided: `won` is for us."""

    def remove_there(self, reference: str) -> None:
        """A saved method is removed on the processor's own side."""

    def deliveries(self) -> Sequence[tuple[bytes, dict[str, str]]]:
        """Body and headers of what would be posted to our webhook since the last call."""

    def delivery_of_no_concern(self) -> tuple[bytes, dict[str, str]]:
        """One of a kind that nobody here has heard of, signed as any other."""

    def taken(self) -> Sequence[tuple[str, int, str]]:
        """Key, micros and currency of all the money that was really taken."""


class CardHarness(Harness, Protocol):
    def token(self) -> str:
        """What `ACCOUNT`'s capture form gives for a card that pays: Visa 4242, 12/2030 or later."""

    def renew(self, reference: str) -> None:
        """The bank renews a saved card: it expires later."""

    def challenged_token(self) -> str:
        """What it gives for a card whose bank asks first, when it is saved; then it pays."""


class AgreementHarness(Harness, Protocol):
    def agree(self, address: str, email: str) -> None:
        """The payer signs in and agrees at this address, or finds that it has ended."""

    def turn_down(self, address: str) -> None:
        """The payer turns back without agreeing."""

    def take_back(self, reference: str) -> None:
        """The payer cancels the agreement later, on the processor's own pages."""


def wish(reference: str, **other) -> ChargeRequest:
    wanted = {
        "key": f"attempt-{uuid4().hex}",
        "amount": HUNDRED,
        "currency": "USD",
        "method_reference": reference,
        "customer_present": False,
    }
    return ChargeRequest(**{**wanted, **other})


def opened(harness, body, headers) -> Event:
    event = harness.processor.open_event(body, headers)
    assert isinstance(event, Event), event
    return event


def told_of(harness, body, headers) -> list[Happening]:
    found = harness.processor.happenings(opened(harness, body, headers))
    assert not isinstance(found, Unknown | RequestRejected), found
    return list(found)


def told_by(harness) -> list[Happening]:
    """Everything that has been posted to our webhook since the last call."""
    return [it for each in harness.deliveries() for it in told_of(harness, *each)]


class ProcessorContract:
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
        assert all(isinstance(answer, Paid | RequestRejected | Unknown) for answer in answers)
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

        assert isinstance(other, RequestRejected)
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

    # A challenge while charging

    def test_a_customer_who_is_there_is_asked_and_then_pays_once(self, harness):
        """F4, L3"""
        request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)

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

    def test_a_failed_challenge_is_a_decline_of_its_own_time(self, harness):
        """F8, F9"""
        request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
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

    def test_a_challenge_that_was_given_up_takes_nothing(self, harness):
        """F9"""
        request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
        asked = harness.processor.charge(request)

        given_up = harness.processor.cancel(request.key)
        harness.confirm(asked.address)

        assert isinstance(given_up, Cancelled)
        assert harness.processor.cancel(request.key) == given_up
        assert harness.processor.ask(request.key) == given_up
        assert harness.processor.charge(request) == given_up
        assert list(harness.taken()) == []

    def test_giving_up_finds_that_the_customer_was_first(self, harness):
        """F9: both ways, the customer's answer stands."""
        reference = harness.wants_customer()
        paid, failed = (wish(reference, customer_present=True, return_to=BACK) for _ in range(2))
        harness.confirm(harness.processor.charge(paid).address)
        harness.fail(harness.processor.charge(failed).address)

        assert isinstance(harness.processor.cancel(paid.key), Paid)
        assert isinstance(harness.processor.cancel(failed.key), Declined)
        assert len(harness.taken()) == 1

    def test_giving_up_what_needed_no_challenge_changes_nothing(self, harness):
        paid, declined = wish(harness.paying()), wish(harness.declining())
        harness.processor.charge(paid)
        harness.processor.charge(declined)

        assert isinstance(harness.processor.cancel(paid.key), Paid)
        assert isinstance(harness.processor.cancel(declined.key), Declined)
        assert isinstance(harness.processor.cancel("attempt-never-made"), NotKnown)
        assert len(harness.taken()) == 1

    def test_confirming_and_giving_up_at_once_agree_on_one(self, harness):
        """F9, L3"""
        request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
        asked, start = harness.processor.charge(request), threading.Barrier(4)

        def at_once(do, told):
            start.wait()
            do(told)

        with ThreadPoolExecutor(4) as pool:
            doing = [
                pool.submit(at_once, do, told)
                for do, told in (
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

    def test_a_method_revoked_meanwhile_is_not_charged(self, harness):
        """M10"""
        request = wish(harness.wants_customer(), customer_present=True, return_to=BACK)
        asked = harness.processor.charge(request)

        harness.processor.revoke(request.method_reference)
        harness.confirm(asked.address)

        assert not isinstance(harness.processor.ask(request.key), Paid)
        assert list(harness.taken()) == []

    def test_another_way_back_is_no_other_request(self, harness):
        """L3: the same payment, sent again from another page."""
        reference = harness.paying()
        first = wish(reference, customer_present=True, return_to=BACK)

        paid = harness.processor.charge(first)

        again = wish(reference, key=first.key, customer_present=True, return_to="/elsewhere")
        assert harness.processor.charge(again) == paid
        assert len(harness.taken()) == 1

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

        assert isinstance(answer, RequestRejected)
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

    def test_a_verification_is_asked_for_once(self, harness):
        """F4: a double click asks the bank once."""
        reference = harness.paying()
        first = harness.processor.verify("verify-3", reference)
        harness.move_clock(timedelta(minutes=1))

        assert harness.processor.verify("verify-3", reference) == first

    # Events

    def test_a_refund_is_told_with_its_own_reference_and_amount(self, harness):
        """L7: each once, by its own amount, after the payment that it takes back."""
        request = wish(harness.paying())
        paid = harness.processor.charge(request)
        harness.refund(request.key, 30 * MICROS)
        harness.refund(request.key, 20 * MICROS)

        told = told_by(harness)

        back = {it.reference: it for it in told if isinstance(it, Reversed)}
        assert sorted(it.amount for it in back.values()) == [20 * MICROS, 30 * MICROS]
        for it in back.values():
            assert (it.key, it.currency, it.kind) == (request.key, "USD", TakenBack.REFUND)
            assert it.state is TakenBackState.TAKEN
            assert it.at.utcoffset() == timedelta(0)
        assert Settled(request.key, paid) in told

    @pytest.mark.parametrize("won", [True, False])
    def test_a_dispute_is_told_and_how_it_ended(self, harness, won):
        """L7"""
        request = wish(harness.paying())
        harness.processor.charge(request)
        reference = harness.dispute(request.key)

        (begun,) = [it for it in told_by(harness) if isinstance(it, Reversed)][-1:]
        harness.end_dispute(reference, won)
        (ended,) = [it for it in told_by(harness) if isinstance(it, Reversed)][-1:]

        assert (begun.reference, begun.key) == (reference, request.key)
        assert (begun.kind, begun.state) == (TakenBack.DISPUTE, TakenBackState.TAKEN)
        assert begun.amount == HUNDRED
        assert ended.reference == reference
        assert ended.state is (TakenBackState.RETURNED if won else TakenBackState.LOST)

    def test_an_old_event_tells_the_present_state(self, harness):
        """Order is not trusted: what it is about is fetched anew."""
        request = wish(harness.paying())
        harness.processor.charge(request)
        reference = harness.dispute(request.key)
        begun = list(harness.deliveries())
        harness.end_dispute(reference, True)

        told = [it for each in begun for it in told_of(harness, *each)]

        states = {it.state for it in told if isinstance(it, Reversed)}
        assert states == {TakenBackState.RETURNED}

    def test_a_method_that_is_removed_there_is_gone(self, harness):
        """M13"""
        reference = harness.paying()
        harness.remove_there(reference)

        told = [it for it in told_by(harness) if isinstance(it, MethodGone)]

        assert {it.method_reference for it in told} == {reference}

    def test_a_charge_tells_that_its_method_is_gone(self, harness):
        """M13, T7: conclusive, however often it is asked for; no event has to be heard."""
        reference = harness.paying()
        harness.remove_there(reference)
        request = wish(reference)

        answers = [harness.processor.charge(request) for _ in range(2)]

        assert all(isinstance(answer, MethodGone) for answer in answers), answers
        assert {answer.method_reference for answer in answers} == {reference}
        assert isinstance(harness.processor.ask(request.key), NotKnown | MethodGone)
        assert isinstance(harness.processor.verify("verify-6", reference), MethodGone)
        assert list(harness.taken()) == []

    def test_an_event_has_its_own_id_however_often_it_is_delivered(self, harness):
        request = wish(harness.paying())
        harness.processor.charge(request)
        harness.refund(request.key, 30 * MICROS)
        deliveries = list(harness.deliveries())

        ids = [opened(harness, *each).id for each in deliveries]
        again = [opened(harness, *each).id for each in deliveries]

        assert ids == again
        assert len(set(ids)) == len(ids) > 0

    def test_a_body_that_was_touched_is_turned_away(self, harness):
        body, headers = harness.delivery_of_no_concern()

        answer = harness.processor.open_event(body.replace(b":", b": ", 1), headers)

        assert isinstance(answer, Forged)

    @pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}])
    def test_what_is_not_signed_is_turned_away(self, harness, headers):
        body, _ = harness.delivery_of_no_concern()

        assert isinstance(harness.processor.open_event(body, headers), Forged)
        assert isinstance(harness.processor.open_event(b"", headers), Forged)

    def test_what_was_signed_long_ago_is_turned_away(self, harness):
        body, headers = harness.delivery_of_no_concern()
        harness.move_clock(harness.stale)

        assert isinstance(harness.processor.open_event(body, headers), Forged)

    def test_a_kind_of_event_that_nobody_knows_is_of_no_concern(self, harness):
        assert told_of(harness, *harness.delivery_of_no_concern()) == []

    # Forgetting

    def test_a_revoked_method_is_never_charged_again(self, harness):
        """M10"""
        reference = harness.paying()

        assert harness.processor.revoke(reference) is True

        answer = harness.processor.charge(wish(reference))
        assert isinstance(answer, MethodGone)
        assert isinstance(harness.processor.verify("verify-4", reference), MethodGone)
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

    def test_a_method_that_never_was_is_gone(self, harness):
        """M13: an answer, not a crash."""
        answer = harness.processor.charge(wish("card_made_up"))

        assert isinstance(answer, MethodGone)
        assert list(harness.taken()) == []


class CardContract(ProcessorContract):
    def test_a_token_becomes_a_card_of_which_only_the_permitted_is_kept(self, harness):
        """M7"""
        card = harness.processor.save_card(ACCOUNT, harness.token(), BACK)

        assert isinstance(card, SavedCard)
        assert (card.brand, card.last4) == ("visa", "4242")
        assert card.reference
        assert card.fingerprint
        assert "4242424242424242" not in repr(card)

    def test_a_saved_card_can_be_charged(self, harness):
        card = harness.processor.save_card(ACCOUNT, harness.token(), BACK)

        assert isinstance(harness.processor.charge(wish(card.reference)), Paid)

    def test_the_same_card_has_the_same_fingerprint(self, harness):
        """M8"""
        first, again = (
            harness.processor.save_card(ACCOUNT, harness.token(), BACK) for _ in range(2)
        )

        assert first.fingerprint == again.fingerprint

    def test_a_token_is_good_for_one_card(self, harness):
        """The form sent twice is refused, or recognised as the same card."""
        token = harness.token()
        card = harness.processor.save_card(ACCOUNT, token, BACK)

        again = harness.processor.save_card(ACCOUNT, token, BACK)

        assert again == card or isinstance(again, RequestRejected)

    def test_a_token_of_another_account_is_refused(self, harness):
        """M14: nothing is saved for the other account, and nothing is lost for its own."""
        token = harness.token()

        assert isinstance(harness.processor.save_card(OTHER, token, BACK), WrongAccount)
        card = harness.processor.save_card(ACCOUNT, token, BACK)

        assert isinstance(harness.processor.charge(wish(card.reference)), Paid)

    def test_a_challenge_of_another_account_is_refused(self, harness):
        """M14: neither read nor given up, before and after it was answered."""
        processor = harness.processor
        asked = processor.save_card(ACCOUNT, harness.challenged_token(), BACK)

        assert isinstance(processor.saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.cancel_saving(OTHER, asked.reference), WrongAccount)
        assert processor.saving(ACCOUNT, asked.reference) == asked
        harness.confirm(asked.address)

        assert isinstance(processor.saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.cancel_saving(OTHER, asked.reference), WrongAccount)
        assert isinstance(processor.saving(ACCOUNT, asked.reference), SavedCard)

    def test_a_made_up_token_is_refused(self, harness):
        assert isinstance(
            harness.processor.save_card(ACCOUNT, "tok_made_up", BACK), RequestRejected
        )

    def test_a_challenged_card_is_saved_once_the_customer_has_confirmed(self, harness):
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
        assert isinstance(processor.charge(wish(card.reference)), Paid)

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

    def test_giving_up_finds_that_the_card_was_saved_before(self, harness):
        """F9"""
        asked = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
        harness.confirm(asked.address)

        card = harness.processor.cancel_saving(ACCOUNT, asked.reference)

        assert isinstance(card, SavedCard)
        assert isinstance(harness.processor.charge(wish(card.reference)), Paid)

    def test_a_card_that_its_bank_renews_is_told_with_its_new_expiry(self, harness):
        """M13"""
        card = harness.processor.save_card(ACCOUNT, harness.token(), BACK)
        harness.deliveries()
        harness.renew(card.reference)

        told = [it for it in told_by(harness) if isinstance(it, MethodUpdated)]

        assert {it.saved.reference for it in told} == {card.reference}
        assert all(it.saved.exp_year > card.exp_year for it in told)
        assert {it.saved.fingerprint for it in told} == {card.fingerprint}

    def test_nothing_is_saved_under_a_made_up_reference(self, harness):
        assert isinstance(harness.processor.saving(ACCOUNT, "ask_made_up"), RequestRejected)
        assert isinstance(harness.processor.cancel_saving(ACCOUNT, "ask_made_up"), RequestRejected)

    def test_a_method_that_would_be_declined_is_not_verified(self, harness):
        """F4: a bank can be asked for no amount. Of an agreement only its standing can be."""
        answer = harness.processor.verify("verify-2", harness.declining())

        assert isinstance(answer, Declined)
        assert answer.code == "generic_decline"

    def test_cards_are_not_linked(self, harness):
        assert isinstance(harness.processor.link(ACCOUNT, BACK), RequestRejected)


class ListingContract:
    """Of a processor whose events can be listed (L17)."""

    def test_an_event_in_the_list_is_the_one_that_its_webhook_tells_l17(self, harness):
        request = wish(harness.paying())
        harness.processor.charge(request)
        since = harness.now()
        for number in range(60):
            harness.move_clock(timedelta(seconds=1))
            harness.refund(request.key, (number % 3 + 1) * 10 * CENT)
        told = [opened(harness, body, headers) for body, headers in harness.deliveries()]
        harness.move_clock(timedelta(minutes=1))

        listed = harness.processor.list_events(since, harness.now())

        assert listed.is_whole
        assert {one.id for one in listed.events} <= {one.id for one in told}
        assert {one for one in told if "refund" in one.about} <= set(listed.events)

    def test_events_are_listed_in_their_order_and_within_their_span_l17(self, harness):
        """An event at the instant where two spans meet may be in both, and is in one at least."""
        request = wish(harness.paying())
        harness.processor.charge(request)
        harness.move_clock(timedelta(minutes=1))
        harness.deliveries()
        begin, told = harness.now(), []
        for _ in range(3):
            harness.refund(request.key, 10 * CENT)
            told.append([opened(harness, *each).id for each in harness.deliveries()])
            harness.move_clock(timedelta(hours=1))

        hours = [begin + timedelta(hours=number) for number in range(4)]
        for (since, until), ids in zip(pairwise(hours), told, strict=True):
            listed = harness.processor.list_events(since, until)
            assert {one.id for one in listed.events} >= set(ids)
        whole = [one.id for one in harness.processor.list_events(hours[0], hours[-1]).events]
        assert whole == list(chain.from_iterable(told))
        before = harness.processor.list_events(begin - timedelta(days=2), begin - timedelta(days=1))
        assert before == Listed([])

    def test_a_kind_of_event_that_nobody_follows_is_not_listed_l17(self, harness):
        since = harness.now()
        harness.delivery_of_no_concern()
        harness.move_clock(timedelta(minutes=1))

        assert harness.processor.list_events(since, harness.now()) == Listed([])


class AgreementContract(ProcessorContract):
    def test_an_agreement_is_saved_once_the_payer_has_given_it(self, harness):
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
        assert isinstance(processor.charge(wish(agreement.reference)), Paid)

    def test_an_agreement_of_another_account_is_refused(self, harness):
        """M14: neither read nor given up, before and after it was given."""
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

    def test_an_agreement_that_was_turned_down_is_none(self, harness):
        """F9"""
        asked = harness.processor.link(ACCOUNT, BACK)

        harness.turn_down(asked.address)
        harness.agree(asked.address, "ana@example.com")

        answer = harness.processor.saving(ACCOUNT, asked.reference)
        assert isinstance(answer, Cancelled)
        assert harness.processor.saving(ACCOUNT, asked.reference) == answer

    def test_an_abandoned_link_is_given_up(self, harness):
        """F9"""
        asked = harness.processor.link(ACCOUNT, BACK)
        harness.move_clock(timedelta(minutes=20))

        given_up = harness.processor.cancel_saving(ACCOUNT, asked.reference)
        harness.agree(asked.address, "ana@example.com")

        assert isinstance(given_up, Cancelled)
        assert harness.processor.saving(ACCOUNT, asked.reference) == given_up

    def test_giving_up_finds_that_the_payer_has_agreed_before(self, harness):
        """F9"""
        asked = harness.processor.link(ACCOUNT, BACK)
        harness.agree(asked.address, "ana@example.com")

        assert isinstance(harness.processor.cancel_saving(ACCOUNT, asked.reference), SavedAgreement)

    def test_an_agreement_that_the_payer_took_back_is_gone(self, harness):
        """M13"""
        reference = harness.paying()
        harness.take_back(reference)

        answer = harness.processor.charge(wish(reference))

        assert isinstance(answer, MethodGone)
        assert isinstance(harness.processor.verify("verify-5", reference), MethodGone)
        assert harness.processor.revoke(reference) is True
        assert list(harness.taken()) == []

    def test_nothing_is_saved_under_a_made_up_reference(self, harness):
        assert isinstance(harness.processor.saving(ACCOUNT, "ask_made_up"), RequestRejected)
        assert isinstance(harness.processor.cancel_saving(ACCOUNT, "ask_made_up"), RequestRejected)

    def test_cards_are_not_taken(self, harness):
        assert isinstance(harness.processor.save_card(ACCOUNT, "tok_any", BACK), RequestRejected)
