"""A processor rejects the same request repeatedly (L8), until the operator must act."""

import json

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.actions.payments.decide_attempt import decide_attempt
from webapp.domain.payments.queries import awaiting_operator
from webapp.reads.payment_methods.main_screen import MainScreen

pytestmark = pytest.mark.story


@pytest.fixture
def refused(world):
    """The balance is low, and the first request was rejected."""
    world.cards(VISA, MASTERCARD)
    world.refill("50.00", "100.00")
    reject_next(world, 1)
    world.use("60.00")
    world.work()
    return world


def reject_next(world, times):
    for _ in range(times):
        world.next_answer("refuse_to_look")


def reject_until_the_operator_must_act(world):
    reject_next(world, 2)
    world.pass_time(seconds=10)
    world.pass_time(seconds=50)


def test_timeline_and_screen_do_not_blame_the_bank_l8(refused):
    """L8, E1"""
    line = next(it for it in refused.lines if it.code == "waiting_for_outcome")
    assert line.sentence.startswith(
        "The processor refused the request to charge $100.00 to Visa •••• 4242. Nothing was charged"
    )
    now = refused.clock.now()
    screen = MainScreen(refused.ctx.at(now), refused.account_id)
    sentence = "".join(run.text for run in screen.next.sentence)
    assert "The processor refused $100.00 to Visa •••• 4242" in sentence
    assert "bank" not in sentence
    assert "Refused, retrying" in [step.detail for step in screen.next.steps]


def test_the_third_rejection_in_a_row_is_reported_to_the_operator_l8(app, refused):
    reject_next(refused, 1)
    refused.pass_time(seconds=10)
    assert awaiting_operator(refused.session) == []

    reject_next(refused, 1)
    refused.pass_time(seconds=50)

    (waiting,) = awaiting_operator(refused.session)
    assert waiting.state == "refused"
    assert refused.timeline.count("operator_must_decide") == 1
    listed = app.test_cli_runner().invoke(args=["attempts", "list", "--json"])
    (row,) = json.loads(listed.stdout)
    assert row["why"] == "Refused 3 times: Too many requests; try again later"


def test_the_request_is_still_repeated_under_its_key_and_settles_l8(refused):
    """L3, T7: no other method was charged, and nothing is left for the operator."""
    reject_until_the_operator_must_act(refused)
    reject_next(refused, 1)
    refused.pass_time(minutes=4)
    assert refused.timeline.count("operator_must_decide") == 1

    refused.pass_time(minutes=10)

    assert refused.tries == [("4242", "100.00", "paid")]
    assert refused.charges == [("4242", "100.00")]
    assert awaiting_operator(refused.session) == []


def test_another_answer_resets_the_count_of_rejections_l8(refused):
    """The outcome is then unknown and follows the schedule of L10."""
    reject_next(refused, 1)
    refused.pass_time(seconds=10)
    refused.next_answer("timeout_before_charge")
    refused.pass_time(seconds=50)

    assert [(a.state, a.refusals, a.needs_operator) for a in refused.attempts] == [
        ("unknown", 0, False)
    ]


def test_an_unknown_outcome_takes_the_attempt_from_the_operator_l8(refused):
    """The operator is asked again if nothing is known after 23 hours (L10)."""
    reject_until_the_operator_must_act(refused)
    refused.next_answer("timeout_after_charge")
    refused.pass_time(minutes=4)
    assert [(a.state, a.needs_operator) for a in refused.attempts] == [("unknown", False)]

    refused.pass_time(minutes=10)

    assert refused.tries == [("4242", "100.00", "paid")]
    assert refused.balance == "140.00"


def test_after_an_hour_the_customer_is_informed_of_the_rejections_l10(refused):
    reject_next(refused, 20)
    for _ in range(7):
        refused.pass_time(minutes=10)

    (mail,) = refused.mails_of("still_unknown")
    letter = refused.services.mailer.render("still_unknown", mail.facts | NAMED, "en")
    assert letter.subject == "Your payment of $100.00 could not be made yet"
    for text in (letter.text, letter.html):
        assert "The payment processor rejected our request to charge $100.00 to Visa" in text
        assert "bank" not in text


NAMED = {"account_name": "Harbour Voice"}


def test_the_operator_can_decide_that_a_rejected_attempt_was_not_charged_l8(refused):
    reject_until_the_operator_must_act(refused)
    (waiting,) = awaiting_operator(refused.session)

    decide_attempt(refused.ctx, waiting.id, False, "The key was wrong")
    refused.work()

    assert refused.tries == [("4242", "100.00", "abandoned"), ("4242", "100.00", "paid")]


def test_a_charge_counts_from_when_it_was_taken_t10(world):
    """T10: rejected for a quarter of an hour, it is the first of three charges in 10 minutes."""
    world.cards(VISA)
    world.refill("50.00", "100.00", no_day_limit=True)
    reject_next(world, 1)
    world.use("60.00")
    world.work()
    world.clock.advance(minutes=15)
    world.use("900.00")
    for _ in range(6):
        world.pass_time(seconds=10)
    assert world.charges == [("4242", "100.00")] * 3
    assert (world.timeline[-1], world.balance) == ("paused", "-560.00")
