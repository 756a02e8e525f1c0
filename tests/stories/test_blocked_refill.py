"""T17: a refill is due but nothing can be charged; one email per episode reports it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, VISA, micros, with_bounds
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.payments.charge import charge
from webapp.actions.top_ups.top_up import start_attempt
from webapp.domain.notifications.topics import Topic
from webapp.domain.shared.policy import Automatic
from webapp.domain.top_ups.top_up import open_top_up

pytestmark = pytest.mark.story


def restart_with(world, **policy):
    """Restart the product with other settings."""
    world.policy = replace(world.policy, **policy)
    world.services = replace(world.services, policy=world.policy)


def credit(world, amount):
    now, owner = world.clock.now(), world.owner
    adjust_balance(world.ctx.by(owner).at(now), world.account_id, micros(amount), "Goodwill")


def removed(world):
    world.remove(world.method("4242"))


def without_consent(world):
    world.consent(world.method("4242"), False)


def primary_off(world):
    world.card(MASTERCARD, auto_charge=True)
    world.consent(world.method("4242"), False)


def expired(world):
    """The card expires in December 2026."""
    world.pass_time(days=10)
    world.clock.at = datetime(2027, 1, 2, 10, tzinfo=UTC)


def gone(world):
    world.method("4242").mark_removed(world.clock.now())
    world.session.commit()


def suspended(world):
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(world.method("4242"), "30.00")


def barred(world):
    world.next_answer("decline", decline_code="stolen_card")
    world.pay(world.method("4242"), "30.00")


def out_of_bounds(world):
    restart_with(world, offered=with_bounds(world.policy, payment_min=micros("200.00")).offered)


def switched_off(world):
    restart_with(world, automatic=Automatic.OFF)


CAUSES = {
    removed: ("no payment method is saved", "Add a payment method"),
    without_consent: ("No payment method has auto-charge on", "Turn on auto-charge"),
    primary_off: ("Auto-charge is off for your primary method", "move another one to the top"),
    expired: ("Retry or replace one, or add funds", ""),
    gone: ("Retry or replace one, or add funds", ""),
    suspended: ("Retry a method or add funds to continue now", ""),
    barred: ("Retry or replace one, or add funds", ""),
    out_of_bounds: ("outside the limits now in force", "Correct the refill settings"),
    switched_off: ("switched off by your provider", "ask your provider"),
}
SKIPPED = {
    expired: "Visa •••• 4242 is skipped because it has expired.",
    gone: "Visa •••• 4242 is skipped because it was removed at the payment processor.",
    barred: "Visa •••• 4242 is out of use until you retry or replace it.",
}


@pytest.fixture
def refilled(world):
    """One card, refilled with 100.00 below 50.00; the balance is 100.00."""
    world.card(VISA, expiry="12/26", auto_charge=True)
    world.refill()
    return world


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_one_email_per_episode(refilled, cause):
    """T17: usage and sweeps send no more; a balance at the threshold rearms the email."""
    world = refilled
    cause(world)
    assert world.mails_of("refill_blocked") == [], "no refill is due"
    world.use("50.01")
    world.work()
    world.use("60.00")
    for _ in range(3):
        world.pass_time(minutes=1)

    (mail,) = world.mails_of("refill_blocked")
    reason, advice = CAUSES[cause]
    assert reason in mail.facts["reason"]
    assert advice in mail.facts["advice"]
    assert bool(advice) == bool(mail.facts["advice"]), "said once: in the reason or beside it"
    assert (mail.facts["balance"], mail.facts["threshold"]) == ("$49.99", "$50.00")
    letter = world.services.mailer.render(mail.kind, mail.facts, mail.language)
    assert "/billing/payment-methods" in letter.text
    if cause in SKIPPED:
        assert mail.facts["skipped"] == [{"sentence": SKIPPED[cause]}]
        assert SKIPPED[cause].split(" is ")[1] in letter.text
    assert reason in letter.text
    assert world.timeline.count("notified") == 1
    assert world.balance == "-10.01"

    credit(world, "60.01")
    assert world.balance == "50.00"
    world.use("0.01")
    world.run()
    assert len(world.mails_of("refill_blocked")) == 2
    assert world.balance == "49.99"


def test_the_sweep_notices_a_card_that_expires_below_the_threshold(refilled):
    """T17, M9: without usage, and after the limit that held the refill back has passed."""
    world = refilled
    world.apply(day_limit="100.00", month_limit="100.00")
    world.use("60.00")
    world.work()
    world.use("100.00")
    world.work()
    assert len(world.mails_of("limit_reached")) == 1
    assert world.mails_of("refill_blocked") == [], "the limit's email says the same"
    credit(world, "20.00")
    world.use("15.00")
    world.clock.at = datetime(2027, 1, 1, 12, tzinfo=UTC)
    world.run("sweep")
    world.run("sweep")
    assert len(world.mails_of("refill_blocked")) == 1


def test_no_second_email_when_all_methods_failed(refilled):
    """T11, T17: none in that episode; the next one has its own."""
    world = refilled
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    world.pass_time(minutes=1)
    world.use("1.00")
    assert len(world.mails_of("all_failed")) == 1
    assert world.mails_of("refill_blocked") == []

    credit(world, "100.00")
    world.use("100.00")
    world.pass_time(minutes=1)
    assert len(world.mails_of("all_failed")) == 1, "F11: armed again by a success only"
    assert len(world.mails_of("refill_blocked")) == 1


def test_no_second_email_for_usage_before_the_chain_has_ended(refilled):
    """T11, T17: the decline is recorded first, and the end of the refill in another transaction."""
    world = refilled
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    refill = open_top_up(world.session, world.account_id).id
    charge(world.ctx, start_attempt(world.ctx, refill))
    world.use("1.00")
    assert world.mails == []
    world.work()
    assert sorted(world.mails) == ["all_failed", "method_suspended"]
    assert world.timeline[-1] == "all_methods_failed"


def test_no_second_email_when_a_manual_chain_failed(refilled):
    """T11, T17: the payment's email names each method."""
    world = refilled
    world.use("60.00")
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay_by_chain("30.00")
    world.run()
    assert world.timeline[-1] == "all_suspended"
    assert len(world.mails_of("all_failed")) == 1
    assert world.mails_of("refill_blocked") == []


def test_no_second_email_when_refills_were_paused(refilled):
    """T10, T17: the pause has its own email; a later episode has another."""
    from webapp.actions.top_ups.pause_automatic import pause_automatic

    world = refilled
    now, owner = world.clock.now(), world.owner
    pause_automatic(world.ctx.by(owner).at(now), world.account_id, "Fraud check")
    world.use("60.00")
    world.run()
    assert (len(world.mails_of("paused")), len(world.mails_of("refill_blocked"))) == (1, 0)
    credit(world, "60.00")
    world.use("60.00")
    world.run()
    assert (len(world.mails_of("paused")), len(world.mails_of("refill_blocked"))) == (1, 1)


def test_no_email_for_an_unknown_outcome_or_a_dry_run(world):
    """T17, L10: an unknown outcome is awaited, and a dry run charges nothing."""
    world.cards(VISA)
    world.refill()
    world.next_answer("timeout_after_charge")
    world.use("60.00")
    world.work()
    world.run("sweep")
    assert world.mails_of("refill_blocked") == []
    world.pass_time(hours=1)
    restart_with(world, automatic=Automatic.DRY_RUN)
    world.use("100.00")
    world.run()
    assert world.timeline[-1] == "dry_run"
    assert world.mails_of("refill_blocked") == []


def test_switching_refill_off_ends_the_episode(refilled):
    """T17: no refill is due any more; switching it on again starts another episode."""
    world = refilled
    primary_off(world)
    world.use("60.00")
    world.apply(refill_on=False)
    world.clock.advance(hours=1)
    world.apply(refill_on=True)
    assert len(world.mails_of("refill_blocked")) == 2


def test_a_crash_before_the_commit_sends_one_email(refilled):
    """T17: the email and the record that it was sent are in one transaction."""
    world = refilled
    without_consent(world)
    commit = world.session.commit
    world.session.commit = lambda: (_ for _ in ()).throw(SystemExit)
    with pytest.raises(SystemExit):
        world.use("60.00", "call-1")
    world.session.commit = commit
    world.session.rollback()
    assert world.mails_of("refill_blocked") == []

    world.use("60.00", "call-1")
    world.use("60.00", "call-1")
    world.run()
    assert len(world.mails_of("refill_blocked")) == 1


def test_the_email_goes_to_recipients_of_failure_emails(refilled):
    """T17, N3: each address once."""
    from webapp.domain.accounts.account import Account
    from webapp.domain.notifications.topics import Recipient

    world = refilled
    account = world.session.get_one(Account, world.account_id)
    account.set_recipients(
        [
            Recipient("finance@example.com", frozenset(Topic)),
            Recipient("ops@example.com", frozenset([Topic.FAILURES])),
            Recipient("books@example.com", frozenset([Topic.RECEIPTS])),
        ]
    )
    world.session.commit()
    without_consent(world)
    world.use("60.00")
    world.run()
    mailed = {mail.recipient for mail in world.mails_of("refill_blocked")}
    assert mailed == {"finance@example.com", "ops@example.com"}


def test_no_third_email_after_a_link_and_all_failed(world):
    """F7, T17: the emails with the link and about all methods already say it."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    world.use("60.00")
    world.work()
    world.run()
    assert world.mails_of("authentication_required")
    assert world.mails_of("refill_blocked") == []
