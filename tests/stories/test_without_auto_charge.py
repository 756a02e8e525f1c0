"""F1: a suspension is shown only if auto-charge is on; otherwise the last failure is.

The 48 hours are stored in case auto-charge is switched on.
"""

import pytest

from tests.factories import DISCOVER, VISA, context
from webapp.domain.events.rows import EventRow
from webapp.domain.payment_methods.payment_method import SUSPENSION, MethodStatus
from webapp.reads.payment_methods.main_screen import MainScreen
from webapp.reads.payments.funds_dialog import read_funds
from webapp.reads.payments.outcome import read_outcome
from webapp.reads.payments.retry_dialog import read_retry
from webapp.reads.records.methods import read_method

pytestmark = pytest.mark.story


@pytest.fixture
def failed(world):
    """The second card has auto-charge off; a payment with it has just failed."""
    world.webhook()
    world.cards(VISA)
    world.refill()
    world.card(DISCOVER)
    world.next_answer("decline", decline_code="authentication_required")
    world.pay(world.method("1117"), "30.00")
    return world


def row(world):
    world.session.rollback()
    screen = MainScreen(world.ctx, world.account_id)
    return screen.methods[1]


def events(world):
    kinds = ("payment_method.suspended", "payment_method.restored")
    return [row.webhook for row in world.events(EventRow.webhook) if row.webhook in kinds]


def test_a_method_without_auto_charge_is_nowhere_called_suspended(failed):
    """F1: neither in the row, dialogs, outcome, timeline or API, nor by an event."""
    session, account_id, now = failed.session, failed.account_id, failed.clock.now()
    (attempt,) = failed.attempts
    shown = row(failed)
    assert shown.trouble == "Last payment failed: Authentication failed"
    assert (shown.status, shown.retry_attempt_id) == ("Manual only", None)

    funds = read_funds(context(session, now=now, policy=failed.policy), account_id, "key")
    assert funds.methods[1].note == "Last payment failed: Authentication failed."
    outcome = read_outcome(context(session, now=now), attempt.payment_id)
    retry = read_retry(context(session, now=now), account_id, attempt.id, "key")
    record = read_method(context(session, now=now), account_id, failed.method("1117").id)
    assert (record.suspended_until, record.reason) == (None, "Authentication failed")
    assert not retry.can_restore
    texts = [outcome.sentence, retry.consequence, failed.lines[-1].sentence]
    assert not [text for text in texts if "uspended" in text or "48 hours" in text]
    assert events(failed) == []


def test_no_suspension_email_is_sent_without_auto_charge(failed):
    """F1, F11: the person who paid saw the outcome, and automatic billing is unaffected."""
    failed.run()
    assert failed.mails_of("method_suspended") == []


def test_switching_auto_charge_on_shows_the_suspension(failed):
    """F1: the 48 hours run from the failure, and apply once auto-charge is on."""
    failed.clock.advance(hours=1)
    failed.consent(failed.method("1117"), True)
    assert row(failed).trouble == "Suspended until Tue 24 Nov, 10:00 · Authentication failed"
    assert row(failed).retry_attempt_id == failed.attempts[0].id
    assert failed.method("1117").standing(failed.clock.now()) is MethodStatus.SUSPENDED
    assert events(failed) == ["payment_method.suspended"]

    failed.consent(failed.method("1117"), False)
    assert row(failed).trouble == "Last payment failed: Authentication failed"


def test_the_end_of_a_suspension_without_auto_charge_is_not_recorded(failed):
    """F1, F6: the method was not part of automatic billing."""
    failed.clock.advance(seconds=SUSPENSION.total_seconds())
    failed.run("lift suspensions")
    assert failed.method("1117").suspended_until is None
    assert row(failed).trouble == ""
    assert "suspension_ended" not in failed.timeline
    assert events(failed) == []


def test_a_success_without_auto_charge_is_no_restoration(failed):
    """F1, F5"""
    failed.pay(failed.method("1117"), "30.00")
    assert row(failed).trouble == ""
    assert "restored" not in failed.timeline
    assert events(failed) == []


def test_a_hard_decline_without_auto_charge_shows_the_last_failure(failed):
    """F1, F3: the method is out of use once auto-charge is on."""
    failed.next_answer("decline", decline_code="stolen_card")
    failed.pay(failed.method("1117"), "30.00")
    assert row(failed).trouble == "Last payment failed: Declined by the bank"
    failed.consent(failed.method("1117"), True)
    assert row(failed).trouble.startswith("Out of use until you retry or replace it")
