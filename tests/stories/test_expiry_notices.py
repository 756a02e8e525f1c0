"""Expiry notices: 30 and 7 days before, on the last day, or later (M9)."""

from datetime import UTC, datetime

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.domain.accounts.account import Account
from webapp.domain.shared.i18n import Language

pytestmark = pytest.mark.story


@pytest.fixture
def expiring(world):
    """A Visa that expires at the end of January 2027; today is 22 November 2026."""
    world.card(VISA, expiry="01/27")
    return world


def days_noticed(world, month, day, hour=9, year=2027):
    world.clock.at = datetime(year, month, day, hour, tzinfo=UTC)
    world.run("warn of expiry")
    return [notice.facts["days"] for notice in world.mails_of("card_expiring")]


def test_each_notice_is_sent_once(expiring):
    """M9: 30, 7 and 0 days before the end of the month."""
    assert days_noticed(expiring, 12, 31, year=2026) == []
    assert days_noticed(expiring, 1, 1) == [30]
    assert days_noticed(expiring, 1, 1, hour=20) == [30]
    assert days_noticed(expiring, 1, 23) == [30]
    assert days_noticed(expiring, 1, 24) == [30, 7]
    assert days_noticed(expiring, 1, 30) == [30, 7]
    assert days_noticed(expiring, 1, 31) == [30, 7, 0]
    assert days_noticed(expiring, 2, 1) == [30, 7, 0]


def test_after_a_stop_only_the_current_notice_is_sent(expiring):
    """M9: not all that were missed."""
    assert days_noticed(expiring, 1, 25) == [6]


def test_a_removed_card_gets_no_notices(expiring):
    """M9: the card is no longer listed."""
    expiring.remove(expiring.method("4242"))
    assert days_noticed(expiring, 1, 1) == []


def test_a_renewed_card_gets_no_more_notices(expiring):
    """M9, M8: the notices start again for the new expiry."""
    assert days_noticed(expiring, 1, 1) == [30]
    expiring.card(VISA, expiry="01/30")
    assert days_noticed(expiring, 1, 24) == [30]
    assert days_noticed(expiring, 1, 31) == [30]


def test_notices_due_before_the_card_was_added_are_not_sent(world):
    """M9: a card added ten days before its end gets those of seven days and of the last day."""
    world.clock.at = datetime(2027, 1, 21, 9, tzinfo=UTC)
    world.card(MASTERCARD, expiry="01/27")
    assert days_noticed(world, 1, 21) == []
    assert days_noticed(world, 1, 24) == [7]


def rendered_parts(world):
    """Return subject, text and HTML of the only notice, with plain spaces."""
    (notice,) = world.mails_of("card_expiring")
    sent = world.services.mailer.render(notice.kind, notice.facts, notice.language)
    return [
        part.replace("\N{NO-BREAK SPACE}", " ") for part in (sent.subject, sent.text, sent.html)
    ]


EXPIRED_ON_30_APRIL = {
    Language.ENGLISH: (
        "Visa •••• 4242 expired on 30 April",
        "It won’t be charged automatically from 1 May.",
    ),
    Language.GERMAN: (
        "Visa •••• 4242 ist am 30. April abgelaufen",
        "Ab dem 1. Mai wird sie nicht mehr automatisch belastet.",
    ),
    Language.SPANISH: (
        "Visa •••• 4242 caducó el 30 de abril",
        "A partir del 1 de mayo no se cobrará automáticamente con ella.",
    ),
    Language.FRENCH: (
        "Visa •••• 4242 a expiré le 30 avril",
        "À partir du 1er mai, elle ne sera plus débitée automatiquement.",
    ),
}


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize(("month", "day", "days"), [(5, 1, -1), (5, 3, -3), (6, 20, -51)])
def test_m9_a_late_notice_says_when_the_card_expired(world, language, month, day, days):
    """M9: the jobs did not run at the end of the month; the notice is sent once, however late."""
    world.card(VISA, expiry="04/27")
    world.refill()
    world.session.get_one(Account, world.account_id).language = language
    world.session.commit()

    assert days_noticed(world, month, day) == [days]

    subject, *bodies = rendered_parts(world)
    heading, consequence = EXPIRED_ON_30_APRIL[language]
    assert subject == heading
    for body in bodies:
        assert heading in body
        assert consequence in body
    assert days_noticed(world, month, day, hour=20) == [days]
    assert days_noticed(world, 12, 31) == [days]


def test_m9_a_late_notice_agrees_with_the_plan_it_quotes(world):
    """M9, T13, P4: even during the hours in which the card is still charged."""
    world.card(VISA, expiry="04/27")
    world.refill()
    days_noticed(world, 5, 1)
    assert "Nothing can be charged" in rendered_parts(world)[1]


def test_m9_the_day_is_in_the_accounts_time_zone(world):
    """M9, P4: in Auckland the month has ended everywhere at midnight on 2 May."""
    world.session.get_one(Account, world.account_id).time_zone = "Pacific/Auckland"
    world.session.commit()
    world.card(VISA, expiry="04/27")
    assert days_noticed(world, 4, 30, hour=13) == [-1]
    assert (
        "expired on 30 April. It won’t be charged automatically from 2 May."
        in rendered_parts(world)[1]
    )


def test_m9_a_last_day_notice_is_not_repeated_afterwards(world):
    world.card(VISA, expiry="04/27")
    assert days_noticed(world, 4, 30) == [0]
    assert rendered_parts(world)[0] == "Visa •••• 4242 expires on 30 April"
    assert days_noticed(world, 5, 1) == days_noticed(world, 5, 20) == [0]


def test_m9_a_removed_or_renewed_card_gets_no_late_notice(world):
    world.card(VISA, expiry="04/27")
    world.card(MASTERCARD, expiry="04/27")
    world.remove(world.method("4242"))
    world.clock.at = datetime(2027, 5, 10, 9, tzinfo=UTC)
    world.card(MASTERCARD, expiry="04/31")
    assert days_noticed(world, 5, 10) == []


def test_m9_the_last_day_is_right_before_a_clock_change(world):
    """M9: half an hour after midnight in Berlin, eight days before its clocks are set back."""
    world.session.get_one(Account, world.account_id).time_zone = "Europe/Berlin"
    world.session.commit()
    world.card(VISA, expiry="10/27")
    world.clock.at = datetime(2027, 10, 23, 22, 30, tzinfo=UTC)
    world.run("warn of expiry")
    assert rendered_parts(world)[0] == "Visa •••• 4242 expires on 31 October"
