"""The main screen's rows, badges and banners, and lists that lose no line between pages."""

from datetime import UTC, datetime

import pytest

from tests.factories import AMEX, MASTERCARD, VISA, micros
from webapp.actions.usage.post_usage import post_usage
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.usage.record import Usage
from webapp.reads.accounts import activity
from webapp.reads.ledger import statement
from webapp.reads.ledger.statement import read_statement
from webapp.reads.payment_methods.main_screen import MainScreen
from webapp.reads.payments import payment_list


def screen(world):
    world.session.rollback()
    return MainScreen(world.ctx, world.account_id)


def rows(world):
    return [(row.name, row.status, row.is_primary) for row in screen(world).methods]


def test_the_first_method_is_primary_m2(world):
    """M2, M3: Ready for methods with auto-charge, Manual only for the others."""
    world.card(VISA)
    world.card(MASTERCARD)
    assert rows(world) == [
        ("Visa •••• 4242", "Ready", True),
        ("Mastercard •••• 4444", "Manual only", False),
    ]


def test_move_buttons_submit_the_whole_order_m5(world):
    """M5: the first cannot move up, nor the last down."""
    a, b, c = (m.id for m in world.cards(VISA, MASTERCARD, AMEX))
    moves = [(row.order_up, row.order_down) for row in screen(world).methods]
    assert moves == [
        ("", f"{b},{a},{c}"),
        (f"{b},{a},{c}", f"{a},{c},{b}"),
        (f"{a},{c},{b}", ""),
    ]
    assert screen(world).seen == f"{a},{b},{c}"


@pytest.mark.parametrize(
    ("now", "badge", "status"),
    [
        ("2026-09-30T12:00", None, "Ready"),
        ("2026-10-01T12:00", "60 days left", "Ready"),
        ("2026-11-22T10:00", "8 days left", "Ready"),
        ("2026-11-29T12:00", "1 day left", "Ready"),
        ("2026-11-30T12:00", "Last day", "Ready"),
        ("2026-12-01T11:59", "Last day", "Ready"),
        ("2026-12-01T12:00", "Replace this card", "Not charged"),
    ],
)
def test_expiry_badges_count_the_days_m9(world, now, badge, status):
    """M9, P4: in the account's time zone; the card is charged until its month has ended
    everywhere.
    """
    world.card(VISA, expiry="11/26")
    world.clock.at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    (row,) = screen(world).methods
    assert (row.badge.text if row.badge else None, row.status) == (badge, status)
    assert row.detail == ("Expired 11/26" if status == "Not charged" else "Expires 11/26")


def test_a_suspended_row_shows_until_when_and_why_f1(world):
    """F1, F4: with a plain reason, and the payment that Retry repeats."""
    visa, _ = world.cards(VISA, MASTERCARD)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(visa, "30.00")
    row = screen(world).methods[0]
    assert row.trouble == "Suspended until Tue 24 Nov, 10:00 · Insufficient funds"
    assert row.retry_attempt_id == world.attempts[0].id
    assert row.auto_charge, "M3"
    world.clock.advance(hours=48)
    assert screen(world).methods[0].trouble == ""


def test_a_method_with_five_declines_shows_the_reason_t16(world):
    """T16: the row says that it is out of use."""
    world.cards(VISA)
    world.session.query(PaymentMethod).update({"declines_in_a_row": 5})
    world.session.commit()
    (row,) = screen(world).methods
    assert row.trouble.startswith("Out of use until you retry or replace it")


def test_the_banner_offers_to_turn_on_auto_charge_or_change_the_primary_t5(world):
    """T5: one button turns it on, another makes the next chargeable method primary."""
    visa, mastercard, amex = world.cards(VISA, MASTERCARD, AMEX)
    world.refill()
    assert screen(world).banner is None
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(mastercard, "30.00")
    world.consent(visa, False)
    banner = screen(world).banner
    assert banner.turn_on_method_id == visa.id
    assert banner.make_primary_label == "Make American Express •••• 0005 primary"
    assert banner.make_primary_order == f"{amex.id},{visa.id},{mastercard.id}"


def test_the_banner_without_any_auto_charge_offers_to_turn_it_on_t5(world):
    visa = world.card(VISA)
    world.refill()
    world.consent(visa, False)
    banner = screen(world).banner
    assert "No payment method has auto-charge on" in banner.text
    assert (banner.turn_on_method_id, banner.make_primary_order) == (visa.id, "")


def pages(read, world):
    """Yield every page of a list, newest first."""
    before = None
    for _ in range(50):
        page = read(world.ctx, world.account_id, before=before)
        assert page.newer == (before is not None)
        yield page
        if page.older is None:
            return
        before = page.older
    raise AssertionError("the pages have no end")


def test_the_statement_pages_lose_no_line_l2(world, monkeypatch):
    """L2, L1: each entry once, and the balances continue from page to page."""
    usages = [Usage(micros("0.01"), f"call-{n}", world.clock.now()) for n in range(30)]
    post_usage(world.ctx, world.account_id, usages)
    for size in (1, 7, 30, 31, 32):
        monkeypatch.setattr(statement, "PAGE", size)
        lines = [
            line for page in pages(read_statement, world) for day in page.days for line in day.lines
        ]
        assert [line.reference for line in lines] == [
            *[f"call-{n}" for n in reversed(range(30))],
            "",
        ]
        assert [line.balance for line in lines][:2] == ["$99.70", "$99.71"]
        assert (lines[-1].amount, lines[-1].balance) == ("+100.00", "$100.00")


def test_the_payments_pages_lose_no_line_l4(world, monkeypatch):
    visa, _ = world.cards(VISA, MASTERCARD)
    for _ in range(6):
        world.pay(visa, "30.00")
    monkeypatch.setattr(payment_list, "PAGE", 4)
    shown = [
        row.attempt_id for page in pages(payment_list.read_payments, world) for row in page.rows
    ]
    assert shown == sorted(set(shown), reverse=True)
    assert len(shown) == 7, "with the opening balance"


def test_the_timeline_pages_lose_no_line_e1(world, monkeypatch):
    """E1: in the order of the timeline."""
    world.cards(VISA)
    world.refill()
    for _ in range(3):
        world.use("100.00")
        world.work()
    monkeypatch.setattr(activity, "PAGE", 2)
    lines = [
        line.code
        for page in pages(activity.read_activity, world)
        for day in page.days
        for line in day.lines
    ]
    assert lines == list(reversed(world.timeline))


def test_a_failed_payment_shows_the_fallback_that_paid_t7(world):
    """T7, E1: instead of a Retry button."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    (failure,) = screen(world).failed
    assert (failure.paid_by, failure.can_retry) == ("Paid by Mastercard •••• 4444", False)
    assert failure.detail == "Today, 10:00 · Automatic refill"
