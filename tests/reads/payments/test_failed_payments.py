"""The last failed payments and the payments that covered them."""

import pytest

from tests.factories import AMEX, MASTERCARD, VISA
from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import AttemptState
from webapp.domain.payments.queries import covering
from webapp.reads.payments.failed_payments import read_failed_payments


@pytest.fixture
def failed(world):
    """One covered by a fallback, one by a Retry after a failed Retry, one not covered."""
    _, mastercard, amex = world.cards(VISA, MASTERCARD, AMEX)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    for card in (mastercard, amex):
        world.next_answer("decline", decline_code="insufficient_funds")
        world.pay(card, "40.00")
    first = world.attempts[-2]
    world.next_answer("decline", decline_code="insufficient_funds")
    world.retry(first)
    world.retry(first)
    return [it for it in world.attempts if it.state == AttemptState.DECLINED]


def test_panel_and_payment_page_agree_about_the_covering_payment_f4(world, failed):
    """F4, T7: the panel uses one SQL statement, the payment's page uses records."""
    paid = covering(world.session, failed)
    account = world.session.get_one(Account, world.account_id)
    rows = read_failed_payments(world.ctx, account, limit=10)
    covered_by = {row.attempt_id: row.paid_by for row in rows}
    assert covered_by == {
        it.id: f"Paid by {paid[it.id].method.label}" if it.id in paid else "" for it in failed
    }
    assert [bool(covered_by[it.id]) for it in failed] == [True, True, False, True]
