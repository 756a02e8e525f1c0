"""The low balance notification moves no money and is sent once per crossing."""

from dataclasses import replace

import pytest

from tests.factories import VISA, micros
from webapp.actions.notifications.apply_settings import apply_notification_settings
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.settings import NotificationSettings
from webapp.domain.top_ups.settings import LowBalanceSettings

pytestmark = pytest.mark.story


def test_a_debit_across_both_thresholds_sends_one_email_and_refills(world):
    """N2: the email is sent although the refill follows at once."""
    world.cards(VISA)
    world.refill(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    world.work()

    (mail,) = world.mails_of("low_balance")
    assert mail.facts["balance"] == "$40.00"
    assert mail.facts["threshold"] == "$75.00"
    assert "we’ll charge $100.00 to Visa •••• 4242" in mail.facts["what_next"]
    assert world.tries == [("4242", "100.00", "paid")]


def test_500_small_debits_across_the_threshold_send_one_email(world):
    """N2: one email per downward crossing."""
    world.apply(notification_on=True, notification_threshold="75.00")
    for _ in range(500):
        world.use("0.123456")
    assert world.balance == "38.272"
    assert len(world.mails_of("low_balance")) == 1


def test_a_balance_back_at_the_threshold_rearms_the_email(world):
    """N2, N5: back at or above it, then another crossing, an hour later."""
    (visa,) = world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("30.00")
    world.pay(visa, "30.00")
    world.clock.advance(hours=1)
    world.use("30.00")
    assert len(world.mails_of("low_balance")) == 2


def test_at_most_one_email_an_hour_is_sent(world):
    """N5: a crossing within the hour is reported after it, if the balance is still low."""
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


def test_switching_on_while_below_sends_one_email(world):
    """N5: saving unchanged settings sends none."""
    world.use("60.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    assert len(world.mails_of("low_balance")) == 1
    world.clock.advance(hours=2)
    world.apply(notification_on=True, notification_threshold="75.00")
    assert len(world.mails_of("low_balance")) == 1


def test_a_changed_threshold_rearms_the_email(world):
    """N2."""
    world.use("60.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    world.clock.advance(hours=2)
    world.apply(notification_threshold="80.00")
    assert len(world.mails_of("low_balance")) == 2


def test_the_notification_is_independent_of_refill(world):
    """N1: with refill off nothing is charged, as the email states."""
    world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    world.work()
    (mail,) = world.mails_of("low_balance")
    assert mail.facts["what_next"].startswith("Nothing is charged automatically")
    assert world.tries == []


def test_the_email_goes_to_all_billing_addresses(world):
    """N3: several are allowed."""
    from webapp.domain.accounts.account import Account

    account = world.session.get(Account, world.account_id)
    account.billing_emails = ["a@example.com", "b@example.com"]
    world.session.commit()
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    mails = world.mails_of("low_balance")
    assert [mail.recipient for mail in mails] == ["a@example.com", "b@example.com"]


def set_further_alerts(world, *steps):
    """Set further alerts below the notification threshold of 75.00."""
    world.apply(notification_on=True, notification_threshold="75.00")
    settings = LowBalanceSettings.of(world.session, world.account_id)
    account = world.session.get_one(Account, world.account_id)
    current = NotificationSettings.of(account, settings)
    changed = replace(current, steps=tuple(micros(step) for step in steps))
    apply_notification_settings(world.ctx, world.account_id, changed, current.seal)


def thresholds(world):
    return [mail.facts["threshold"] for mail in world.mails_of("low_balance")]


def test_each_further_alert_is_sent_once(world):
    """N2: one email per crossing of each; a fall through several sends one, about the lowest."""
    set_further_alerts(world, "50.00", "10.00")
    for amount, threshold in (("30.00", "$75.00"), ("25.00", "$50.00"), ("40.00", "$10.00")):
        world.clock.advance(hours=1)
        world.use(amount)
        world.use("0.01")
        assert thresholds(world)[-1] == threshold
    assert len(thresholds(world)) == 3


def test_a_fall_through_all_alerts_sends_one_email(world):
    set_further_alerts(world, "50.00", "10.00")
    world.use("95.00")
    world.pass_time(hours=2)
    assert thresholds(world) == ["$10.00"]


def test_a_balance_back_at_a_further_alert_rearms_it(world):
    """N2: at 60.00 the alert at 50.00 is rearmed, and the one at 75.00 is not."""
    (visa,) = world.cards(VISA)
    set_further_alerts(world, "50.00")
    world.use("60.00")
    world.clock.advance(hours=1)
    world.pay(visa, "30.00")
    world.use("5.00")
    assert thresholds(world) == ["$50.00"]
    world.use("20.00")
    assert thresholds(world) == ["$50.00", "$50.00"]


def test_a_further_alert_within_the_hour_is_sent_after_it(world):
    """N5: at most one email an hour, and by the clock if no usage follows."""
    set_further_alerts(world, "50.00")
    world.use("30.00")
    world.use("30.00")
    assert thresholds(world) == ["$75.00"]
    world.pass_time(hours=1)
    assert thresholds(world) == ["$75.00", "$50.00"]


def test_a_further_alert_added_while_below_is_sent_once(world):
    """N5: like a notification that is switched on while below."""
    world.use("60.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    world.clock.advance(hours=1)
    set_further_alerts(world, "50.00")
    world.pass_time(hours=2)
    assert thresholds(world) == ["$75.00", "$50.00"]
