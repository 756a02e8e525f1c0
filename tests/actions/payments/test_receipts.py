"""Receipts are numbered without gaps per account, also under concurrent payments (L6)."""

from secrets import token_hex

import pytest
from sqlalchemy import select

from tests import wires
from tests.contention.test_actions import at_once
from tests.factories import AMEX, DISCOVER, MASTERCARD, VISA, context, micros
from webapp.actions.accounts.set_billing_details import set_billing_details
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.payments.pay import pay_now
from webapp.actions.payments.settle import settle
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.billing_details import FIELDS, BillingDetails
from webapp.domain.payments.payment import Payment
from webapp.domain.payments.receipts import Receipt
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.field_tables import read_form
from webapp.domain.shared.money import AmountFormat
from webapp.domain.shared.provider import Provider, without_tax
from webapp.ports import Paid
from webapp.reads.payments.receipt import read_receipt


def receipts(world, account_id=None):
    world.session.rollback()
    mine = Receipt.account_id == (account_id or world.account_id)
    return list(world.session.scalars(select(Receipt).where(mine).order_by(Receipt.id)))


def test_only_paid_payments_have_a_receipt_l6(world):
    """L6: automatic and manual payments do; declines, adjustments and repeated outcomes do not."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(visa, "30.00")
    assert receipts(world) == []
    world.use("60.00")
    world.work()
    world.pay(world.method("4444"), "35.00")
    now = world.clock.now()
    adjust_balance(world.ctx.at(now), world.account_id, micros("5.00"), "Kind")
    assert [(receipt.number, receipt.label) for receipt in receipts(world)] == [
        (1, f"R-{world.account_id}-000001"),
        (2, f"R-{world.account_id}-000002"),
    ]
    paid = world.attempts[-1]
    answer = Paid(paid.processor_reference, paid.amount, paid.currency, now)
    assert not settle(world.ctx.at(now), paid.id, answer)
    assert len(receipts(world)) == 2
    mails = world.mails_of("receipt")
    assert [mail.facts["receipt"] for mail in mails] == [
        receipt.label for receipt in receipts(world)
    ]


def test_a_completed_wire_has_a_receipt_l5(world):
    wire = wires.ask(world, "500.00")
    wires.complete(world, wire, "500.00")
    (receipt,) = receipts(world)
    assert world.session.get(Payment, receipt.payment_id).kind == "wire"


def test_concurrent_payments_leave_no_gap_l6(world):
    """L6: four cards pay at once, repeatedly, while another account pays too."""
    methods = [m.id for m in world.cards(VISA, MASTERCARD, AMEX, DISCOVER)]
    other = world.account()
    other_card = world.card(VISA, account_id=other.account_id).id

    def pay(account_id, method_id):
        services = world.services

        def run(session):
            pay_now(
                context(
                    session,
                    actor=world.owner,
                    processors=services.processors,
                    clock=services.clock,
                    policy=services.policy,
                ),
                account_id,
                method_id,
                micros("30.00"),
                token_hex(16),
            )

        return run

    for _ in range(5):
        payments = [pay(world.account_id, method_id) for method_id in methods]
        at_once(world, *payments, pay(other.account_id, other_card))
    assert [receipt.number for receipt in receipts(world)] == list(range(1, 21))
    assert [receipt.number for receipt in receipts(world, other.account_id)] == list(range(1, 6))
    assert len({receipt.payment_id for receipt in receipts(world)}) == 20
    assert world.session.get(Account, world.account_id).receipts == 20


def test_a_rollback_releases_the_receipt_number_l6(world):
    """L6: the next receipt uses the number."""
    visa = world.card(VISA)
    world.next_answer("timeout_after_charge")
    payment = world.pay(visa, "30.00")
    attempt, now = payment.attempts[0], world.clock.now()
    answer = Paid("ch_1", attempt.amount, attempt.currency, now)

    class PowerCutError(Exception):
        pass

    def fail():
        raise PowerCutError

    with pytest.raises(PowerCutError):
        settle(world.ctx.at(now), attempt.id, answer, record=fail)
    assert receipts(world) == []
    assert settle(world.ctx.at(now), attempt.id, answer)
    assert [receipt.number for receipt in receipts(world)] == [1]


def details(world, name="", address="", tax_number=""):
    form = {"name": name, "address": address, "tax_number": tax_number}
    submitted = BillingDetails(**read_form(FIELDS, form, AmountFormat("USD", "en_US"))[0])
    set_billing_details(world.ctx.at(world.clock.now()), world.account_id, submitted)


UNNAMED = Provider()


def paper(world, payment, provider=UNNAMED):
    world.session.rollback()
    return read_receipt(world.ctx, world.account_id, payment.id, provider)


def test_a_receipt_does_not_change_after_it_is_issued_l6(world):
    """L6: the names on it are frozen; missing billing details can be added once."""
    visa = world.card(VISA)
    before = world.pay(visa, "30.00")
    assert paper(world, before).customer == ("Harbour Voice",)
    details(world, "Harbour Voice Ltd", "12 Harbour Road\r\n\r\n Dublin ", "IE1")
    first = ("Harbour Voice Ltd", "12 Harbour Road", "Dublin", "Tax no. IE1")
    assert paper(world, before).customer == first
    after = world.pay(visa, "30.00")
    details(world, "Moved Ltd", "Elsewhere")
    assert paper(world, after).customer == first
    renamed = Provider(name="Another", tax_rate=23_000)
    assert paper(world, after, renamed).provider == ("Ballast",)
    assert paper(world, after, renamed).lines == ()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "x" * 121, "At most 120 characters"),
        ("name", "a\x00b", "control characters"),
        ("address", "\n".join("abcdef"), "At most 5 lines"),
        ("address", "x" * 396, "At most 395 characters"),
        ("tax_number", "x" * 41, "At most 40 characters"),
    ],
)
def test_invalid_billing_details_are_rejected(world, field, value, message):
    with pytest.raises(Invalid) as refused:
        details(world, **{field: value})
    assert message in refused.value.fields[field]


@pytest.mark.parametrize("rate", [1, 7_700, 19_000, 23_000, 99_999])
def test_net_and_tax_add_up_to_the_amount_l1(rate):
    """L1: in whole cents, and the net amount is the nearest one."""
    for cents in (1, 2, 3000, 3001, 9999, 1_000_000):
        amount = cents * 10_000
        net = without_tax(amount, rate, 10_000)
        assert 0 <= net <= amount
        assert net % 10_000 == 0
        exact = amount * 100_000 / (100_000 + rate)
        assert abs(net - exact) <= 5_000 + 1e-3
