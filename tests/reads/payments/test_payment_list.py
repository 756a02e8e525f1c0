"""The filters of the payment list, compared with a loop over all payments."""

from datetime import date, timedelta
from itertools import combinations

import pytest
from sqlalchemy import select, text

from tests.conftest import on_sqlite
from tests.factories import AMEX, DECLINING, MASTERCARD, VISA, micros
from tests.query_plans import plans_of
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods import declines
from webapp.domain.payments.payment import OPEN_STATES, Attempt, PaymentKind
from webapp.domain.payments.queries import covered_later
from webapp.reads.payments import payment_list
from webapp.reads.payments.payment_filters import Filters, Order, Shown, attempts
from webapp.reads.payments.payment_list import COLUMNS, payment_lines, read_payments

TEXTS = [
    "", "4242", "visa", "MASTERCARD", "P-000004", "p4", "30.00", "$30.00", "insufficient",
    "declined by", "goodwill", "50%", "nothing is called so",
]  # fmt: skip


def adjust(world, amount, reason):
    now = world.clock.now()
    adjust_balance(world.ctx.at(now), world.account_id, micros(amount), reason)


@pytest.fixture
def varied(world):
    """Every kind and state, over three weeks, some at the same instant."""
    visa, mastercard, amex = world.cards(VISA, MASTERCARD, AMEX)
    declining = world.card(DECLINING)
    world.refill()
    world.pay(visa, "30.00")
    world.pay(mastercard, "30.00")
    world.clock.advance(days=3)
    for code in ("insufficient_funds", "do_not_honor"):
        world.next_answer("decline", decline_code=code)
        world.pay(amex, "45.50")
    world.retry(world.attempts[-1])
    world.clock.advance(days=4)
    adjust(world, "12.00", "Goodwill, 50% of it")
    adjust(world, "-5.00", "Corrected")
    world.next_answer("decline", decline_code="lost_card")
    world.use("250.00")
    world.work()
    world.clock.advance(days=6, hours=11)
    world.pay_by_chain("60.00")
    world.pay(declining, "31.00")
    world.clock.advance(days=5)
    world.next_answer("timeout_after_charge")
    world.pay(world.method("4444"), "30.00")
    stranger = world.account()
    world.card(VISA, account_id=stranger.account_id)
    return world


def everything(world):
    world.session.rollback()
    mine = Attempt.account_id == world.account_id
    return list(world.session.scalars(select(Attempt).where(mine)))


def matches(attempt, filters):
    """Apply the rules of the filters to one payment."""
    day = attempt.started_at.date()  # the account's time zone is UTC
    shown = {Shown.WAITING: OPEN_STATES}.get(filters.state, (filters.state,))
    return (
        (filters.first is None or day >= filters.first)
        and (filters.last is None or day <= filters.last)
        and filters.method_id in (None, attempt.method_id)
        and (filters.state is None or attempt.state in shown)
        and filters.kind in (None, attempt.payment.kind)
        and (not filters.text or mentions(attempt, filters.text))
        and filters.settings in (None, attempt.settings_version)
    )


def mentions(attempt, text):
    text = text.casefold()
    if text.startswith("p") and text[1:].lstrip("-").isdigit():
        return attempt.payment_id == int(text[1:].lstrip("-"))
    words = [attempt.method.label if attempt.method else "", attempt.payment.note]
    if attempt.state == "declined":
        words.append(declines.reason(attempt.decline_code).sentence)
    amount = f"{abs(attempt.amount) / 1_000_000:.2f}"
    return any(text in it.casefold() for it in words) or text.lstrip("$") == amount


def in_order(attempts, order):
    if order in (Order.NEWEST, Order.OLDEST):
        key = lambda it: (it.started_at, it.id)  # noqa: E731
    else:
        key = lambda it: (it.amount, it.id)  # noqa: E731
    return sorted(attempts, key=key, reverse=order in (Order.NEWEST, Order.LARGEST))


def all_pages(world, filters):
    before, ids = None, []
    while True:
        now = world.clock.now()
        page = read_payments(world.ctx.at(now), world.account_id, filters, before=before)
        ids += [row.attempt_id for row in page.rows]
        if page.older is None:
            return ids
        before = page.older


def test_the_fixture_covers_every_kind_and_state(varied):
    kinds = {a.kind for a in everything(varied)}
    assert kinds == {"automatic", "instant", "auto_charge", "retry", "adjustment"}
    assert {a.state for a in everything(varied)} >= {"paid", "declined", "unknown"}
    assert all(a.kind == a.payment.kind for a in everything(varied))


def test_each_filter_matches_a_loop_over_all_emails(varied, monkeypatch):
    """L4, E1: every pair of filters, in every order, on all pages."""
    monkeypatch.setattr(payment_list, "PAGE", 3)
    all_attempts = everything(varied)
    first = min(a.started_at for a in all_attempts).date()
    days = [None, *(first + timedelta(days=n) for n in (-1, 0, 3, 7, 30))]
    methods = [None, *(m.id for m in varied.methods), 10**6]
    singles = [
        *({"first": day} for day in days),
        *({"last": day} for day in days),
        *({"method_id": it} for it in methods),
        *({"state": it} for it in (None, *Shown)),
        *({"kind": it} for it in (None, *PaymentKind)),
        *({"text": it} for it in TEXTS),
        *({"settings": it} for it in (None, 1, 2)),
    ]
    found = 0
    for number, (one, other) in enumerate(combinations(singles, 2)):
        filters = Filters(**{**one, **other}, order=list(Order)[number % 4])
        expected = [
            a.id for a in in_order([a for a in all_attempts if matches(a, filters)], filters.order)
        ]
        assert all_pages(varied, filters) == expected, filters
        found += bool(expected)
    assert found > len(singles), "not all of them found nothing"


@pytest.mark.parametrize("order", Order)
def test_the_file_has_the_rows_of_the_list(varied, monkeypatch, order):
    """L13: all rows, whatever the size of a page or a batch."""
    monkeypatch.setattr(payment_list, "BATCH", 4)
    for filters in (Filters(order=order), Filters(order=order, state=Shown.DECLINED)):
        lines = list(payment_lines(varied.ctx, varied.account_id, filters))
        expected = in_order([a for a in everything(varied) if matches(a, filters)], order)
        assert [(line[1], line[5]) for line in lines] == [
            (a.payment.reference, f"{a.amount / 1_000_000:.2f}") for a in expected
        ]
        assert all(len(line) == len(COLUMNS) for line in lines)


def test_days_are_in_the_accounts_time_zone_p4(world):
    """P4: a payment at 23:30 UTC is on the next day in Dublin's summer."""
    world.session.get(Account, world.account_id).time_zone = "Europe/Dublin"
    world.session.commit()
    world.clock.at = world.clock.at.replace(year=2027, month=6, day=1, hour=23, minute=30)
    world.pay(world.card(VISA), "30.00")
    before, after = date(2027, 6, 1), date(2027, 6, 2)
    assert all_pages(world, Filters(first=before, last=before)) == []
    assert len(all_pages(world, Filters(first=after, last=after))) == 1


def test_another_account_sees_no_payments_p1(varied):
    """P1: another account's row id does not affect its pages."""
    other = varied.account()
    theirs = varied.attempts[0].id
    now = varied.clock.now()
    page = read_payments(varied.ctx.at(now), other.account_id, before=theirs)
    assert [row.method for row in page.rows] == ["Opening balance"]
    assert not page.newer
    assert not page.methods


@on_sqlite
@pytest.mark.parametrize("filters", [Filters(state=Shown.WAITING), Filters(text="P-000003")])
def test_few_matches_are_read_by_primary_key(varied, filters):
    account = varied.session.get(Account, varied.account_id)
    query = attempts(varied.ctx, account, filters, None).limit(51)
    compiled = query.compile(varied.session.get_bind(), compile_kwargs={"literal_binds": True})
    plan = varied.session.execute(text(f"EXPLAIN QUERY PLAN {compiled}")).all()
    assert "INTEGER PRIMARY KEY" in plan[0][-1], plan


@on_sqlite
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "ix_attempt_account_id_started_at_id"),
        (Filters(order=Order.OLDEST), "ix_attempt_account_id_started_at_id"),
        (Filters(first=date(2026, 1, 1)), "ix_attempt_account_id_started_at_id"),
        (Filters(state=Shown.DECLINED), "ix_attempt_account_id_state_started_at_id"),
        (Filters(kind=PaymentKind.RETRY), "ix_attempt_account_id_kind_started_at_id"),
        (Filters(method_id=1), "ix_attempt_method_id_started_at_id"),
        (Filters(settings=1), "ix_attempt_by_settings"),
        (Filters(order=Order.LARGEST), "ix_attempt_account_id_amount_id"),
        (Filters(order=Order.SMALLEST), "ix_attempt_account_id_amount_id"),
        (Filters(order=Order.LARGEST, kind=PaymentKind.WIRE), "ix_attempt_account_id_kind_amount"),
        (Filters(order=Order.SMALLEST, state=Shown.PAID), "ix_attempt_account_id_state_amount_id"),
        (Filters(order=Order.LARGEST, method_id=1), "ix_attempt_method_id_amount_id"),
    ],
)
def test_a_page_is_read_from_an_index_in_order(world, filters, index):
    """Without sorting and without skipping rows, however long the list is."""
    account = world.session.get(Account, world.account_id)
    for after in (None, everything(world)[0]):
        query = attempts(world.ctx, account, filters, after).limit(51)
        compiled = query.compile(world.session.get_bind(), compile_kwargs={"literal_binds": True})
        plan = world.session.execute(text(f"EXPLAIN QUERY PLAN {compiled}")).all()
        query_plan = " / ".join(row[-1] for row in plan)
        assert index in query_plan, query_plan
        assert "TEMP B-TREE" not in query_plan, query_plan


@on_sqlite
def test_what_covers_a_failed_payment_is_found_by_an_index(world):
    """F4: without reading the payments that failed in between, however many they are."""
    failed = {"failed": (1, micros("30.00"))}
    plans = plans_of(world.session, lambda: covered_later(world.session, world.account_id, failed))
    assert plans == ["SEARCH payment USING INDEX ix_payment_paid (account_id=? AND id>?)"]
