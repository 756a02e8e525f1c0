"""The contract for the Stripe adapter, through the official client over HTTP."""

import csv
import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from stripe import InvalidRequestError

from tests.factories import MovableClock
from tests.processors.contract import (
    ACCOUNT,
    HUNDRED,
    CardContract,
    ListingContract,
    charge_request,
    new_happenings,
)
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
from webapp.domain.shared.money import CENT, MICROS
from webapp.ports import (
    DeclineClass,
    Forged,
    Holder,
    MethodGone,
    NeedsOperator,
    NotKnown,
    Paid,
    RequestRejected,
    ReversalState,
    Reversed,
    Unknown,
)
from webapp.processors.stripe.cards import Cards
from webapp.processors.stripe.charges import Charges
from webapp.processors.stripe.check import check
from webapp.processors.stripe.client import answered, connect
from webapp.processors.stripe.events import FOLLOWED
from webapp.processors.stripe.processor import StripeProcessor, sources
from webapp.settings import ROOT

DATA = ROOT.parent / "shared" / "data"
CODES, EXAMPLES = DATA / "decline_codes.csv", DATA / "stripe" / "example_objects.json"
STRIPES_OWN = "https://js.stripe.com/endive/stripe.js"

HOLDER = Holder(1, "Harbour Voice", ())


class Stripe:
    """The contract's harness; the stand-in is the service."""

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

    def requires_authentication(self):
        return self.stand_in.save(ASKS_ALWAYS)

    def confirm(self, address):
        self.stand_in.complete(address)

    def fail(self, address):
        self.stand_in.fail(address)

    def lose_next_answer(self):
        self.stand_in.failures.append("lose answer")

    def lose_next_request(self):
        self.stand_in.failures.append("lose request")

    def refuse_next(self):
        self.stand_in.failures.append("429")

    def refund(self, key, amount):
        currency = self.stand_in.intent_of(key)["currency"]
        self.stand_in.refund(key, amount // unit_of(currency))

    def dispute(self, key):
        return self.stand_in.dispute(key)

    def end_dispute(self, reference, won):
        self.stand_in.end_dispute(reference, "won" if won else "lost")

    def remove_at_processor(self, reference):
        self.stand_in.detach(reference.partition("/")[2])

    def renew(self, reference):
        self.stand_in.renew(reference.partition("/")[2])

    def deliveries(self):
        return self.stand_in.deliveries()

    def unknown_delivery(self):
        self.stand_in.deliveries()
        self.stand_in.send_event("weather.changed", {"id": "we_1", "object": "weather"})
        return self.stand_in.deliveries()[0]

    def taken(self):
        return [
            (key, amount * unit_of(currency), currency)
            for key, amount, currency in self.stand_in.taken()
        ]


def unit_of(currency: str) -> int:
    """Micros per unit of Stripe's amounts, as Stripe documents them."""
    return MICROS if currency.upper() == "JPY" else CENT


@pytest.fixture
def harness():
    clock = MovableClock(datetime(2026, 11, 22, 10, 0, 0, 250_000, tzinfo=UTC))
    with StandIn(clock.now) as stand_in:
        yield Stripe(stand_in, clock)


def charges(client, clock):
    return Charges(client, clock, Cards(client, clock))


class TestStripe(CardContract, ListingContract):
    pass


# Stripe's specifics


def declined_with(harness, **error):
    """Return the answer to an unattended charge that Stripe declines with this error."""
    return harness.processor.charge(charge_request(harness.stand_in.save(PAYS, **error)))


@pytest.mark.skipif(not CODES.exists(), reason="the reference data is not here")
def test_every_decline_code_has_the_class_of_the_reference_f3(harness):
    with CODES.open() as file:
        rows = [row for row in csv.DictReader(file) if row["class"] != "not a decline"]
    for row in rows:
        code = row["decline_code"]
        if code == "authentication_required":
            continue  # a request for authentication, which the contract covers
        answer = declined_with(harness, code="card_declined", decline_code=code)
        assert (answer.code, answer.decline_class) == (code, row["class"])


@pytest.mark.parametrize("code", ["expired_card", "incorrect_cvc", "processing_error"])
def test_a_decline_without_a_decline_code_uses_the_code_f2(harness, code):
    assert declined_with(harness, code=code, decline_code=None).code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"network_advice_code": "03"}, "generic_decline"),
        ({"network_advice_code": "21"}, "stop_payment_order"),
        ({"network_advice_code": "01"}, "new_account_information_available"),
        ({"advice_code": "do_not_try_again"}, "generic_decline"),
    ],
)
def test_a_decline_that_the_network_forbids_to_repeat_is_hard_f3(harness, error, code):
    answer = declined_with(harness, **error)

    assert (answer.code, answer.decline_class) == (code, DeclineClass.HARD)


@pytest.mark.parametrize(("advice", "days"), [("25", 1), ("27", 4), ("30", 10)])
def test_the_networks_advised_wait_is_returned(harness, advice, days):
    answer = declined_with(harness, network_advice_code=advice)

    assert answer.decline_class is DeclineClass.SOFT
    assert answer.again_at - answer.at == timedelta(days=days)


def test_a_decline_has_the_time_of_its_charge_f8(harness):
    request = charge_request(harness.declining())
    answer = harness.processor.charge(request)

    charge = next(o for o in harness.stand_in.objects.values() if o["object"] == "charge")
    assert answer.at.timestamp() == charge["created"]


def test_a_server_error_is_remembered_under_its_key_and_is_unknown_l10(harness):
    """As at Stripe: only another key or a query returns more."""
    request = charge_request(harness.paying())
    harness.stand_in.failures.append("500")

    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.charge(request), Unknown)
    assert isinstance(harness.processor.ask(request.key), NotKnown)


@pytest.mark.parametrize("card", [PAYS, DECLINES, ASKS_ALWAYS])
def test_a_request_begun_by_an_older_version_is_recognised_l3(harness, card):
    """With other parameters under the same key, it is the same charge."""
    request = charge_request(harness.stand_in.save(card))
    first = harness.processor.charge(request)
    asked, *answer = harness.stand_in.kept[request.key]
    harness.stand_in.kept[request.key] = (f"{asked} and one more", *answer)

    assert harness.processor.charge(request) == first
    assert len(harness.taken()) <= 1


def test_a_key_in_use_is_unknown_l3(harness):
    request = charge_request(harness.paying())
    harness.stand_in.kept[request.key] = None

    assert isinstance(harness.processor.charge(request), Unknown)


def test_a_timeout_is_unknown(harness):
    harness.stand_in.hold.clear()
    harness.stand_in.failures.append("slow")
    hasty = charges(connect(SECRET_KEY, harness.stand_in.base, patience=0.05), harness.clock)
    request = charge_request(harness.paying())

    assert isinstance(answered(hasty.charge)(request), Unknown)

    harness.stand_in.hold.set()


@pytest.mark.parametrize("key", ["sk_test_of_others", "rk_test_of_others"])
def test_a_wrong_key_is_a_rejection_l8(harness, key):
    stranger = charges(connect(key, harness.stand_in.base), harness.clock)
    request = charge_request(harness.paying())

    assert isinstance(answered(stranger.charge)(request), RequestRejected)
    assert isinstance(answered(stranger.ask)("attempt-1"), RequestRejected)


def test_an_unexpected_response_is_unknown(harness):
    """T7: the charge may have taken money."""
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    del harness.stand_in.intent_of(request.key)["amount_received"]

    assert isinstance(harness.processor.ask(request.key), Unknown)


def test_a_signed_body_that_is_no_event_is_rejected(harness):
    for body in ("[]", "{}", '{"id": "evt_1", "type": "x", "created": 1, "data": null}'):
        assert isinstance(harness.processor.open_event(*harness.stand_in.signed(body)), Forged)


def test_an_unreachable_server_is_unknown(harness):
    nowhere = charges(connect(SECRET_KEY, "http://127.0.0.1:9"), harness.clock)

    assert isinstance(answered(nowhere.charge)(charge_request(harness.paying())), Unknown)


def test_a_payment_is_found_before_it_is_searchable(harness):
    """Another process asks, without the first one's memory, and the search finds new payments
    late.
    """
    request = charge_request(harness.paying())
    harness.lose_next_answer()
    harness.processor.charge(request)
    harness.stand_in.search_lags = True

    other = Stripe(harness.stand_in, harness.clock).processor

    assert isinstance(other.ask(request.key), Paid)


def test_a_charge_returns_its_method_l9(harness):
    request = charge_request(harness.paying())

    assert harness.processor.charge(request).method_reference == request.method_reference


def test_an_amount_other_than_requested_is_returned_as_it_is_l9(harness):
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.stand_in.intent_of(request.key)["amount_received"] = 1

    assert harness.processor.ask(request.key).amount == CENT


def test_a_payment_made_elsewhere_is_reported_l9(harness):
    customer = harness.paying().partition("/")[0]
    harness.stand_in.deliveries()
    harness.stand_in.pay_elsewhere(customer)

    (stray,) = new_happenings(harness)

    assert isinstance(stray, NeedsOperator)
    assert (stray.amount, stray.currency) == (7_000_000, "USD")


def test_an_inquiry_takes_no_money_l7(harness):
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.stand_in.end_dispute(harness.dispute(request.key), "warning_needs_response")

    assert [it for it in new_happenings(harness) if isinstance(it, Reversed)] == []


def test_a_failed_refund_is_returned_l7(harness):
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.refund(request.key, HUNDRED)
    next(o for o in harness.stand_in.objects.values() if o["object"] == "refund")["status"] = (
        "failed"
    )

    states = {it.state for it in new_happenings(harness) if isinstance(it, Reversed)}
    assert states == {ReversalState.RETURNED}


def test_an_event_reports_the_outcome_of_its_charge(harness):
    paid, declined = charge_request(harness.paying()), charge_request(harness.declining())
    answers = {it.key: harness.processor.charge(it) for it in (paid, declined)}

    assert {it.key: it.answer for it in new_happenings(harness)} == answers


def test_a_failed_challenge_has_the_time_of_its_event_f8(harness):
    request = charge_request(harness.requires_authentication(), customer_present=True)
    asked = harness.processor.charge(request)
    harness.fail(asked.address)
    at = harness.now()
    harness.move_clock(timedelta(seconds=100))

    ((it),) = new_happenings(harness)

    assert it.answer.at == at.replace(microsecond=0)
    harness.move_clock(timedelta(hours=9))
    assert harness.processor.ask(request.key) == it.answer


def test_an_account_has_one_customer(harness):
    first = harness.processor.save_card(ACCOUNT, harness.token(), "/")
    holder = Holder(1, "Harbour Voice", (first.reference, "card_of_a_sandbox"))
    secret = harness.processor.open_form(holder)["client_secret"]

    intent = harness.stand_in.confirm_setup(secret, PAYS)

    assert intent["customer"] == first.reference.partition("/")[0]


def test_a_deleted_customer_is_created_again(harness):
    holder = Holder(1, "Harbour Voice", ("cus_gone/pm_gone",))

    assert harness.processor.open_form(holder)["client_secret"]


def test_a_card_refused_by_its_bank_is_not_saved(harness):
    card = harness.processor.save_card(ACCOUNT, harness.token("4000000000000002"), "/")

    assert (card.code, card.decline_class) == ("generic_decline", DeclineClass.SOFT)


def test_pages_receive_neither_secret_nor_number_m7(harness):
    declined_with = {**harness.processor.open_form(HOLDER), **harness.processor.front.variables}

    assert set(declined_with) == {"client_secret", "publishable_key", "script"}
    assert declined_with["publishable_key"] == PUBLISHABLE_KEY


def test_a_custom_script_host_is_the_only_one_added_to_the_policy():
    opened = sources("http://127.0.0.1:8123/stripe.js")

    assert {host for hosts in opened.values() for host in hosts} == {"http://127.0.0.1:8123"}
    assert (
        "https://js.stripe.com" in sources("https://js.stripe.com/endive/stripe.js")["script-src"]
    )


# The operator's check

HERE = "https://billing.example.com/webhooks/stripe"


@pytest.fixture
def checked():
    """Runs the check and returns its problems; the endpoint is set up correctly."""
    with StandIn(Clock().now) as stand_in:
        endpoint = {"url": HERE, "status": "enabled", "enabled_events": list(FOLLOWED)}
        stand_in.endpoints = [endpoint]

        def run(key=SECRET_KEY, clock=None):
            client = connect(key, stand_in.base)
            found = list(check(client, clock or Clock(), HERE))
            return {one.what: one.result for one in found if not one.is_right}

        run.stand_in, run.endpoint = stand_in, endpoint
        yield run


def test_a_correct_setup_has_no_problems(checked):
    assert checked() == {}


def test_a_wrong_key_is_reported_with_the_remedy(checked):
    assert "Developers → API keys" in checked("sk_test_of_others")["keys"]


def test_a_missing_endpoint_is_reported_with_its_address(checked):
    checked.stand_in.endpoints = []

    assert f"No endpoint for {HERE}" in checked()["webhook"]


def test_a_disabled_endpoint_is_reported(checked):
    checked.endpoint["status"] = "disabled"

    assert "is disabled. Enable it" in checked()["webhook"]


def test_missing_event_types_are_named(checked):
    checked.endpoint["enabled_events"].remove("charge.dispute.closed")

    assert "does not get charge.dispute.closed" in checked()["webhook"]


def test_an_endpoint_for_all_events_is_accepted(checked):
    checked.endpoint["enabled_events"] = ["*"]

    assert checked() == {}


def test_a_wrong_clock_is_reported(checked):
    late = Clock(lambda: timedelta(minutes=-7))

    assert re.match(r"4(19|20) s behind Stripe's", checked(clock=late)["clock"])


def test_the_guide_lists_every_followed_event():
    guide = (ROOT / "docs" / "processors.md").read_text()

    assert [name for name in FOLLOWED if f"`{name}`" not in guide] == []


def test_the_stand_in_rejects_unknown_parameters(harness):
    """It accepts only the parameters that the library's types name."""
    client = connect(SECRET_KEY, harness.stand_in.base)
    other = {"amount": 1, "currency": "usd", "payment_method_types": ["card"]}

    with pytest.raises(InvalidRequestError, match="payment_method_types"):
        client.v1.payment_intents.create(other)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the reference data is not here")
def test_the_stand_ins_objects_have_only_fields_of_the_examples(harness):
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.processor.charge(charge_request(harness.declining()))
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


def test_a_form_never_uses_another_accounts_customer_m14(harness):
    """The account holds another account's card, saved before such cards were refused."""
    theirs = harness.processor.save_card(ACCOUNT, harness.token(), "/")
    other = Holder(4711, "Ferry Ltd", (theirs.reference,))

    secret = harness.processor.open_form(other)["client_secret"]
    token = harness.stand_in.confirm_setup(secret, "5555555555554444")["id"]
    saved = harness.processor.save_card(4711, token, "/")

    assert saved.last4 == "4444"
    assert saved.reference.partition("/")[0] != theirs.reference.partition("/")[0]


def test_a_card_of_another_customer_than_its_setup_is_rejected_m14(harness):
    token = harness.token()
    intent = harness.stand_in.get(token)
    harness.stand_in.get(intent["payment_method"])["customer"] = "cus_another"

    assert isinstance(harness.processor.save_card(ACCOUNT, token, "/"), RequestRejected)


def test_a_card_of_another_customer_is_gone_m13(harness):
    """Stripe names the parameter here; the card no longer belongs to the account."""
    reference = harness.paying()
    harness.stand_in.get(reference.partition("/")[2])["customer"] = "cus_another"

    answer = harness.processor.charge(charge_request(reference))

    assert answer == MethodGone(reference, harness.now())


def test_a_deleted_card_is_gone_m13(harness):
    reference = harness.paying()
    del harness.stand_in.objects[reference.partition("/")[2]]

    assert isinstance(harness.processor.charge(charge_request(reference)), MethodGone)


def test_an_invalid_request_about_something_else_keeps_the_card_l8(harness):
    """The card is looked up and exists."""
    refused = Refused(400, "invalid_request_error", "This account cannot make charges")
    harness.stand_in.failures.append(refused)
    reference = harness.paying()

    answer = harness.processor.charge(charge_request(reference))

    assert answer == RequestRejected("This account cannot make charges")
    assert "GET /v1/payment_methods/" + reference.partition("/")[2] in harness.stand_in.requests


@pytest.mark.parametrize("other", ["live", "test"])
def test_a_key_of_the_other_mode_marks_no_card_as_gone_l8(harness, other):
    """Such a key knows no card, which must not mark every card as gone."""
    hint = f"a similar object exists in {other} mode, but the other mode key was used"
    missing = Refused(
        404,
        "invalid_request_error",
        f"No such PaymentMethod: 'pm_1'; {hint}",
        code="resource_missing",
        param="payment_method",
    )
    reference = harness.paying()
    harness.stand_in.refusal = missing

    answer = harness.processor.charge(charge_request(reference))

    assert isinstance(answer, RequestRejected)
    assert hint in answer.reason


def hide_objects(harness):
    """Hide all objects, as for a key of another Stripe account, and return them."""
    there = harness.stand_in
    kept = {**there.objects}, [*there.log]
    there.objects.clear(), there.log.clear()
    return kept


def test_a_key_of_another_stripe_account_marks_no_card_as_gone_l8(harness):
    """L8, M13: the key finds neither the card nor its customer."""
    reference = harness.paying()
    hide_objects(harness)

    assert isinstance(harness.processor.charge(charge_request(reference)), RequestRejected)
    assert isinstance(harness.processor.verify("verify-1", reference), RequestRejected)


def test_a_key_of_another_stripe_account_rejects_events_l17(harness):
    """L7, L17: a refund must not be skipped because the key does not find it."""
    request = charge_request(harness.paying())
    harness.processor.charge(request)
    harness.refund(request.key, HUNDRED)
    events = [harness.processor.open_event(*it) for it in harness.deliveries()]
    kept = hide_objects(harness)

    assert all(isinstance(harness.processor.happenings(it), RequestRejected) for it in events)
    harness.stand_in.objects.update(kept[0])
    assert any(harness.processor.happenings(it) for it in events)
