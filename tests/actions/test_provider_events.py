"""V7: the provider receives the events of every account, independently of its settings."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select
from standardwebhooks import Webhook

from tests.conftest import on_postgres
from tests.factories import DECLINING, VISA, micros
from webapp.actions.accounts.change_account import change_account
from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.delete_old_deliveries import delete_old_numbers
from webapp.actions.webhooks.number_events import number_events
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountSuspended, BalanceExhausted
from webapp.domain.events.rows import EventRow
from webapp.domain.events.usage import UsageAfterClosing
from webapp.domain.shared.errors import Conflict, Expired, Invalid, NotFound
from webapp.domain.users.user import Right
from webapp.domain.webhooks.endpoint import (
    KEPT,
    MOST,
    OF_PROVIDER,
    PATIENCE,
    Endpoint,
    EndpointChoice,
    EventKind,
)
from webapp.domain.webhooks.provider_events import ProviderEvent
from webapp.extensions import db
from webapp.ports import Reply
from webapp.reads.records.events import read_events

ALL = frozenset(Right)


class Receiver:
    """Keeps each request, and answers with `status`."""

    def __init__(self):
        self.sent = []
        self.status = 204

    def deliver(self, url, headers, body):
        self.sent.append((url, headers, json.loads(body), body))
        return Reply(self.status, "", 1)

    @property
    def bodies(self):
        return [body for _, _, body, _ in self.sent]

    @property
    def types(self):
        return [body["type"] for body in self.bodies]


@pytest.fixture
def receiver(world):
    receiver = Receiver()
    world.services = replace(world.services, webhook_sender=receiver)
    return receiver


def deliver(world):
    world.run("deliver webhooks")


def listed(world, after=None, limit=100, kind=None):
    world.session.rollback()
    number_events(world.ctx)
    return read_events(world.ctx, after, limit, kind)


def record(world, event, session=None):
    """Record an event, and commit unless the caller's session is given."""
    ctx = world.on(session) if session else world.ctx
    account = Account.locked(ctx.session, world.account_id)
    row = events.record(ctx, account.id, event)
    ctx.session.flush()
    if session is None:
        ctx.session.commit()
    return row.id


# What the provider receives


def test_the_provider_is_told_of_each_account(world, receiver):
    """V7: with its external id, and an increasing sequence."""
    made = world.provider_webhook()
    other = world.account(balance="20.00", name="Quay Mobile")
    change_account(world.ctx, other.account_id, {"external_id": "cust-2"})
    world.use("100.00")
    deliver(world)

    told = [(body["sequence"], body["type"], body["account"]) for body in receiver.bodies]
    quay = {"id": other.account_id, "external_id": "cust-2"}
    first = told[0][0]
    assert told == [
        (first, "account.created", quay),
        (first + 1, "balance.restored", quay),
        (first + 2, "account.updated", quay),
        (first + 3, "balance.exhausted", {"id": world.account_id, "external_id": None}),
    ]
    assert receiver.bodies[2]["data"]["changed"] == ["external_id"]
    _, headers, body, exact = receiver.sent[0]
    assert Webhook(made.secret).verify(exact, headers) == body


def test_customers_endpoints_receive_no_event_of_the_provider(world, receiver):
    """V7: nor the sequence, nor the code of a decline (F12)."""
    world.webhook()
    world.provider_webhook()
    card = world.card(VISA, auto_charge=True)
    world.use("100.00")
    world.next_answer("decline", decline_code="stolen_card")
    world.pay(card, "30.00")
    deliver(world)

    mine = [body for url, _, body, _ in receiver.sent if "hooks" in url]
    theirs = [body for url, _, body, _ in receiver.sent if "switch" in url]
    assert OF_PROVIDER.isdisjoint(body["type"] for body in mine)
    assert [body["type"] for body in theirs if body["type"] not in OF_PROVIDER] == [
        body["type"] for body in mine
    ]
    assert "stolen" not in json.dumps(mine)
    assert {body["account"] for body in mine} == {world.account_id}
    data = {body["type"]: body["data"] for body in theirs}
    assert data["payment_method.suspended"]["decline_code"] == "stolen_card"
    failed = data["payment.failed"]
    assert (failed["decline_code"], failed["reason"]) == ("stolen_card", "Declined by the bank")
    assert failed["declines"] == [
        {"payment_method": card.id, "reason": "Declined by the bank", "decline_code": "stolen_card"}
    ]


def test_a_blocked_refill_is_told_once_per_cause(world, receiver):
    """V7: with the timeline's code, and not at every check."""
    world.provider_webhook(events=["refill.blocked"])
    card = world.card(DECLINING, auto_charge=True)
    world.refill()
    world.use("60.00")
    world.work()
    for _ in range(3):
        world.use("0.01")
        world.run("sweep")
    deliver(world)
    assert [body["data"]["code"] for body in receiver.bodies] == ["all_suspended"]
    blocked = receiver.bodies[0]["data"]
    assert (blocked["balance"], blocked["threshold"]) == ("39.99", "50.00")
    assert blocked["until"] == "2026-11-24T10:00:00Z"

    world.consent(card, on=False)
    world.use("0.01")
    deliver(world)
    assert receiver.bodies[-1]["data"]["code"] == "no_method_with_auto_charge"
    assert len(receiver.bodies) == 2

    world.pay(world.card(VISA), "100.00")
    world.use("60.00")
    world.use("60.00")
    deliver(world)
    assert len(receiver.bodies) == 3, "a new episode is a new event"


def test_rejected_usage_is_an_event(world, receiver):
    """V7, L14: the same request again is no new event."""
    world.provider_webhook(events=["usage.rejected"])
    world.use("215000", "call-1")
    world.use("215000", "call-1")
    record(world, UsageAfterClosing(2, micros("0.03"), "call-2"))
    deliver(world)
    assert [body["data"] for body in receiver.bodies] == [
        {"records": 1, "reference": "call-1", "amount": "215000.00", "reason": "too_large",
         "limit": "1000.00"},
        {"records": 2, "reference": "call-2", "amount": "0.03", "reason": "account_closed",
         "limit": None},
    ]  # fmt: skip


def test_the_providers_test_event_has_no_account(world, receiver):
    made = world.provider_webhook(events=["balance.exhausted"])
    actions.send_test(world.ctx, None, made.endpoint_id)
    deliver(world)
    (body,) = receiver.bodies
    assert (body["type"], body["account"], body["sequence"]) == ("test", None, None)
    assert EventKind.TEST not in [event.type for event in listed(world).events]


# Endpoints


def test_no_customer_reaches_the_providers_endpoints(world):
    """V3: they are records of nobody's account."""
    made = world.provider_webhook()
    choice = EndpointChoice("https://mine.example.com/", "", ("balance.low",))
    mine = (world.ctx, world.account_id, made.endpoint_id)
    for attempt in (
        lambda: actions.change_endpoint(*mine, choice, ALL),
        lambda: actions.switch_endpoint(*mine, False, ALL),
        lambda: actions.remove_endpoint(*mine, ALL),
        lambda: actions.rotate_secret(*mine, ALL),
        lambda: actions.send_test(*mine),
    ):
        with pytest.raises(NotFound):
            attempt()
    with pytest.raises(Invalid):
        world.webhook(events=["balance.exhausted"])


def test_the_provider_has_at_most_ten_endpoints(world):
    for number in range(MOST):
        world.provider_webhook(f"https://switch.example.com/{number}")
    with pytest.raises(Conflict):
        world.provider_webhook("https://switch.example.com/more")
    world.webhook()


def test_a_failing_endpoint_of_the_provider_is_switched_off(world, receiver, caplog):
    """Its events can still be read by their sequence."""
    made = world.provider_webhook()
    receiver.status = 500
    world.use("100.00")
    deliver(world)
    world.pass_time(seconds=PATIENCE.total_seconds())
    deliver(world)
    assert world.session.get(Endpoint, made.endpoint_id).ended == "failing"
    assert "https://switch.example.com/in was switched off" in caplog.text
    world.pay(world.card(VISA), "100.00")
    assert listed(world, kind="balance.restored").events[-1].data["balance"] == "100.00"


# Sequences


def test_a_provider_that_was_away_for_a_week_catches_up(world, receiver):
    """V7: by the sequence, without a gap, and each event once."""
    world.provider_webhook()
    world.use("100.00")
    deliver(world)
    seen = receiver.bodies[-1]["sequence"]
    receiver.status = 500
    card = world.card(VISA)
    for _ in range(7):
        world.pass_time(days=1)
        world.pay(card, "40.00")
        world.use("40.00")

    found, after = [], seen
    while True:
        page = listed(world, after, 3)
        found += page.events
        after = page.next_after
        if not page.has_more:
            break
    assert [event.sequence for event in found] == list(range(seen + 1, seen + 1 + len(found)))
    assert [event.type for event in found if event.type.startswith("balance")] == [
        "balance.restored", "balance.exhausted",
    ] * 7  # fmt: skip
    assert listed(world, after).events == ()
    rows = world.session.scalars(select(EventRow.id).where(EventRow.webhook.is_not(None))).all()
    assert listed(world).next_after == len(rows)


def test_one_type_is_read_beyond_the_others(world):
    """`next_after` is beyond events of other types, too, so that they are not read again."""
    world.use("100.00")
    world.card(VISA)
    page = listed(world, kind="balance.exhausted")
    assert [event.type for event in page.events] == ["balance.exhausted"]
    assert page.next_after == listed(world).next_after > page.events[-1].sequence
    assert listed(world, page.next_after, kind="balance.exhausted").events == ()


@on_postgres
def test_an_event_that_is_committed_late_is_numbered_late(app, world):
    """V7: no event appears later under a lower sequence, although its id is lower."""
    other = world.account(name="Quay Mobile")
    before = listed(world).next_after
    with app.app_context():
        slow = db.session()
        early = record(world, BalanceExhausted(0, 0, "USD"), slow)
        begin_writing(world.session)
        Account.lock(world.session, other.account_id)
        row = events.record(world.ctx, other.account_id, BalanceExhausted(0, 0, "USD"))
        world.session.commit()
        late = row.id
        page = listed(world, before)
        assert early < late
        assert [(event.sequence, event.id) for event in page.events] == [
            (before + 1, f"evt_{late:012}")
        ]
        slow.commit()
    page = listed(world, page.next_after)
    assert [(event.sequence, event.id) for event in page.events] == [
        (before + 2, f"evt_{early:012}")
    ]


def test_a_rollback_leaves_no_gap(world):
    """V7: the number is given after the commit, so no number is lost."""
    before = listed(world).next_after
    record(world, BalanceExhausted(0, 0, "USD"), world.session)
    world.session.rollback()
    record(world, BalanceExhausted(0, 0, "USD"))
    assert [event.sequence for event in listed(world, before).events] == [before + 1]


def test_numbers_are_kept_for_90_days(world):
    """V7: then they are deleted, the lowest first, and numbering goes on."""
    world.use("100.00")
    first = listed(world)
    world.clock.advance(seconds=KEPT.total_seconds())
    assert delete_old_numbers(world.ctx) == 0
    world.clock.advance(seconds=1)
    assert delete_old_numbers(world.ctx) == len(first.events) - 1
    assert [event.sequence for event in listed(world).events] == [first.next_after]
    with pytest.raises(Expired, match=f"sequence {first.next_after}"):
        listed(world, first.next_after - 2)
    world.pay(world.card(VISA), "30.00")
    kept = listed(world, first.next_after).events
    assert [event.sequence for event in kept] == [
        first.next_after + step for step in range(1, len(kept) + 1)
    ]
    assert world.session.query(EventRow).count() > len(first.events)


def test_a_sequence_that_is_not_given_yet_is_refused(world):
    """As after a restore from an older backup: to wait for it would miss events in silence."""
    latest = listed(world).next_after
    with pytest.raises(Invalid):
        listed(world, latest + 1)


def test_many_events_are_numbered_in_several_transactions(world, monkeypatch):
    monkeypatch.setattr("webapp.domain.webhooks.provider_events.AT_ONCE", 2)
    world.use("100.00")
    world.card(VISA)
    record(world, AccountSuspended.about(world.session.get_one(Account, world.account_id)))
    count = world.session.query(ProviderEvent).filter_by(sequence=None).count()
    assert number_events(world.ctx) == count > 4
    assert [event.sequence for event in listed(world).events] == list(range(1, count + 1))
