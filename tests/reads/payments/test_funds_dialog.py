"""What the dialog of Add Funds says of the chain."""

from datetime import timedelta

import pytest

from tests.factories import MASTERCARD, VISA
from webapp.reads.payments.funds_dialog import read_funds


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"suspended_until": timedelta(hours=48)}, "Skipped until Tue 24 Nov, 10:00"),
        ({"barred_at": timedelta()}, "Out of use until you retry or replace it"),
        ({"gone_at": timedelta()}, "Skipped because it was removed at the payment processor"),
    ],
)
def test_under_a_name_stands_why_it_is_passed_over_t6(world, state, words):
    """T6, T13: the timeline's sentence without the name, which stands above it."""
    visa, _ = world.cards(VISA, MASTERCARD)
    now = world.clock.now()
    for name, span in state.items():
        setattr(visa, name, now + span)
    world.session.commit()
    chain = read_funds(world.session, world.account_id, now, world.policy, "key").chain
    assert [it.note for it in chain] == [words, ""]
