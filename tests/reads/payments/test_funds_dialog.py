"""The methods listed in the Add Funds dialog."""

from datetime import timedelta

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.reads.payments.funds_dialog import read_funds


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"suspended_until": timedelta(hours=48)}, "Skipped until Tue 24 Nov, 10:00"),
        ({"blocked_at": timedelta()}, "Out of use until you retry or replace it"),
        ({"gone_at": timedelta()}, "Skipped because it was removed at the payment processor"),
    ],
)
def test_a_skipped_method_shows_the_reason_t6(world, state, words):
    """T6, T13: the timeline's sentence without the method's name, which is shown above it."""
    visa, _ = world.cards(VISA, MASTERCARD)
    now = world.clock.now()
    for name, span in state.items():
        setattr(visa, name, now + span)
    world.session.commit()
    chain = read_funds(world.ctx.at(now), world.account_id, "key").chain
    assert [it.note for it in chain] == [words, ""]
