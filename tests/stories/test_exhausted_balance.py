"""V7: each crossing of minus the credit limit is one event: by usage, credits or another limit."""

from random import Random

import pytest
from sqlalchemy import select

from tests.factories import VISA, micros
from webapp.actions.accounts.change_account import change_account
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import EventKind

CROSSINGS = (EventKind.BALANCE_EXHAUSTED, EventKind.BALANCE_RESTORED)


def crossings(world):
    return [row for row in world.events(EventRow.webhook) if row.webhook in CROSSINGS]


def kinds(world):
    return [row.webhook for row in crossings(world)]


def set_credit_limit(world, amount):
    change_account(world.ctx, world.account_id, {"credit_limit": micros(amount)})


def test_the_first_money_is_a_restored_balance(world):
    """V7: a new account begins exhausted, without an event."""
    made = {balance: world.account(balance) for balance in (None, "0.01")}
    rows = world.session.scalars(select(EventRow).where(EventRow.webhook.is_not(None))).all()
    told = {
        balance: [row.webhook for row in rows if row.account_id == account.account_id]
        for balance, account in made.items()
    }
    assert told == {
        None: ["account.created"],
        "0.01": ["account.created", "balance.restored"],
    }


def test_the_crossing_is_at_minus_the_credit_limit(world):
    """V7: exhausted at the limit itself, and restored by the smallest amount above it."""
    world.use("99.999999")
    assert kinds(world) == ["balance.restored"]
    world.use("0.000001")
    assert kinds(world)[1:] == ["balance.exhausted"]
    world.use("5.00")
    set_credit_limit(world, "5.000001")
    assert kinds(world)[2:] == ["balance.restored"]
    world.use("0.000001")
    assert kinds(world)[3:] == ["balance.exhausted"]
    assert payloads.payload(crossings(world)[-1])["data"] == {
        "balance": "-5.000001",
        "balance_currency": "USD",
        "credit_limit": "5.000001",
    }


def test_a_payment_and_a_refund_cross(world):
    """V7: independently of the customer's settings."""
    world.use("100.00")
    world.pay(world.card(VISA), "30.00")
    world.books.reversals.refund(world.attempts[-1].key, micros("30.00"), world.clock.now())
    world.deliver()
    assert kinds(world) == [
        "balance.restored", "balance.exhausted", "balance.restored", "balance.exhausted",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_crossings_alternate_and_agree_with_the_balance(world, seed):
    """V7: after every move, the last crossing says on which side the balance is."""
    dice, card = Random(seed), world.card(VISA)

    def adjust(least, most):
        amount = micros(f"{dice.randint(least, most) or 1}.00")
        adjust_balance(world.ctx, world.account_id, amount, "Goodwill")

    down = [
        lambda: world.use(f"{dice.uniform(0.01, 120):.6f}"),
        lambda: adjust(-60, -1),
        lambda: set_credit_limit(world, f"{dice.randint(1, 20)}.00"),
    ]
    up = [
        lambda: world.pay(card, f"{dice.randint(30, 90)}.00"),
        lambda: adjust(1, 60),
        lambda: set_credit_limit(world, f"{dice.randint(20, 80)}.00"),
    ]
    exhausted = False
    for _ in range(25):
        dice.choice(up if exhausted == (dice.random() < 0.8) else down)()
        world.session.rollback()
        account = world.session.get_one(Account, world.account_id)
        exhausted = account.balance <= -account.credit_limit
        assert account.is_exhausted is exhausted
        assert kinds(world)[-1] == CROSSINGS[not exhausted]
    found = kinds(world)
    assert len(found) >= 4
    assert found == [CROSSINGS[step % 2 == 0] for step in range(len(found))]
