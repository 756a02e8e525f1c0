"""The contract, asked of Stripe's adapter: through the official client, over HTTP."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from stripe import InvalidRequestError

from tests.factories import MovableClock
from tests.processors.contract import ACCOUNT, HUNDRED, CardContract, ListingContract, told_by, wish
from tests.processors.stripe_stand_in import (
    ASKS_ALWAYS,
    ASKS_ONCE,
    DECLINES,
    PAYS,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Refused,
    StandIn,
)
from webapp.clock import Clock
from webapp.domain.shared.money import CENT
from webapp.ports import (
    DeclineClass,
    Forged,
    Holder,
    MethodGone,
    NeedsOperator,
    NotKnown,
    Paid,
    RequestRejected,
    Reversed,
    TakenBackState,
    Unknown,
)
from webapp.processors.stripe.cards import Cards
from webapp.processors.stripe.charges import Charges
from webapp.processors.stripe.check import check
from webapp.processors.stripe.client import connect
from webapp.processors.stripe.events import FOLLOWED
from webapp.processors.stripe.processor import StripeProcessor, sources
from webapp.settings import ROOT

DATA = ROOT.parent / "shared" / "data"
CODES, EXAMPLES = DATA / "decline_codes.csv", DATA / "stripe" / "example_objects.json"
STRIPES_OWN = "https://js.stripe.com/endive/stripe.js"

HOLDER = Holder(1, "Harbour Voice", ())


class Stripe:
    """The harness: the stand-in stands on the other side of the wire."""

    stale = timedelta(minutes=6)

    def __init__(self, stand_in, clock):
        self.stand_in = stand_in
        self.clock = clock
        self.processor = StripeProcessor(
            clock,
            secret_key=SECRET_KEY,
            publishable_key=PUBLISHABLE_KEY,
            webhook_secret=WEBHOOK_SECRET,
            api_base=stand_in.base,
            js_url=STRIPES_OWN,
        )

    def now(self):
        return self.clock.now()

    def move_clock(self, by):
        self.clock.at += by

    def token(self, number=PAYS, *, leave_open=False):
        secret = self.processor.open_form(HOLDER)["client_secret"]
        return self.stand_in.confirm_setup(secret, number, leave_open=leave_open)["id"]

    def challenged_token(self):
        return self.token(ASKS_ONCE, leave_open=True)

    def paying(self):
        return self.stand_in.save(PAYS)

    def declining(self):
        return self.stand_in.save(DECLINES)

    def wants_customer(self):
        return self.stand_in.save(ASKS_ALWAYS)

    def confirm(self, address):
        self.stand_in.complete(address)

    def fail(self, address):
        self.stand_in.fail(address)

    def lose_next_answer(self):
        self.stand_in.mischief.append("lose answer")

    def lose_next_request(self):
        self.stand_in.mischief.append("lose request")

    def refuse_next(self):
        self.stand_in.mischief.append("429")

    def refund(self, key, amount):
        self.stand_in.refund(key, amount // CENT)

    def dispute(self, key):
        return self.stand_in.dispute(key)

    def end_dispute(self, reference, won):
        self.stand_in.end_dispute(reference, "won" if won else "lost")

    def remove_there(self, reference):
        self.stand_in.detach(reference.partition("/")[2])

    def renew(self, reference):
        self.stand_in.renew(reference.partition("/")[2])

    def deliveries(self):
        return self.stand_in.deliveries()

    def delivery_of_no_concern(self):
        self.stand_in.deliveries()
        self.stand_in.tell("weather.changed", {"id": "we_1", "object": "weather"})
        return self.stand_in.deliveries()[0]

    def taken(self):
        return [(key, cents * CENT, currency) for key, cents, currency in self.stand_in.taken()]


@pytest.fixture
def harness():
    clock = MovableClock(datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC))
    with StandIn(clock.now) as stand_in:
        yield Stripe(stand_in, clock)


def charges(client, clock):
    return Charges(client, clock, Cards(client, clock))


class TestStripe(CardContract, ListingContract):
    pass


# What is Stripe's alone


def told(harness, **error):
    """What a charge is answered that Stripe declines like this, automatically."""
    return harness.processor.charge(wish(harness.stand_in.save(PAYS, **error)))


@pytest.mark.skipif(not CODES.exists(), reason="the reference data is not here")
def test_every_decline_code_has_the_class_of_the_reference_f3(harness):
    with CODES.open() as file:
        rows = [row for row in csv.DictReader(file) if row["class"] != "not a decline"]
    for row in rows:
        code = row["decline_code"]
        if code == "authentication_required":
            continue  # the bank wants the customer: the contract asks for it
        answer = told(harness, code="card_declined", decline_code=code)
        assert (answer.code, answer.decline_class) == (code, row["class"])


@pytest.mark.parametrize("code", ["expired_card", "incorrect_cvc", "processing_error"])
def test_what_has_no_decline_code_is_told_by_its_code_f2(harness, code):
    assert told(harness, code=code, decline_code=None).code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"network_advice_code": "03"}, "generic_decline"),
        ({"network_advice_code": "21"}, "stop_payment_order"),
        ({"network_advice_code": "01"}, "new_account_information_available"),
        ({"advice_code": "do_not_try_again"}, "generic_decline"),
    ],
)
def test_what_the_network_forbids_to_repeat_is_never_repeated_f3(harness, error, code):
    answer = told(harness, **error)

    assert (answer.code, answer.decline_class) == (code, DeclineClass.HARD)


@pytest.mark.parametrize(("advice", "days"), [("25", 1), ("27", 4), ("30", 10)])
def test_the_wait_that_the_network_advises_is_told(harness, advice, days):
    answer = told(harness, network_advice_code=advice)

    assert answer.decline_class is DeclineClass.SOFT
    assert answer.again_at - answer.at == timedelta(days=days)


def test_the_time_of_a_decline_is_that_of_its_charge_f8(harness):
    request = wish(harness.declining())
    answer = harness.processor.charge(request)

    charge = next(o for o in harness.stand_in.objects.values() if o["object"] == "charge")
    assert answer.at.timestamp() == charge["created"]


def test_a_server_error_is_remembered_under_its_key_and_says_nothing_l10(harness):
    """As with the real one: only another key, or Stripe's own books, tell more."""
    request = wish(harness.paying())
    harness.stand_in.mischief.append("500")

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)


@pytest.mark.parametrize("card", [PAYS, DECLINES, ASKS_ALWAYS])
def test_a_request_that_an_older_version_of_ours_began_is_recognised_l3(harness, card):
    """With one parameter more or less under the same key, it is the same charge."""
    request = wish(harness.stand_in.save(card))
    first = harness.processor.charge(request)
    asked, *answer = harness.stand_in.kept[request.key]
    harness.stand_in.kept[request.key] = (f"{asked} and one more", *answer)

    assert harness.processor.charge(request) == first
    assert len(harness.taken()) <= 1


def test_a_key_that_is_in_use_says_nothing_l3(harness):
    request = wish(harness.paying())
    harness.stand_in.kept[request.key] = None

    assert isinstance(harness.processor.charge(request), Unknown)


def test_a_late_answer_is_none(harness):
    harness.stand_in.hold.clear()
    harness.stand_in.mischief.append("slow")
    hasty = charges(connect(SECRET_KEY, harness.stand_in.base, patience=0.05), harness.clock)
    request = wish(harness.paying())

    assert isinstance(hasty.charge(request), Unknown)

    harness.stand_in.hold.set()


@pytest.mark.parametrize("key", ["sk_test_of_others", "rk_test_of_others"])
def test_a_wrong_key_is_a_refusal_to_look_l8(harness, key):
    stranger = charges(connect(key, harness.stand_in.base), harness.clock)

    assert isinstance(stranger.charge(wish(harness.paying())), RequestRejected)
    assert isinstance(stranger.ask("attempt-1"), RequestRejected)


def test_an_answer_of_another_shape_says_nothing(harness):
    """T7: it may have taken money all the same."""
    request = wish(harness.paying())
    harness.processor.charge(request)
    del harness.stand_in.intent_of(request.key)["amount_received"]

    assert isinstance(harness.processor.ask(request.key), Unknown)


def test_a_signed_body_that_is_no_event_is_turned_away(harness):
    for body in ("[]", "{}", '{"id": "evt_1", "type": "x", "created": 1, "data": null}'):
        assert isinstance(harness.processor.open_event(*harness.stand_in.signed(body)), Forged)


def test_an_address_where_nobody_answers_says_nothing(harness):
    nowhere = charges(connect(SECRET_KEY, "http://127.0.0.1:9"), harness.clock)

    assert isinstance(nowhere.charge(wish(harness.paying())), Unknown)


def test_a_payment_is_found_while_the_search_lags_behind(harness):
    """Another process asks: its memory is empty, and the search finds new payments late."""
    request = wish(harness.paying())
    harness.lose_next_answer()
    harness.processor.charge(request)
    harness.stand_in.search_lags = True

    other = Stripe(harness.stand_in, harness.clock).processor

    assert isinstance(other.ask(request.key), Paid)


def test_a_charge_says_with_what_it_was_made_l9(harness):
    request = wish(harness.paying())

    assert harness.processor.charge(request).method_reference == request.method_reference


def test_an_amount_that_is_not_what_we_asked_is_told_as_it_is_l9(harness):
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.stand_in.intent_of(request.key)["amount_received"] = 1

    assert harness.processor.ask(request.key).amount == CENT


def test_a_payment_that_we_never_made_is_told_l9(harness):
    customer = harness.paying().partition("/")[0]
    harness.stand_in.deliveries()
    harness.stand_in.pay_elsewhere(customer)

    (stray,) = told_by(harness)

    assert isinstance(stray, NeedsOperator)
    assert (stray.amount, stray.currency) == (7_000_000, "USD")


def test_an_inquiry_takes_no_money_l7(harness):
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.stand_in.end_dispute(harness.dispute(request.key), "warning_needs_response")

    assert [it for it in told_by(harness) if isinstance(it, Reversed)] == []


def test_a_refund_that_fails_comes_back_l7(harness):
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.refund(request.key, HUNDRED)
    next(o for o in harness.stand_in.objects.values() if o["object"] == "refund")["status"] = (
        "failed"
    )

    states = {it.state for it in told_by(harness) if isinstance(it, Reversed)}
    assert states == {TakenBackState.RETURNED}


def test_the_outcome_of_a_charge_is_told_by_its_event(harness):
    paid, declined = wish(harness.paying()), wish(harness.declining())
    answers = {it.key: harness.processor.charge(it) for it in (paid, declined)}

    assert {it.key: it.answer for it in told_by(harness)} == answers


def test_the_failure_of_a_challenge_keeps_the_time_its_event_told_f8(harness):
    request = wish(harness.wants_customer(), customer_present=True)
    asked = harness.processor.charge(request)
    harness.fail(asked.address)
    at = harness.now()
    harness.move_clock(timedelta(seconds=100))

    ((it),) = told_by(harness)

    assert it.answer.at == at.replace(microsecond=0)
    harness.move_clock(timedelta(hours=9))
    assert harness.processor.ask(request.key) == it.answer


def test_one_account_has_one_customer(harness):
    first = harness.processor.save_card(ACCOUNT, harness.token(), "/")
    holder = Holder(1, "Harbour Voice", (first.reference, "card_of_a_sandbox"))
    secret = harness.processor.open_form(holder)["client_secret"]

    intent = harness.stand_in.confirm_setup(secret, PAYS)

    assert intent["customer"] == first.reference.partition("/")[0]


def test_a_customer_that_was_deleted_there_is_made_anew(harness):
    holder = Holder(1, "Harbour Voice", ("cus_gone/pm_gone",))

    assert harness.processor.open_form(holder)["client_secret"]


def test_a_card_that_its_bank_refuses_is_not_saved(harness):
    card = harness.processor.save_card(ACCOUNT, harness.token("4000000000000002"), "/")

    assert (card.code, card.decline_class) == ("generic_decline", DeclineClass.SOFT)


def test_no_secret_and_no_number_reaches_our_pages_m7(harness):
    told = {**harness.processor.open_form(HOLDER), **harness.processor.front.told}

    assert set(told) == {"client_secret", "publishable_key", "script"}
    assert told["publishable_key"] == PUBLISHABLE_KEY


def test_a_script_from_elsewhere_opens_the_policy_for_that_host_alone():
    opened = sources("http://127.0.0.1:8123/stripe.js")

    assert {host for hosts in opened.values() for host in hosts} == {"http://127.0.0.1:8123"}
    assert (
        "https://js.stripe.com" in sources("https://js.stripe.com/endive/stripe.js")["script-src"]
    )


# The operator's check

HERE = "https://billing.example.com/webhooks/stripe"


@pytest.fixture
def checked():
    """What is found to be wrong; an endpoint stands as it should."""
    with StandIn(Clock().now) as stand_in:
        endpoint = {"url": HERE, "status": "enabled", "enabled_events": list(FOLLOWED)}
        stand_in.endpoints = [endpoint]

        def run(key=SECRET_KEY, clock=None):
            client = connect(key, stand_in.base)
            found = list(check(client, clock or Clock(), HERE))
            return {one.what: one.said for one in found if not one.is_right}

        run.stand_in, run.endpoint = stand_in, endpoint
        yield run


def test_all_is_right(checked):
    assert checked() == {}


def test_a_wrong_key_is_told_with_its_remedy(checked):
    assert "Developers → API keys" in checked("sk_test_of_others")["keys"]


def test_a_missing_endpoint_is_told_with_its_address(checked):
    checked.stand_in.endpoints = []

    assert f"No endpoint for {HERE}" in checked()["webhook"]


def test_an_endpoint_that_is_switched_off_is_told(checked):
    checked.endpoint["status"] = "disabled"

    assert "is disabled. Enable it" in checked()["webhook"]


def test_events_that_are_not_sent_are_named(checked):
    checked.endpoint["enabled_events"].remove("charge.dispute.closed")

    assert "does not get charge.dispute.closed" in checked()["webhook"]


def test_every_event_is_enough(checked):
    checked.endpoint["enabled_events"] = ["*"]

    assert checked() == {}


def test_a_clock_that_is_wrong_is_told(checked):
    late = Clock(lambda: timedelta(minutes=-7))

    assert re.match(r"4(19|20) s behind Stripe's", checked(clock=late)["clock"])


def test_the_guide_names_every_event_that_is_followed():
    guide = (ROOT / "docs" / "processors.md").read_text()

    assert [name for name in FOLLOWED if f"`{name}`" not in guide] == []


def test_a_parameter_that_stripe_does_not_know_is_refused_by_the_stand_in(harness):
    """The stand-in has teeth: it takes what the library's typed parameters name, and no more."""
    client = connect(SECRET_KEY, harness.stand_in.base)
    other = {"amount": 1, "currency": "usd", "payment_method_types": ["card"]}

    with pytest.raises(InvalidRequestError, match="payment_method_types"):
        client.v1.payment_intents.create(other)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the reference data is not here")
def test_the_stand_ins_objects_have_no_field_that_the_examples_lack(harness):
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.processor.charge(wish(harness.declining()))
    harness.refund(request.key, HUNDRED)
    harness.token()
    examples = json.loads(EXAMPLES.read_text())

    for shown in harness.stand_in.objects.values():
        example = examples.get(shown["object"])
        if example is not None:
            assert set(shown) <= set(example), shown["object"]
            card, real = shown.get("card") or {}, example.get("card") or {}
            assert set(card) <= set(real)
    for event in harness.stand_in.events:
        assert set(event) <= set(examples["event"])


def test_a_form_is_never_opened_on_another_accounts_customer_m14(harness):
    """As for an account that was given another account's card before that was refused."""
    theirs = harness.processor.save_card(ACCOUNT, harness.token(), "/")
    other = Holder(4711, "Ferry Ltd", (theirs.reference,))

    secret = harness.processor.open_form(other)["client_secret"]
    token = harness.stand_in.confirm_setup(secret, "5555555555554444")["id"]
    saved = harness.processor.save_card(4711, token, "/")

    assert saved.last4 == "4444"
    assert saved.reference.partition("/")[0] != theirs.reference.partition("/")[0]


def test_a_card_of_another_customer_than_its_setup_is_refused_m14(harness):
    token = harness.token()
    intent = harness.stand_in.get(token)
    harness.stand_in.get(intent["payment_method"])["customer"] = "cus_another"

    assert isinstance(harness.processor.save_card(ACCOUNT, token, "/"), RequestRejected)


def test_a_card_of_another_customer_is_gone_m13(harness):
    """Stripe names the parameter here; the card is not the account's any more."""
    reference = harness.paying()
    harness.stand_in.get(reference.partition("/")[2])["customer"] = "cus_another"

    answer = harness.processor.charge(wish(reference))

    assert answer == MethodGone(reference, harness.now())


def test_a_deleted_card_is_gone_m13(harness):
    reference = harness.paying()
    del harness.stand_in.objects[reference.partition("/")[2]]

    assert isinstance(harness.processor.charge(wish(reference)), MethodGone)


def test_an_invalid_request_about_something_else_is_not_the_cards_fault_l8(harness, monkeypatch):
    """Its card is looked up, and is there."""
    refused = Refused(400, "invalid_request_error", "This account cannot make charges")
    monkeypatch.setattr(StandIn, "_pay", Mock(side_effect=refused))
    reference = harness.paying()

    answer = harness.processor.charge(wish(reference))

    assert answer == RequestRejected("This account cannot make charges")
    assert "GET /v1/payment_methods/" + reference.partition("/")[2] in harness.stand_in.requests


@pytest.mark.parametrize("other", ["live", "test"])
def test_the_wrong_key_makes_no_card_gone_l8(harness, monkeypatch, other):
    """A key of the other mode knows no card; that must not mark every card as gone."""
    hint = f"a similar object exists in {other} mode, but the other mode key was used"
    missing = Refused(
        404,
        "invalid_request_error",
        f"No such PaymentMethod: 'pm_1'; {hint}",
        code="resource_missing",
        param="payment_method",
    )
    monkeypatch.setattr(StandIn, "_do", Mock(side_effect=missing))

    answer = harness.processor.charge(wish(harness.paying()))

    assert isinstance(answer, RequestRejected)
    assert hint in answer.reason


def other_stripe_account(harness):
    """The objects as a key of another Stripe account finds them."""
    there = harness.stand_in
    kept = {**there.objects}, [*there.log]
    there.objects.clear(), there.log.clear()
    return kept


def test_a_key_of_another_stripe_account_makes_no_card_gone_l8(harness):
    """L8, M13: it finds neither the card nor its customer."""
    reference = harness.paying()
    other_stripe_account(harness)

    assert isinstance(harness.processor.charge(wish(reference)), RequestRejected)
    assert isinstance(harness.processor.verify("verify-1", reference), RequestRejected)


def test_an_event_is_not_taken_with_a_key_of_another_stripe_account_l17(harness):
    """L7, L17: a refund must not be passed over because the key does not find it."""
    request = wish(harness.paying())
    harness.processor.charge(request)
    harness.refund(request.key, HUNDRED)
    events = [harness.processor.open_event(*it) for it in harness.deliveries()]
    kept = other_stripe_account(harness)

    assert all(isinstance(harness.processor.happenings(it), RequestRejected) for it in events)
    harness.stand_in.objects.update(kept[0])
    assert any(harness.processor.happenings(it) for it in events)
