"""The low balance notification: it moves no money, and says the same thing once."""

from dataclasses import replace

import pytest

from tests.factories import VISA, micros
from webapp.actions.notifications.apply_settings import apply_notification_settings
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.settings import NotificationSettings
from webapp.domain.top_ups.settings import LowBalanceSettings

pytestmark = pytest.mark.story


def test_one_debit_crossing_both_thresholds(world):
    """N2: one mail and one top-up, although the top-up refills at once."""
    world.cards(VISA)
    world.refill(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    world.work()

    (mail,) = world.mails_of("low_balance")
    assert mail.facts["balance"] == "$40.00"
    assert mail.facts["threshold"] == "$75.00"
    assert "we’ll charge $100.00 to Visa •••• 4242" in mail.facts["what_next"]
    assert world.tries == [("4242", "100.00", "paid")]


def test_500_small_debits_over_one_line(world):
    """N2: one mail per downward crossing."""
    world.apply(notification_on=True, notification_threshold="75.00")
    for _ in range(500):
        world.use("0.123456")
    assert world.balance == "38.272"
    assert len(world.mails_of("low_balance")) == 1


def test_armed_again_by_being_back_at_the_threshold(world):
    """N2, N5: back at or above it, then one more crossing, an hour later."""
    (visa,) = world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("30.00")
    world.pay(visa, "30.00")
    world.clock.advance(hours=1)
    world.use("30.00")
    assert len(world.mails_of("low_balance")) == 2


def test_never_more_than_one_an_hour(world):
    """N5: a crossing within the hour is told after it, if it still holds."""
    (visa,) = world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("30.00")
    world.pay(visa, "30.00")
    world.clock.advance(minutes=59)
    world.use("30.00")
    assert len(world.mails_of("low_balance")) == 1
    world.clock.advance(minutes=1)
    world.use("0.01")
    assert len(world.mails_of("low_balance")) == 2


def test_switched_on_while_already_below(world):
    """N5: one mail; saved unchanged: none."""
    world.use("60.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    assert len(world.mails_of("low_balance")) == 1
    world.clock.advance(hours=2)
    world.apply(notification_on=True, notification_threshold="75.00")
    assert len(world.mails_of("low_balance")) == 1


def test_a_changed_threshold_arms_it_again(world):
    """N2."""
    world.use("60.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    world.clock.advance(hours=2)
    world.apply(notification_threshold="80.00")
    assert len(world.mails_of("low_balance")) == 2


def test_independent_of_top_up(world):
    """N1: with refill off nothing is charged, and the mail says so."""
    world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    world.work()
    (mail,) = world.mails_of("low_balance")
    assert mail.facts["what_next"].startswith("Nothing is charged automatically")
    assert world.tries == []


def test_it_goes_to_all_billing_addresses(world):
    """N3: several are allowed."""
    from webapp.domain.accounts.account import Account

    account = world.session.get(Account, world.account_id)
    account.billing_emails = ["a@example.com", "b@example.com"]
    world.session.commit()
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    mails = world.mails_of("low_balance")
    assert [mail.recipient for mail in mails] == ["a@example.com", "b@example.com"]


def tell_at(world, *steps):
    """Further steps below the notification threshold of 75.00."""
    world.apply(notification_on=True, notification_threshold="75.00")
    settings = LowBalanceSettings.of(world.session, world.account_id)
    account = world.session.get_one(Account, world.account_id)
    standing = NotificationSettings.of(account, settings)
    wished = replace(standing, steps=tuple(micros(step) for step in steps))
    around = (standing.seal, world.owner, world.clock.now(), world.policy)
    apply_notification_settings(world.session, world.account_id, wished, *around)


def thresholds(world):
    return [mail.facts["threshold"] for mail in world.mails_of("low_balance")]


def test_each_further_step_is_told_once(world):
    """N2: one mail per crossing of each; a fall through several is one mail, about the lowest."""
    tell_at(world, "50.00", "10.00")
    for amount, told in (("30.00", "$75.00"), ("25.00", "$50.00"), ("40.00", "$10.00")):
        world.clock.advance(hours=1)
        world.use(amount)
        world.use("0.01")
        assert thresholds(world)[-1] == told
    assert len(thresholds(world)) == 3


def test_a_fall_through_all_steps_is_one_mail(world):
    tell_at(world, "50.00", "10.00")
    world.use("95.00")
    world.pass_time(hours=2)
    assert thresholds(world) == ["$10.00"]


def test_a_step_is_armed_again_by_being_back_at_it(world):
    """N2: at 60.00 the step at 50.00 is armed again, and the one at 75.00 is not."""
    (visa,) = world.cards(VISA)
    tell_at(world, "50.00")
    world.use("60.00")
    world.clock.advance(hours=1)
    world.pay(visa, "30.00")
    world.use("5.00")
    assert thresholds(world) == ["$50.00"]
    world.use("20.00")
    assert thresholds(world) == ["$50.00", "$50.00"]


def test_a_step_within_the_hour_is_told_after_it(world):
    """N5: never more than one an hour, and by the clock where no usage follows."""
    tell_at(world, "50.00")
    world.use("30.00")
    world.use("30.00")
    assert thresholds(world) == ["$75.00"]
    world.pass_time(hours=1)
    assert thresholds(world) == ["$75.00", "$50.00"]


def test_a_step_that_is_added_below_itself_is_told_once(world):
    """N5: as a notification that is switched on while already below."""
    world.use("60.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    world.clock.advance(hours=1)
    tell_at(world, "50.00")
    world.pass_time(hours=2)
    assert thresholds(world) == ["$75.00", "$50.00"]
