"""Both sandbox processors: the contract, and every test card by its number."""

import csv
import dataclasses
import sqlite3
import threading
from datetime import UTC, datetime, timedelta

import pytest

from tests.processes import FORKS
from tests.processors.contract import (
    ACCOUNT,
    BACK,
    HUNDRED,
    AgreementContract,
    CardContract,
    charge_request,
)
from webapp.clock import Clock
from webapp.domain.payment_methods import declines
from webapp.domain.shared.money import MICROS
from webapp.ports import (
    Cancelled,
    Declined,
    Holder,
    MethodGone,
    NeedsCustomer,
    NotKnown,
    Paid,
    RequestRejected,
    ReversalState,
    SavedCard,
    Unknown,
    Verified,
)
from webapp.processors.sandbox.books import FARTHEST, LONGEST, SandboxBooks
from webapp.processors.sandbox.card_form import CardRefused, read_card, token_for
from webapp.processors.sandbox.processor import SandboxPayPal, SandboxProcessor
from webapp.processors.sandbox.records import AnswerKind, ChallengeKind, Status
from webapp.settings import ROOT

REFERENCE = ROOT.parent / "shared" / "data" / "test_cards.csv"

VISA = "4242424242424242"
DECLINES_WHEN_CHARGED = "4000000000000341"
CHALLENGED_ONCE = "4000002500003155"
WANTS_CUSTOMER = "4000002760003184"
DECLINES_AFTER_CHALLENGE = "4000008260003178"
FUNDS = "insufficient_funds"

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
    """The contract's harness; the sandbox itself is the service."""

    adapter = SandboxProcessor
    stale = timedelta(hours=2)

    def __init__(self, path):
        self.clock = MovableClock(datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC))
        self.books = SandboxBooks(path)
        self.slept = []
        self.processor = self.adapter(self.books, self.clock, self.slept.append)

    def now(self):
        return self.clock.now()

    def move_clock(self, by):
        self.clock.time += by

    def token(self, **fields):
        form = self.processor.open_form(Holder(ACCOUNT, "Harbour Voice", ()))
        return token_for(self.books, {"setup": form["setup"]} | FORM | fields, self.now())

    def challenged_token(self):
        return self.token(number=CHALLENGED_ONCE)

    def card(self, number, **fields):
        """Return a saved card of any number, as if its challenge had succeeded."""
        fields = {"number": number, "security_code": code_for(number), **fields}
        return self.books.vault.keep(read_card(FORM | fields, self.now()), self.now())

    def paying(self):
        return self.card(VISA)

    def declining(self):
        return self.card(DECLINES_WHEN_CHARGED)

    def requires_authentication(self):
        return self.card(WANTS_CUSTOMER)

    def confirm(self, address):
        self.books.challenges.complete(id_in(address), self.now())

    def fail(self, address):
        self.books.challenges.fail(id_in(address), self.now())

    def lose_next_answer(self):
        self.books.queue_answer(AnswerKind.TIMEOUT_AFTER_CHARGE)

    def lose_next_request(self):
        self.books.queue_answer(AnswerKind.TIMEOUT_BEFORE_CHARGE)

    def refuse_next(self):
        self.books.queue_answer(AnswerKind.REFUSE_TO_LOOK)

    def refund(self, key, amount):
        self.books.reversals.refund(key, amount, self.now())

    def dispute(self, key):
        return self.books.reversals.dispute(key, self.now())

    def end_dispute(self, reference, won):
        end = ReversalState.RETURNED if won else ReversalState.LOST
        self.books.reversals.close(reference, end, self.now())

    def remove_at_processor(self, reference):
        self.books.reversals.take_away(reference, self.now())

    def renew(self, reference):
        self.books.reversals.renew(reference, self.now())

    def deliveries(self):
        found = self.books.reversals.undelivered(self.now())
        for number, _ in found:
            self.books.reversals.record_delivery(number, self.now())
        return [(it.body, dict(it.headers)) for _, it in found]

    def unknown_delivery(self):
        self.deliveries()
        self.books.reversals.tell(self.processor.name, "weather fine", self.now())
        return self.deliveries()[0]

    def taken(self):
        return self.books.paid_charges()


class PayPal(Sandbox):
    """The same for PayPal."""

    adapter = SandboxPayPal

    def agreement(self, email):
        asked = self.processor.link(ACCOUNT, BACK)
        self.agree(asked.address, email)
        return self.processor.saving(ACCOUNT, asked.reference).reference

    def paying(self):
        return self.agreement("ana@example.com")

    def declining(self):
        return self.agreement("declined@example.com")

    def requires_authentication(self):
        return self.agreement("confirm@example.com")

    def agree(self, address, email):
        self.books.challenges.agree(id_in(address), email, self.now())

    def turn_down(self, address):
        self.books.challenges.cancel(id_in(address), self.now())

    def cancel_agreement(self, reference):
        self.remove_at_processor(reference)


def id_in(address):
    return address.rpartition("/")[2]


def code_for(number):
    return "1234" if number.startswith("37") else "123"


@pytest.fixture
def harness(tmp_path):
    return Sandbox(tmp_path / "sandbox.db")


class TestSandbox(CardContract):
    pass


class TestSandboxPayPal(AgreementContract):
    @pytest.fixture
    def harness(self, tmp_path):
        return PayPal(tmp_path / "sandbox.db")


# Every test card. "adding" is saved, challenge or a refusal's code; the charging columns are paid,
# wants (authentication, customer absent), a decline code, or the outcome after a challenge.
CARDS = [
    # number, brand, adding, charged automatically, charged with the customer present
    ("4242424242424242", "visa", "saved", "paid", "paid"),
    ("5555555555554444", "mastercard", "saved", "paid", "paid"),
    ("378282246310005", "amex", "saved", "paid", "paid"),
    ("6011111111111117", "discover", "saved", "paid", "paid"),
    (CHALLENGED_ONCE, "visa", "challenge", "paid", "paid"),
    (WANTS_CUSTOMER, "visa", "challenge", "wants", "challenge: paid"),
    (
        "4000008260003178",
        "visa",
        "challenge",
        "insufficient_funds",
        "challenge: insufficient_funds",
    ),
    ("4000000000000341", "visa", "saved", "generic_decline", "generic_decline"),
    ("4000000000009995", "visa", FUNDS, FUNDS, FUNDS),
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
        case NeedsCustomer(address=address):
            return "challenge" if address else "wants"
        case Declined(code=code, decline_class=decline_class):
            assert decline_class is declines.class_of(code)
            return code
        case MethodGone():
            return "gone"
    raise AssertionError(answer)


def charge_outcome(harness, request):
    """Return the outcome, after confirming a challenge if there is one."""
    answer = harness.processor.charge(request)
    if outcome(answer) != "challenge":
        return outcome(answer)
    harness.confirm(answer.address)
    return f"challenge: {outcome(harness.processor.ask(request.key))}"


@pytest.mark.parametrize(("number", "brand", "adding", "automatic", "present"), CARDS)
class TestEachCard:
    def test_adding(self, harness, number, brand, adding, automatic, present):
        """M6, F2, F12: saved at once or after confirmation, or refused with a plain sentence."""
        fields = FORM | {"number": number, "security_code": code_for(number)}
        if adding not in ("saved", "challenge"):
            with pytest.raises(CardRefused) as refused:
                token_for(harness.books, fields, harness.now())
            sentence = refused.value.errors["form"]
            assert declines.reason(adding).sentence in sentence
            assert adding not in sentence
            return

        token = token_for(harness.books, fields, harness.now())
        card = harness.processor.save_card(ACCOUNT, token, BACK)

        assert isinstance(card, NeedsCustomer) == (adding == "challenge")
        if adding == "challenge":
            harness.confirm(card.address)
            card = harness.processor.saving(ACCOUNT, card.reference)
        assert (card.brand, card.last4) == (brand, number[-4:])
        # The saved card behaves as its row says.
        assert charge_outcome(harness, charge_request(card.reference)) == automatic
        assert (
            charge_outcome(harness, charge_request(card.reference, customer_present=True))
            == present
        )

    def test_a_token_of_such_a_card(self, harness, number, brand, adding, automatic, present):
        """M6: a challenged or refused card is not saved without the form either."""
        details = read_card(
            FORM | {"number": number, "security_code": code_for(number)}, harness.now()
        )
        answer = harness.processor.save_card(
            ACCOUNT, harness.books.vault.issue_token(details, harness.now()), BACK
        )

        expected = {"saved": SavedCard, "challenge": NeedsCustomer}.get(adding, Declined)
        assert isinstance(answer, expected)

    def test_charging(self, harness, number, brand, adding, automatic, present):
        """F2, F7"""
        reference = harness.card(number)

        assert charge_outcome(harness, charge_request(reference)) == automatic
        assert charge_outcome(harness, charge_request(reference, customer_present=True)) == present

    def test_failing_every_challenge(self, harness, number, brand, adding, automatic, present):
        """F9"""
        request = charge_request(harness.card(number), customer_present=True)
        answer = harness.processor.charge(request)
        if not present.startswith("challenge"):
            assert not isinstance(answer, NeedsCustomer)
            return

        harness.fail(answer.address)

        assert outcome(harness.processor.ask(request.key)) == "authentication_required"

    def test_verifying(self, harness, number, brand, adding, automatic, present):
        """F4: the customer is absent, so a card that requires a challenge is not verified."""
        answer = harness.processor.verify("verify", harness.card(number))

        asks = present.startswith("challenge")
        expected = "authentication_required" if asks else present
        if expected == "paid":
            assert isinstance(answer, Verified)
        else:
            assert answer.code == expected


def test_the_table_of_cards_equals_the_reference():
    """Compares with the published table, if available."""
    if not REFERENCE.exists():
        pytest.skip("the reference data (test_cards.csv) is not on this machine")
    with REFERENCE.open() as file:
        rows = list(csv.DictReader(file))

    assert {row["number"] for row in rows} == {*BY_NUMBER, FAILS_LUHN}
    for row in rows:
        if row["number"] == FAILS_LUHN:
            continue
        brand, adding, automatic, present = BY_NUMBER[row["number"]]
        code = row["decline_code"]
        assert brand == {"american express": "amex"}.get(row["brand"].lower(), row["brand"].lower())
        expected_values = {
            "succeeds without challenge": "saved",
            "succeeds without challenge (4-digit security code)": "saved",
            "3-D Secure challenge": "challenge",
            "refused": code,
        }
        assert adding == expected_values[row["adding"]]
        expected_values = {
            "succeeds": "paid",
            "succeeds once set up": "paid",
            "declined": code,
            "declined (authentication_required)": "wants",
            "declined (insufficient_funds)": "insufficient_funds",
        }
        assert automatic == expected_values[row["charge_automatic"]]
        expected_values = {
            "succeeds": "paid",
            "declined": code,
            "3-D Secure challenge on every payment": "challenge: paid",
            "declined after the challenge": f"challenge: {code}",
        }
        assert present == expected_values[row["charge_customer_present"]]


# Challenges


@pytest.mark.parametrize("age", [timedelta(minutes=15), timedelta(hours=2)])
def test_a_challenge_cannot_be_answered_after_15_minutes(harness, age):
    """F9: it can be neither confirmed nor failed, only cancelled."""
    saving = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
    request = charge_request(harness.requires_authentication(), customer_present=True)
    paying = harness.processor.charge(request)
    harness.move_clock(age)

    for asked in (saving, paying):
        harness.confirm(asked.address)
        harness.fail(asked.address)

    assert harness.processor.saving(ACCOUNT, saving.reference) == saving
    assert harness.processor.ask(request.key) == paying
    assert isinstance(harness.processor.cancel_saving(ACCOUNT, saving.reference), Cancelled)
    assert isinstance(harness.processor.cancel(request.key), Cancelled)
    assert harness.taken() == []


def test_a_challenge_can_be_answered_before_15_minutes_have_passed(harness):
    """F9"""
    saving = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
    harness.move_clock(timedelta(minutes=14, seconds=59))

    harness.confirm(saving.address)

    assert isinstance(harness.processor.saving(ACCOUNT, saving.reference), SavedCard)


@pytest.mark.parametrize("end", ["fail", "cancel"])
def test_an_unconfirmed_card_is_deleted(harness, end):
    """M6"""
    asked = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
    subject = harness.books.challenges.find(asked.reference, {ChallengeKind.CARD}).subject
    assert harness.books.vault.held(subject).last4 == "3155"
    assert outcome(harness.processor.charge(charge_request(subject))) == "gone"

    getattr(harness.books.challenges, end)(asked.reference, harness.now())

    assert harness.books.vault.held(subject) is None
    assert harness.books.vault.card(subject) is None


@pytest.mark.parametrize(
    "return_to", ["//evil.test/", "/\\evil.test", "https://evil.test/", "back"]
)
def test_an_external_return_address_is_rejected(harness, return_to):
    """L8: the request is not processed, and the token stays valid."""
    token = harness.challenged_token()
    request = charge_request(
        harness.requires_authentication(), customer_present=True, return_to=return_to
    )

    assert isinstance(harness.processor.save_card(ACCOUNT, token, return_to), RequestRejected)
    assert isinstance(harness.processor.charge(request), RequestRejected)
    assert isinstance(harness.processor.ask(request.key), NotKnown)
    paypal = SandboxPayPal(harness.books, harness.clock)
    assert isinstance(paypal.link(ACCOUNT, return_to), RequestRejected)
    assert isinstance(harness.processor.save_card(ACCOUNT, token, BACK), NeedsCustomer)


def test_a_challenge_belongs_to_the_adapter_that_began_it(harness):
    paypal = SandboxPayPal(harness.books, harness.clock)
    asked = harness.processor.save_card(ACCOUNT, harness.challenged_token(), BACK)
    linking = paypal.link(ACCOUNT, BACK)

    assert isinstance(paypal.saving(ACCOUNT, asked.reference), RequestRejected)
    assert isinstance(paypal.cancel_saving(ACCOUNT, asked.reference), RequestRejected)
    assert isinstance(harness.processor.saving(ACCOUNT, linking.reference), RequestRejected)
    assert harness.processor.saving(ACCOUNT, asked.reference) == asked


def test_a_challenge_exists_although_the_answer_was_lost(harness):
    """L10"""
    request = charge_request(
        harness.requires_authentication(), customer_present=True, return_to=BACK
    )
    harness.lose_next_answer()

    assert isinstance(harness.processor.charge(request), Unknown)

    assert outcome(harness.processor.ask(request.key)) == "challenge"


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
        ({"cardholder": "Ana\0Horvat"}, "cardholder"),
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
def test_an_invalid_field_has_its_own_error(harness, fields, field):
    """M7: the error contains neither the number nor the code."""
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
def test_common_formats_are_accepted(harness, fields):
    assert isinstance(
        harness.processor.save_card(ACCOUNT, harness.token(**fields), BACK), SavedCard
    )


def test_a_card_is_accepted_until_its_month_has_ended_everywhere(harness):
    """P4"""
    harness.clock.time = datetime(2026, 12, 1, 11, 59, tzinfo=UTC)
    assert harness.token(expiry="11 / 26")

    harness.clock.time = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    with pytest.raises(CardRefused):
        harness.token(expiry="11 / 26")


def test_the_number_and_the_code_are_not_stored(harness, tmp_path):
    """M7"""
    harness.processor.save_card(ACCOUNT, harness.token(security_code="987"), BACK)
    harness.processor.charge(charge_request(harness.paying()))
    details = read_card(FORM, harness.now())
    harness.books.close()

    assert VISA not in repr(details)
    assert "security_code" not in {field.name for field in dataclasses.fields(details)}
    for file in tmp_path.iterdir():
        assert VISA.encode() not in file.read_bytes()


def test_fingerprints_of_two_installations_differ(harness, tmp_path):
    """M7: they are derived from a secret of each installation."""
    other = Sandbox(tmp_path / "other.db")

    prints = {s.processor.save_card(ACCOUNT, s.token(), BACK).fingerprint for s in (harness, other)}

    assert len(prints) == 2


def test_a_token_expires_after_half_an_hour(harness):
    young, old = harness.token(), harness.token()

    harness.move_clock(timedelta(minutes=30))
    assert isinstance(harness.processor.save_card(ACCOUNT, young, BACK), SavedCard)
    harness.move_clock(timedelta(seconds=1))
    assert isinstance(harness.processor.save_card(ACCOUNT, old, BACK), RequestRejected)


def test_an_expired_card_is_declined(harness):
    """M9, F2"""
    reference = harness.card(VISA, expiry="12 / 26")
    harness.clock.time = datetime(2027, 1, 1, 11, 59, tzinfo=UTC)
    assert outcome(harness.processor.charge(charge_request(reference))) == "paid"

    harness.clock.time = datetime(2027, 1, 1, 12, 0, tzinfo=UTC)
    assert outcome(harness.processor.charge(charge_request(reference))) == "expired_card"
    assert harness.processor.verify("verify", reference).code == "expired_card"


@pytest.mark.parametrize("kind", ["decline", "authentication_required", "slow"])
def test_a_removed_card_is_gone_despite_a_scripted_answer(harness, kind):
    """M13: no charge is booked."""
    reference = harness.paying()
    harness.remove_at_processor(reference)
    harness.books.queue_answer(AnswerKind(kind))

    assert outcome(harness.processor.charge(charge_request(reference))) == "gone"
    assert harness.books.charges() == []


@pytest.mark.parametrize(
    "other",
    [{"amount": 0}, {"amount": -MICROS}, {"amount": 1}, {"currency": "dollars"}, {"key": ""}],
)
def test_an_invalid_request_is_rejected(harness, other):
    """L8"""
    assert isinstance(
        harness.processor.charge(charge_request(harness.paying(), **other)), RequestRejected
    )
    assert harness.books.charges() == []


# Scripted answers


def test_scripted_answers_are_used_once_in_order(harness):
    reference = harness.paying()
    harness.books.queue_answer(AnswerKind.DECLINE, decline_code="lost_card")
    harness.books.queue_answer(AnswerKind.DECLINE, decline_code="call_issuer")

    answers = [outcome(harness.processor.charge(charge_request(reference))) for _ in range(3)]

    assert answers == ["lost_card", "call_issuer", "paid"]
    assert harness.books.next_answers() == []


def test_a_scripted_answer_waits_for_its_card(harness):
    harness.books.queue_answer(AnswerKind.DECLINE, decline_code="do_not_honor", last4="4444")
    mastercard = harness.card("5555555555554444")

    assert outcome(harness.processor.charge(charge_request(harness.paying()))) == "paid"
    assert outcome(harness.processor.charge(charge_request(mastercard))) == "do_not_honor"
    assert outcome(harness.processor.charge(charge_request(mastercard))) == "paid"


def test_a_repeated_key_uses_no_scripted_answer(harness):
    """L3"""
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.books.queue_answer(AnswerKind.SERVER_ERROR)

    assert isinstance(harness.processor.charge(request), Paid)
    assert len(harness.books.next_answers()) == 1


def test_scripted_answers_can_be_cleared(harness):
    harness.books.queue_answer(AnswerKind.SERVER_ERROR)

    harness.books.clear_answers()

    assert isinstance(harness.processor.charge(charge_request(harness.paying())), Paid)


def test_a_server_error_books_nothing(harness):
    """T7, L10"""
    request = charge_request(harness.paying())
    harness.books.queue_answer(AnswerKind.SERVER_ERROR)

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)


@pytest.mark.parametrize(
    ("number", "then"),
    [(VISA, "paid"), (DECLINES_WHEN_CHARGED, "generic_decline"), (WANTS_CUSTOMER, "paid")],
)
def test_authentication_required_challenges_a_present_customer(harness, number, then):
    """F7: an absent customer is not challenged."""
    reference = harness.card(number)
    for _ in range(2):
        harness.books.queue_answer(AnswerKind.AUTHENTICATION_REQUIRED)

    assert charge_outcome(harness, charge_request(reference)) == "wants"
    assert (
        charge_outcome(harness, charge_request(reference, customer_present=True))
        == f"challenge: {then}"
    )


def test_a_slow_answer_is_delayed_and_otherwise_normal(harness):
    harness.books.queue_answer(AnswerKind.SLOW, seconds=3)

    assert isinstance(harness.processor.charge(charge_request(harness.paying())), Paid)
    assert harness.slept == [3]


def test_a_delay_is_at_most_half_a_minute(harness):
    harness.books.latency = 3600
    harness.books.queue_answer(AnswerKind.SLOW, seconds=3600)

    harness.processor.charge(charge_request(harness.paying()))

    assert harness.slept == [LONGEST]


def test_latency_delays_every_call(harness):
    harness.books.latency = 0.25
    request = charge_request(harness.paying())

    harness.processor.charge(request)
    harness.processor.charge(request)
    harness.processor.ask(request.key)
    harness.processor.verify("verify", request.method_reference)
    harness.processor.revoke(request.method_reference)
    harness.processor.cancel(request.key)
    harness.processor.save_card(ACCOUNT, "tok_made_up", BACK)
    harness.processor.saving(ACCOUNT, "ask_made_up")
    harness.processor.cancel_saving(ACCOUNT, "ask_made_up")

    assert harness.slept == [0.25] * 9


def test_a_repeat_that_overtakes_a_slow_answer_is_the_only_charge(harness):
    """L3: the reconciler repeats the request while the first call is still waiting."""
    request = charge_request(harness.paying())
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


# PayPal


@pytest.fixture
def paypal(tmp_path):
    return PayPal(tmp_path / "paypal.db")


def test_a_missing_agreement_is_gone_for_each_reason(paypal):
    """M13: cancelled by the payer, revoked by us, or never given."""
    taken_back, revoked = paypal.paying(), paypal.paying()
    paypal.cancel_agreement(taken_back)
    paypal.processor.revoke(revoked)

    charges = [
        paypal.processor.charge(charge_request(reference))
        for reference in (taken_back, revoked, paypal.card(VISA))
    ]

    assert [outcome(charge) for charge in charges] == ["gone", "gone", "gone"]


def test_an_agreement_that_would_be_declined_is_not_verified(paypal):
    """F4"""
    assert paypal.processor.verify("verify", paypal.declining()).code == "generic_decline"


def test_a_scripted_answer_waits_for_its_payer(paypal):
    paypal.books.queue_answer(
        AnswerKind.DECLINE, decline_code="insufficient_funds", last4="ana@example.com"
    )

    assert (
        outcome(paypal.processor.charge(charge_request(paypal.agreement("ben@example.com"))))
        == "paid"
    )
    ana = paypal.paying()
    assert outcome(paypal.processor.charge(charge_request(ana))) == "insufficient_funds"
    assert outcome(paypal.processor.charge(charge_request(ana))) == "paid"


@pytest.mark.parametrize("email", ["confirm@example.com", "Confirm@example.com"])
def test_some_payers_are_challenged_for_every_charge(paypal, email):
    reference = paypal.agreement(email)

    assert charge_outcome(paypal, charge_request(reference)) == "wants"
    assert (
        charge_outcome(paypal, charge_request(reference, customer_present=True))
        == "challenge: paid"
    )


def test_an_agreement_cannot_be_given_after_15_minutes(paypal):
    """F9"""
    asked = paypal.processor.link(ACCOUNT, BACK)
    paypal.move_clock(timedelta(minutes=15))

    paypal.agree(asked.address, "ana@example.com")

    assert paypal.processor.saving(ACCOUNT, asked.reference) == asked


# The sandbox's database


def test_a_database_of_an_earlier_version_is_upgraded(harness, tmp_path):
    """Its charges and cards remain, and later columns exist."""
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        db.executescript(
            """
            CREATE TABLE charge (
                id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, request TEXT NOT NULL,
                reference TEXT NOT NULL UNIQUE, card_reference TEXT NOT NULL,
                amount INTEGER NOT NULL CHECK (amount > 0), currency TEXT NOT NULL,
                customer_present INTEGER NOT NULL,
                status TEXT NOT NULL CHECK (status IN ('paid', 'declined', 'needs_customer')),
                decline_code TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL
            );
            INSERT INTO charge VALUES
                (1, 'a', 'x', 'ch_1', 'card_1', 100000000, 'USD', 0, 'paid', '',
                 '2026-11-01T10:00:00.000000+00:00'),
                (2, 'b', 'x', 'ch_2', 'card_1', 100000000, 'USD', 1, 'needs_customer',
                 'authentication_required', '2026-11-01T11:00:00.000000+00:00');
            CREATE TABLE setting (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
            INSERT INTO setting VALUES ('clock_offset', 3600000000);
            """
        )

    old = Sandbox(path)

    assert old.books.clock_offset() == timedelta(hours=1)
    assert old.taken() == [("a", HUNDRED, "USD")]
    assert outcome(old.processor.ask("b")) == "wants"
    request = charge_request(old.requires_authentication(), customer_present=True)
    assert charge_outcome(old, request) == "challenge: paid"
    assert len(old.taken()) == 2


def test_charges_are_listed_for_the_page_and_the_ledger_check(harness):
    """L13"""
    paid, declined = (
        charge_request(harness.paying()),
        charge_request(harness.declining(), customer_present=True),
    )
    harness.processor.charge(paid)
    harness.processor.charge(declined)

    newest, oldest = harness.books.charges()

    assert (newest.key, newest.status, newest.last4) == (declined.key, Status.DECLINED, "0341")
    assert (newest.customer_present, newest.decline_code) == (True, "generic_decline")
    assert (oldest.status, oldest.amount, oldest.brand) == (Status.PAID, HUNDRED, "visa")
    assert oldest.at == harness.now()
    assert harness.books.paid_charges() == [(paid.key, HUNDRED, "USD")]
    assert len(harness.books.charges(1)) == 1


def test_the_clock_offset_is_the_sum_of_its_moves(harness, tmp_path):
    """F1: 48 hours pass at once for every process that shares the file."""
    assert harness.books.clock_offset() == timedelta(0)

    harness.books.advance_clock(timedelta(hours=47, minutes=59))
    harness.books.advance_clock(timedelta(minutes=1))

    elsewhere = SandboxBooks(tmp_path / "sandbox.db")
    assert elsewhere.clock_offset() == timedelta(hours=48)
    ahead = Clock(elsewhere.clock_offset).now() - Clock().now()
    assert timedelta(hours=47, minutes=59) < ahead < timedelta(hours=48, minutes=1)


@pytest.mark.parametrize("by", [timedelta(hours=-1), FARTHEST + timedelta(hours=1)])
def test_the_clock_moves_only_ahead_and_within_its_limit(harness, by):
    with pytest.raises(ValueError, match="cannot be moved"):
        harness.books.advance_clock(by)

    assert harness.books.clock_offset() == timedelta(0)


def charge_in_another_process(path, ready, cards, requests, answers):
    ready.wait()
    sandbox = Sandbox(path)
    cards.put(sandbox.paying())
    request = requests.get(timeout=60)
    answers.put([sandbox.processor.charge(request).reference for _ in range(5)])


def test_processes_can_open_the_database_concurrently(tmp_path):
    """L3: even the first time, when each would create the file."""
    path = tmp_path / "fresh" / "sandbox.db"
    ready = FORKS.Barrier(4)
    cards, requests, answers = (FORKS.Queue() for _ in range(3))
    processes = [
        FORKS.Process(
            target=charge_in_another_process, args=(path, ready, cards, requests, answers)
        )
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    request = charge_request(cards.get(timeout=60))
    for _ in processes:
        requests.put(request)

    references = {reference for _ in processes for reference in answers.get(timeout=60)}

    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(references) == 1
    assert len(SandboxBooks(path).charges()) == 1
