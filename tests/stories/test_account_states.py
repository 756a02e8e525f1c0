"""Suspended and closed accounts (V4)."""

import pytest
from sqlalchemy import select, text

from tests.factories import DECLINING, MASTERCARD, PASSWORD, VISA
from webapp.actions.accounts.change_state import change_state
from webapp.actions.payment_methods.revoke_methods import revoke_methods
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.actions.wires.request_wire import request_wire
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.payment_methods.method_setups import MethodSetup, SetupState
from webapp.domain.payment_methods.revocations import Revocation
from webapp.domain.payments.payment import Payment
from webapp.domain.shared.errors import Conflict, Denied, Invalid
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import TopUp
from webapp.domain.usage.holds import Hold
from webapp.domain.users.invitations import Invitation
from webapp.domain.users.user import Role

pytestmark = pytest.mark.story

SUSPENDED, ACTIVE, CLOSED = AccountState.SUSPENDED, AccountState.ACTIVE, AccountState.CLOSED


@pytest.fixture
def change(world):
    """Return a function that changes the account's state."""

    def to(state, reason="Invoice 17 is unpaid", **more):
        changed = change_state(world.ctx, world.account_id, StateChange(state, reason, **more))
        world.session.rollback()
        return changed

    return to


def test_a_suspended_account_is_charged_nothing_automatically_v4(world, change):
    """V4, E1: one folded line says why; usage is posted, and one email of each kind is sent."""
    world.cards(VISA)
    world.refill()
    change(SUSPENDED)
    for reference in ("a", "b", "c"):
        world.use("20.00", reference)
        world.work()
        world.run()
    assert world.tries == []
    assert world.balance == "40.00"
    [line] = [it for it in world.lines if it.code == "account_suspended"]
    assert line.sentence == (
        "Your provider has suspended this account. Nothing will be charged automatically."
    )
    assert world.mails == ["account_state", "refill_blocked"]


def test_a_suspended_account_can_be_paid_by_its_people_v4(world, change):
    """V4, F5"""
    world.cards(VISA)
    change(SUSPENDED)
    world.pay(world.method("4242"), "30.00")
    world.pay_by_chain("40.00")
    assert world.balance == "170.00"


def test_a_refill_that_is_due_when_the_suspension_ends_is_charged_v4(world, change):
    """V4, T4, T18: a command asks before, a program does not."""
    world.cards(VISA)
    world.refill()
    change(SUSPENDED)
    world.use("60.00")
    with pytest.raises(ChargeUnconfirmed):
        change(ACTIVE, confirmed=0)
    world.session.rollback()
    assert world.session.get_one(Account, world.account_id).state == SUSPENDED
    change(ACTIVE)
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]


def test_a_refill_opened_before_the_suspension_is_not_charged_v4(world, change):
    """V4, T14"""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    change(SUSPENDED)
    world.work()
    assert world.tries == []
    assert "account_suspended" in world.timeline


def test_the_reason_is_required_and_audited_v4(world, change):
    """V4, P2"""
    with pytest.raises(Invalid):
        change(SUSPENDED, reason=" ")
    world.session.rollback()
    change(SUSPENDED)
    change(SUSPENDED)
    entries = [facts for code, facts in world.audits if code == "account_suspended"]
    assert [it["reason"] for it in entries] == ["Invoice 17 is unpaid"]


def test_closing_ends_all_that_could_move_money_v4(app, world, change):
    """V4: balance, holds, refills, methods, keys, invitations. The people are emailed."""
    world.cards(VISA, MASTERCARD)
    world.refill(notification_on=True, notification_threshold="60.00")
    world.hold("5.00", "call-1")
    world.use("0.123456", "call-0")
    key, _ = world.key(), world.invite("bo@example.com", Role.BILLING)
    references = [method.processor_reference for method in world.methods]
    change(CLOSED, "Contract ended", balance=ClosingBalance.PAYOUT)

    assert world.balance == "0.00"
    account = world.session.get_one(Account, world.account_id)
    settings = LowBalanceSettings.of(world.session, world.account_id)
    assert (account.state, account.open_holds) == (CLOSED, 0)
    assert (settings.refill_on, settings.notification_on) == (False, False)
    assert world.methods == []
    assert [it.state for it in world.session.scalars(select(Hold))] == ["released"]
    assert [it.state for it in world.session.scalars(select(Invitation))] == ["revoked"]
    working = [it for it in world.session.scalars(select(ApiKey)) if it.works(world.clock.now())]
    assert working == []
    headers = {"Authorization": f"Bearer {key.key}"}
    assert app.test_client().get("/api/v1/balance", headers=headers).status_code == 401
    note = world.session.scalar(select(Payment.note).order_by(Payment.id.desc()).limit(1))
    assert note == "Balance paid out on closing: Contract ended"
    assert world.mails.count("account_state") == 1

    asked = [it.reference for it in world.session.scalars(select(Revocation))]
    assert sorted(asked) == sorted(references)
    assert revoke_methods(world.ctx) == 2


def test_a_closed_account_is_charged_held_and_added_nothing_v4(world, change):
    """V4: not by a person, an operator or the processor's late answer to a card form."""
    world.cards(VISA, DECLINING)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(world.method("4242"), "30.00")
    visa = world.method("4242")
    pending = world.begin_card("4000002500003155")  # the bank asks first
    change(CLOSED, balance=ClosingBalance.WRITE_OFF)
    before = world.balance

    settings = LowBalanceSettings.of(world.session, world.account_id)
    chosen = settings.chosen()
    for act in (
        lambda: world.pay(visa, "30.00"),
        lambda: world.pay_by_chain("30.00"),
        lambda: world.retry(world.attempts[-1]),
        lambda: world.card(MASTERCARD),
        lambda: request_wire(
            world.ctx, world.account_id, 50_000_000, "USD", "k", world.services.bank
        ),
        lambda: adjust_balance(world.ctx, world.account_id, 1_000_000, "Gift"),
        lambda: apply_settings(world.ctx, world.account_id, chosen, settings.version),
    ):
        with pytest.raises((Denied, Conflict, Invalid, LookupError)) as refused:
            act()
        assert "closed" in str(refused.value), act
        world.session.rollback()

    world.bank(pending.address)
    with pytest.raises(Denied):
        world.finish(pending)
    world.session.rollback()
    assert world.session.get_one(MethodSetup, pending.setup_id).state == SetupState.ABANDONED
    world.pass_time(days=3)
    assert (world.balance, world.methods) == (before, [])
    left = world.session.scalars(select(Revocation).where(Revocation.done_at.is_(None))).all()
    assert left == []


@pytest.mark.parametrize("kind", ["timeout_before_charge", "timeout_after_charge"])
def test_an_account_is_not_closed_while_a_payment_is_open_v4(world, change, kind):
    """V4: the money may have been taken."""
    world.cards(VISA)
    world.next_answer(kind)
    world.pay(world.method("4242"), "30.00")
    with pytest.raises(Conflict) as refused:
        change(CLOSED, balance=ClosingBalance.PAYOUT)
    assert refused.value.code == "payment_open"
    world.session.rollback()
    assert len(world.methods) == 1
    world.pass_time(hours=2)
    change(CLOSED, balance=ClosingBalance.PAYOUT)
    assert world.balance == "0.00"


def test_an_account_is_not_closed_while_a_wire_is_open_v4(world, change):
    """V4"""
    bank = world.services.bank
    wire = request_wire(world.ctx, world.account_id, 50_000_000, "USD", "k", bank)
    with pytest.raises(Conflict) as refused:
        change(CLOSED, balance=ClosingBalance.PAYOUT)
    assert refused.value.code == "wire_open"
    assert wire.reference in refused.value.sentence


def test_a_refill_that_is_due_and_not_begun_does_not_stop_closing_v4(world, change):
    """V4: nothing has been charged; nothing will be."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    change(CLOSED, balance=ClosingBalance.PAYOUT)
    world.work()
    assert world.tries == []
    assert world.session.scalar(select(TopUp.state)) == "dropped"


def test_the_balance_must_be_settled_in_words_v4(world, change):
    """V4: a debt cannot be paid out; a balance of zero needs no choice."""
    with pytest.raises(Invalid):
        change(CLOSED)
    world.session.rollback()
    world.use("150.00")
    with pytest.raises(Invalid):
        change(CLOSED, balance=ClosingBalance.PAYOUT)
    world.session.rollback()
    change(CLOSED, balance=ClosingBalance.WRITE_OFF)
    assert world.balance == "0.00"
    other = world.account(balance=None).account_id
    change_state(world.ctx, other, StateChange(CLOSED, "Never used"))


def test_only_an_operator_reopens_a_closed_account_v4(world, change):
    """V4: what was ended stays ended."""
    world.cards(VISA)
    change(CLOSED, balance=ClosingBalance.PAYOUT)
    for state in (ACTIVE, SUSPENDED):
        with pytest.raises(Denied):
            change(state)
        world.session.rollback()
    change(ACTIVE, reopens=True)
    assert world.session.get_one(Account, world.account_id).state == ACTIVE
    assert world.methods == []
    world.card(VISA)
    world.pay(world.method("4242"), "30.00")
    assert world.balance == "30.00"


def test_people_of_a_closed_account_read_and_change_nothing_v4(app, world, change, client):
    """V4, P5: every form of the account is refused in words, and its controls are off."""
    change(CLOSED, balance=ClosingBalance.PAYOUT)
    for path in ("/billing/payment-methods", "/billing/payments", "/billing/statement",
                 "/billing/activity", "/settings/notifications", "/settings/users"):  # fmt: skip
        page = client.get(path)
        assert page.status_code == 200
        assert "This account is closed." in page.text
    page = client.get("/billing/payment-methods").text
    assert 'data-why="This account is closed.' in page
    for path in ("/billing/low-balance-settings", "/billing/funds", "/settings/users/invitations",
                 "/billing/wire-transfers"):  # fmt: skip
        assert client.post(path, data={"amount": "1.00"}).status_code in (403, 404), path
    assert client.get("/settings/profile").status_code == 200
    changed = client.post("/settings/profile/name", data={"name": "Ana R."})
    assert changed.status_code != 403
    browser = app.test_client()
    email = world.session.execute(text('SELECT email FROM "user" LIMIT 1')).scalar_one()
    assert browser.post("/sign-in", data={"email": email, "password": PASSWORD}).status_code in (
        302, 303,
    )  # fmt: skip


def test_the_main_screen_of_a_suspended_account_says_so_v4(world, change, client):
    """V4, T13: the banner and "what happens next"."""
    world.cards(VISA)
    world.refill()
    change(SUSPENDED)
    page = client.get("/billing/payment-methods").text
    assert "Your provider has suspended this account" in page
    assert "Nothing will be charged automatically." in page
    assert "You can add funds yourself" in page
