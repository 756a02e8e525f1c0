"""The sandbox processor behind the contract, and every pretend card by its number."""

import csv
import dataclasses
import multiprocessing
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.processors.contract import HUNDRED, ProcessorContract, wish
from webapp.clock import Clock
from webapp.domain import declines
from webapp.domain.money import MICROS
from webapp.ports import (
    Declined,
    NeedsCustomer,
    NotKnown,
    Paid,
    RefusedToLook,
    SavedCard,
    Unknown,
    Verified,
)
from webapp.processors.sandbox.answers import LONGEST, AnswerKind
from webapp.processors.sandbox.books import FARTHEST, SandboxBooks
from webapp.processors.sandbox.charges import Status
from webapp.processors.sandbox.form import CHALLENGE, CardRefused, read_card, token_for
from webapp.processors.sandbox.processor import SandboxProcessor

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "data" / "test_cards.csv"

VISA = "4242424242424242"
DECLINES_WHEN_CHARGED = "4000000000000341"
WANTS_CUSTOMER = "4000002760003184"

FORM = {
    "number": "4242 4242 4242 4242",
    "expiry": "12 / 34",
    "security_code": "123",
    "cardholder": "Ana Horvat",
    "country": "DE",
    "line": "Torstr. 1",
    "city": "Berlin",
    "postcode": "10115",
}


class MovableClock(Clock):
    def __init__(self, now):
        self.time = now

    def now(self):
        return self.time


class Sandbox:
    """The harness of the contract: the sandbox itself stands on the other side of the wire."""

    def __init__(self, path):
        self.clock = MovableClock(datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC))
        self.books = SandboxBooks(path)
        self.slept = []
        self.processor = SandboxProcessor(self.books, self.clock, self.slept.append)

    def now(self):
        return self.clock.now()

    def move_clock(self, by):
        self.clock.time += by

    def token(self, **fields):
        return token_for(self.books, FORM | fields, self.now())

    def card(self, number, **fields):
        """A saved card of any number, as if its challenge had succeeded."""
        fields = {"number": number, "security_code": code_for(number), **fields}
        return self.books.vault.keep(read_card(FORM | fields, self.now()), self.now())

    def paying(self):
        return self.card(VISA)

    def declining(self):
        return self.card(DECLINES_WHEN_CHARGED)

    def wants_customer(self):
        return self.card(WANTS_CUSTOMER)

    def lose_next_answer(self):
        self.books.queue_answer(AnswerKind.TIMEOUT_AFTER_CHARGE)

    def lose_next_request(self):
        self.books.queue_answer(AnswerKind.TIMEOUT_BEFORE_CHARGE)

    def refuse_next(self):
        self.books.queue_answer(AnswerKind.REFUSE_TO_LOOK)

    def taken(self):
        return self.books.paid_charges()


def code_for(number):
    return "1234" if number.startswith("37") else "123"


@pytest.fixture
def harness(tmp_path):
    return Sandbox(tmp_path / "sandbox.db")


class TestSandbox(ProcessorContract):
    pass


# Every pretend card. Adding: saved, challenge or refused; charging: paid, wants (the customer),
# or the decline code.
CARDS = [
    # number, brand, adding, charged automatically, charged with the customer present
    ("4242424242424242", "visa", "saved", "paid", "paid"),
    ("5555555555554444", "mastercard", "saved", "paid", "paid"),
    ("378282246310005", "amex", "saved", "paid", "paid"),
    ("6011111111111117", "discover", "saved", "paid", "paid"),
    ("4000002500003155", "visa", "challenge", "paid", "paid"),
    ("4000002760003184", "visa", "challenge", "wants", "wants"),
    ("4000008260003178", "visa", "challenge", "insufficient_funds", "wants"),
    ("4000000000000341", "visa", "saved", "generic_decline", "generic_decline"),
    ("4000000000009995", "visa", "insufficient_funds", "insufficient_funds", "insufficient_funds"),
    ("4000000000000002", "visa", "generic_decline", "generic_decline", "generic_decline"),
    ("4000000000009987", "visa", "lost_card", "lost_card", "lost_card"),
    ("4000000000009979", "visa", "stolen_card", "stolen_card", "stolen_card"),
    ("4000000000000069", "visa", "expired_card", "expired_card", "expired_card"),
    ("4000000000000127", "visa", "incorrect_cvc", "incorrect_cvc", "incorrect_cvc"),
    ("4000000000000119", "visa", "processing_error", "processing_error", "processing_error"),
]
BY_NUMBER = {number: facts for number, *facts in CARDS}
FAILS_LUHN = "4242424242424241"


def outcome(answer):
    match answer:
        case Paid():
            return "paid"
        case NeedsCustomer():
            return "wants"
        case Declined(code=code, decline_class=decline_class):
            assert decline_class is declines.class_of(code)
            return code
    raise AssertionError(answer)


@pytest.mark.parametrize(("number", "brand", "adding", "automatic", "present"), CARDS)
class TestEachCard:
    def test_adding(self, harness, number, brand, adding, automatic, present):
        """M6, F2, F12: saved, or refused with a plain sentence and no card."""
        fields = FORM | {"number": number, "security_code": code_for(number)}
        if adding == "saved":
            card = harness.processor.save_card(token_for(harness.books, fields, harness.now()))
            assert (card.brand, card.last4) == (brand, number[-4:])
            return

        with pytest.raises(CardRefused) as refused:
            token_for(harness.books, fields, harness.now())

        sentence = refused.value.errors["form"]
        if adding == "challenge":
            assert sentence == CHALLENGE
        else:
            assert declines.reason(adding).sentence in sentence
            assert adding not in sentence

    def test_a_token_of_such_a_card(self, harness, number, brand, adding, automatic, present):
        """M6: not even behind the form's back does a challenged or refused card get saved."""
        details = read_card(
            FORM | {"number": number, "security_code": code_for(number)}, harness.now()
        )
        answer = harness.processor.save_card(
            harness.books.vault.issue_token(details, harness.now())
        )

        assert isinstance(answer, SavedCard if adding == "saved" else Declined)

    def test_charging(self, harness, number, brand, adding, automatic, present):
        """F2, F7"""
        reference = harness.card(number)

        unasked = harness.processor.charge(wish(reference))
        asked = harness.processor.charge(wish(reference, customer_present=True))

        assert outcome(unasked) == automatic
        assert outcome(asked) == present

    def test_verifying(self, harness, number, brand, adding, automatic, present):
        """F4: as it would answer with the customer present."""
        answer = harness.processor.verify("verify", harness.card(number))

        expected = {"paid": None, "wants": "authentication_required"}.get(present, present)
        if expected is None:
            assert isinstance(answer, Verified)
        else:
            assert answer.code == expected


def test_the_facts_above_are_those_of_the_reference():
    """The published table, where it is at hand."""
    if not REFERENCE.exists():
        pytest.skip("the reference data (test_cards.csv) is not on this machine")
    names = {"succeeds": "paid", "succeeds once set up": "paid"}

    with REFERENCE.open() as file:
        rows = list(csv.DictReader(file))

    assert {row["number"] for row in rows} == {*BY_NUMBER, FAILS_LUHN}
    for row in rows:
        if row["number"] == FAILS_LUHN:
            continue
        brand, adding, automatic, present = BY_NUMBER[row["number"]]
        code = row["decline_code"]
        assert brand == {"american express": "amex"}.get(row["brand"].lower(), row["brand"].lower())
        assert row["adding"].startswith(
            {"saved": "succeeds without challenge", "challenge": "3-D Secure challenge"}.get(
                adding, "refused"
            )
        )
        assert automatic in (names.get(row["charge_automatic"], code), "wants")
        assert (automatic == "wants") == ("authentication_required" in row["charge_automatic"])
        challenged = "challenge" in row["charge_customer_present"]
        assert present == (
            "wants" if challenged else names.get(row["charge_customer_present"], code)
        )


# The card form


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"number": ""}, "number"),
        ({"number": FAILS_LUHN}, "number"),
        ({"number": "4242 4242"}, "number"),
        ({"number": "４２４２424242424242"}, "number"),
        ({"number": "9999999999999995"}, "number"),
        ({"expiry": ""}, "expiry"),
        ({"expiry": "13 / 34"}, "expiry"),
        ({"expiry": "10 / 26"}, "expiry"),
        ({"expiry": "12 / 0000"}, "expiry"),
        ({"expiry": "12 / 2090"}, "expiry"),
        ({"expiry": "soon"}, "expiry"),
        ({"security_code": ""}, "security_code"),
        ({"security_code": "12"}, "security_code"),
        ({"security_code": "1234"}, "security_code"),
        ({"number": "378282246310005", "security_code": "123"}, "security_code"),
        ({"cardholder": "  "}, "cardholder"),
        ({"cardholder": "A" * 121}, "cardholder"),
        ({"country": ""}, "country"),
        ({"country": "ZZ"}, "country"),
        ({"line": ""}, "line"),
        ({"city": ""}, "city"),
        ({"postcode": ""}, "postcode"),
        ({"cardholder": "Ana 4242 4242 4242 4242"}, "cardholder"),
        ({"line": "4242-4242-4242-4242"}, "line"),
        ({"country": "HK", "postcode": VISA}, "postcode"),
        ({"postcode": "1011"}, "postcode"),
        ({"country": "GB", "postcode": "10115"}, "postcode"),
        ({"country": "US", "postcode": "K1A 0B1"}, "postcode"),
    ],
)
def test_a_bad_field_has_its_own_sentence(harness, fields, field):
    """M7: and the sentence repeats nothing of the number or the code."""
    with pytest.raises(CardRefused) as refused:
        harness.token(**fields)

    assert list(refused.value.errors) == [field]
    for secret in (fields.get("number", VISA), fields.get("security_code", "123")):
        assert not secret or secret not in str(refused.value.errors)


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "4242-4242-4242-4242"},
        {"number": "5105105105105100"},
        {"number": "3530111333300000"},
        {"number": "30569309025904"},
        {"number": "6200000000000005"},
        {"expiry": "11/26"},
        {"expiry": "8/2034"},
        {"expiry": "0834"},
        {"country": "US", "postcode": "10001-1234"},
        {"country": "CA", "postcode": "k1a 0b1"},
        {"country": "GB", "postcode": "sw1a 1aa"},
        {"country": "IE", "postcode": "D02 AF30"},
        {"country": "HK", "postcode": ""},
        {"country": "XK", "postcode": "10000"},
    ],
)
def test_what_people_write_is_understood(harness, fields):
    assert isinstance(harness.processor.save_card(harness.token(**fields)), SavedCard)


def test_a_card_is_taken_until_its_month_has_ended_everywhere(harness):
    """P4"""
    harness.clock.time = datetime(2026, 12, 1, 11, 59, tzinfo=UTC)
    assert harness.token(expiry="11 / 26")

    harness.clock.time = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    with pytest.raises(CardRefused):
        harness.token(expiry="11 / 26")


def test_nothing_of_the_number_or_the_code_is_kept(harness, tmp_path):
    """M7"""
    harness.processor.save_card(harness.token(security_code="987"))
    harness.processor.charge(wish(harness.paying()))
    details = read_card(FORM, harness.now())
    harness.books.close()

    assert VISA not in repr(details)
    assert "security_code" not in {field.name for field in dataclasses.fields(details)}
    for file in tmp_path.iterdir():
        assert VISA.encode() not in file.read_bytes()


def test_fingerprints_of_two_installations_differ(harness, tmp_path):
    """M7: they are made under a secret of the books."""
    other = Sandbox(tmp_path / "other.db")

    prints = {s.processor.save_card(s.token()).fingerprint for s in (harness, other)}

    assert len(prints) == 2


def test_a_token_is_too_old_after_half_an_hour(harness):
    young, old = harness.token(), harness.token()

    harness.move_clock(timedelta(minutes=30))
    assert isinstance(harness.processor.save_card(young), SavedCard)
    harness.move_clock(timedelta(seconds=1))
    assert isinstance(harness.processor.save_card(old), RefusedToLook)


def test_an_expired_card_is_declined(harness):
    """M9, F2"""
    reference = harness.card(VISA, expiry="12 / 26")
    harness.clock.time = datetime(2027, 1, 1, 11, 59, tzinfo=UTC)
    assert outcome(harness.processor.charge(wish(reference))) == "paid"

    harness.clock.time = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
    assert outcome(harness.processor.charge(wish(reference))) == "expired_card"
    assert harness.processor.verify("verify", reference).code == "expired_card"


def test_a_revoked_card_is_an_invalid_account(harness):
    """M10, M13"""
    reference = harness.paying()
    harness.processor.revoke(reference)

    assert outcome(harness.processor.charge(wish(reference))) == "invalid_account"
    assert outcome(harness.processor.charge(wish("card_unknown"))) == "invalid_account"


@pytest.mark.parametrize(
    "other",
    [{"amount": 0}, {"amount": -MICROS}, {"amount": 1}, {"currency": "dollars"}, {"key": ""}],
)
def test_a_request_that_makes_no_sense_is_refused_unseen(harness, other):
    """L8"""
    assert isinstance(harness.processor.charge(wish(harness.paying(), **other)), RefusedToLook)
    assert harness.books.charges() == []


# The queue of next answers


def test_next_answers_are_used_once_each_oldest_first(harness):
    reference = harness.paying()
    harness.books.queue_answer(AnswerKind.DECLINE, decline_code="lost_card")
    harness.books.queue_answer(AnswerKind.DECLINE, decline_code="call_issuer")

    answers = [outcome(harness.processor.charge(wish(reference))) for _ in range(3)]

    assert answers == ["lost_card", "call_issuer", "paid"]
    assert harness.books.next_answers() == []


def test_a_next_answer_waits_for_the_card_it_is_bound_to(harness):
    harness.books.queue_answer(AnswerKind.DECLINE, decline_code="do_not_honor", last4="4444")
    mastercard = harness.card("5555555555554444")

    assert outcome(harness.processor.charge(wish(harness.paying()))) == "paid"
    assert outcome(harness.processor.charge(wish(mastercard))) == "do_not_honor"
    assert outcome(harness.processor.charge(wish(mastercard))) == "paid"


def test_a_repeated_key_uses_up_no_next_answer(harness):
    """L3"""
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.books.queue_answer(AnswerKind.SERVER_ERROR)

    assert isinstance(harness.processor.charge(request), Paid)
    assert len(harness.books.next_answers()) == 1


def test_next_answers_can_be_cleared(harness):
    harness.books.queue_answer(AnswerKind.SERVER_ERROR)

    harness.books.clear_answers()

    assert isinstance(harness.processor.charge(wish(harness.paying())), Paid)


def test_a_server_error_books_nothing(harness):
    """T7, L10"""
    request = wish(harness.paying())
    harness.books.queue_answer(AnswerKind.SERVER_ERROR)

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)


def test_authentication_required_wants_whoever_is_not_there(harness):
    """F7: with the customer present it has been asked for, and has failed."""
    reference = harness.paying()
    for _ in range(2):
        harness.books.queue_answer(AnswerKind.AUTHENTICATION_REQUIRED)

    unasked = harness.processor.charge(wish(reference))
    asked = harness.processor.charge(wish(reference, customer_present=True))

    assert (outcome(unasked), outcome(asked)) == ("wants", "authentication_required")


def test_a_slow_answer_takes_its_time_and_then_is_as_usual(harness):
    harness.books.queue_answer(AnswerKind.SLOW, seconds=3)

    assert isinstance(harness.processor.charge(wish(harness.paying())), Paid)
    assert harness.slept == [3]


def test_no_answer_takes_longer_than_half_a_minute(harness):
    harness.books.latency = 3600
    harness.books.queue_answer(AnswerKind.SLOW, seconds=3600)

    harness.processor.charge(wish(harness.paying()))

    assert harness.slept == [LONGEST]


def test_latency_is_taken_by_every_call(harness):
    harness.books.latency = 0.25
    request = wish(harness.paying())

    harness.processor.charge(request)
    harness.processor.charge(request)
    harness.processor.ask(request.key)
    harness.processor.verify("verify", request.method_reference)
    harness.processor.revoke(request.method_reference)

    assert harness.slept == [0.25] * 5


def test_a_repeat_that_overtakes_a_slow_answer_is_the_one_charge(harness):
    """L3: the reconciler asks again while the first call still hangs."""
    request = wish(harness.paying())
    arrived, let_go = threading.Event(), threading.Event()

    def hang(seconds):
        arrived.set()
        let_go.wait(10)

    slow = SandboxProcessor(harness.books, harness.clock, hang)
    harness.books.queue_answer(AnswerKind.SLOW, seconds=5)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(slow.charge(request)))
    thread.start()
    assert arrived.wait(10)

    assert isinstance(harness.processor.ask(request.key), NotKnown)
    overtaking = harness.processor.charge(request)
    let_go.set()
    thread.join(10)

    assert answers == [overtaking]
    assert len(harness.taken()) == 1


# The books


def test_the_page_and_the_check_read_the_books(harness):
    """L13"""
    paid, declined = wish(harness.paying()), wish(harness.declining(), customer_present=True)
    harness.processor.charge(paid)
    harness.processor.charge(declined)

    newest, oldest = harness.books.charges()

    assert (newest.key, newest.status, newest.last4) == (declined.key, Status.DECLINED, "0341")
    assert (newest.customer_present, newest.decline_code) == (True, "generic_decline")
    assert (oldest.status, oldest.amount, oldest.brand) == (Status.PAID, HUNDRED, "visa")
    assert oldest.created_at == harness.now()
    assert harness.books.paid_charges() == [(paid.key, HUNDRED, "USD")]
    assert len(harness.books.charges(1)) == 1


def test_the_clock_is_ahead_by_what_it_was_moved(harness, tmp_path):
    """F1: 48 hours pass in a click, for every process that shares the file."""
    assert harness.books.clock_offset() == timedelta(0)

    harness.books.advance_clock(timedelta(hours=47, minutes=59))
    harness.books.advance_clock(timedelta(minutes=1))

    elsewhere = SandboxBooks(tmp_path / "sandbox.db")
    assert elsewhere.clock_offset() == timedelta(hours=48)
    ahead = Clock(elsewhere.clock_offset).now() - Clock().now()
    assert timedelta(hours=47, minutes=59) < ahead < timedelta(hours=48, minutes=1)


@pytest.mark.parametrize("by", [timedelta(hours=-1), FARTHEST + timedelta(hours=1)])
def test_the_clock_moves_ahead_only_and_not_to_the_end_of_time(harness, by):
    with pytest.raises(ValueError, match="cannot be moved"):
        harness.books.advance_clock(by)

    assert harness.books.clock_offset() == timedelta(0)


def charge_in_another_process(path, request, ready, answers):
    ready.wait()
    sandbox = Sandbox(path)
    answers.put([sandbox.processor.charge(request).reference for _ in range(5)])


def test_processes_may_open_the_books_at_once(tmp_path):
    """L3: also the first time, when each of them would make the file."""
    path = tmp_path / "fresh" / "sandbox.db"
    context = multiprocessing.get_context("spawn")
    ready, answers = context.Barrier(4), context.Queue()
    request = wish("card_unknown")
    processes = [
        context.Process(target=charge_in_another_process, args=(path, request, ready, answers))
        for _ in range(4)
    ]
    for process in processes:
        process.start()

    references = {reference for _ in processes for reference in answers.get(timeout=60)}

    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(references) == 1
    assert len(SandboxBooks(path).charges()) == 1
