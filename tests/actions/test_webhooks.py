"""Webhooks out: written with their cause, signed, repeated, given up, and switched off."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event
from standardwebhooks import Webhook, WebhookVerificationError

from tests.factories import AMEX, DECLINING, MASTERCARD, VISA
from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.delete_old_events import delete_old_events
from webapp.actions.webhooks.deliver_webhooks import deliver_to
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.errors import Conflict, Denied, Invalid, NotFound
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks.endpoint import (
    BACK_OFF,
    CHOICES,
    KEPT,
    MOST,
    PATIENCE,
    Delivery,
    Endpoint,
    EndpointChoice,
    Event,
    EventKind,
)
from webapp.extensions import db
from webapp.ports import Reply
from webapp.settings import ROOT

TECHNICIAN = frozenset({Right.TECHNICAL})


class Post:
    """Keeps what is sent, and answers as it is told; 204 when nothing is."""

    def __init__(self):
        self.sent = []
        self.answers = []

    def deliver(self, url, headers, body):
        self.sent.append((url, headers, body))
        status = self.answers.pop(0) if self.answers else 204
        return Reply(status, "" if status == 204 else "boom", 12)


@pytest.fixture
def post(world):
    post = Post()
    world.services = replace(world.services, webhook_sender=post)
    return post


def told(world):
    """Every event, in order."""
    world.session.rollback()
    return [str(one.kind) for one in world.session.query(Event).order_by(Event.id)]


def facts(world, kind):
    world.session.rollback()
    return world.session.query(Event).filter_by(kind=kind).order_by(Event.id).all()[-1].data


def endpoint_of(world, made):
    world.session.rollback()
    return world.session.get_one(Endpoint, made.endpoint_id)


def deliveries(world):
    world.session.rollback()
    return world.session.query(Delivery).order_by(Delivery.id).all()


def run(world):
    world.run("deliver webhooks")


# What is told


def test_a_refill_is_told_in_its_order(world):
    world.cards(VISA)
    world.refill()
    world.webhook()
    world.use("60.00")
    world.work()
    assert told(world) == [
        "balance.low", "payment.succeeded", "top_up.succeeded", "balance.recovered",
    ]  # fmt: skip
    assert facts(world, "balance.low")["balance"] == "40.00"
    paid = facts(world, "payment.succeeded")
    assert (paid["amount"], paid["currency"], paid["kind"]) == ("100.00", "USD", "automatic")
    assert paid["balance"] == "140.00"
    assert paid["payment_method"]["label"] == "Visa •••• 4242"
    assert facts(world, "top_up.succeeded")["amount"] == "100.00"


def test_a_refill_that_fails_is_told(world):
    world.card(DECLINING, auto_charge=True)
    world.refill()
    world.webhook()
    world.use("60.00")
    world.work()
    assert told(world) == [
        "balance.low", "payment_method.suspended", "top_up.failed", "payment.failed",
    ]  # fmt: skip
    assert facts(world, "payment_method.suspended")["payment_method"]["suspended_until"]


def test_a_balance_is_told_once_a_crossing(world):
    """As N2 has it for mails, and for the higher of the thresholds that are on."""
    world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.webhook()
    world.use("25.00")
    assert told(world) == []
    world.use("0.000001")
    world.use("10.00")
    assert told(world) == ["balance.low"]
    world.pay(world.methods[0], "30.00")
    assert told(world) == ["balance.low", "payment.succeeded", "balance.recovered"]


def test_settings_tell_what_they_make_of_the_balance(world):
    world.cards(VISA)
    world.webhook()
    world.apply(notification_on=True, notification_threshold="150.00")
    assert told(world) == ["settings.changed", "balance.low"]
    assert facts(world, "settings.changed")["notification_threshold"] == "150.00"
    world.apply(notification_on=True, notification_threshold="150.00")
    assert len(told(world)) == 2
    world.apply(notification_on=False)
    assert told(world)[2:] == ["settings.changed", "balance.recovered"]


def test_methods_are_told(world):
    world.webhook()
    first, other = world.card(VISA), world.card(MASTERCARD)
    world.card(VISA)  # again: refreshed, not added
    world.remove(other)
    assert told(world) == ["payment_method.added"] * 2 + ["payment_method.removed"]
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(first, "30.00")
    world.pass_time(hours=48)
    assert told(world)[3:] == [
        "payment_method.suspended", "payment.failed", "payment_method.restored",
    ]  # fmt: skip


def test_a_card_that_expires_is_told(world):
    world.webhook(events=["payment_method.expiring"])
    world.card(AMEX, expiry="12/26")
    world.pass_time(days=10)
    assert told(world) == ["payment_method.expiring"]
    assert facts(world, "payment_method.expiring")["payment_method"]["expiry"] == "12/26"


def test_only_what_was_chosen_is_told(world):
    world.webhook(events=["payment_method.removed"])
    world.webhook("https://b.example.com/", ["payment_method.added", "payment_method.removed"])
    world.remove(world.card(VISA))
    assert told(world) == ["payment_method.added", "payment_method.removed"]
    urls = [(str(one.event.kind), one.endpoint.url) for one in deliveries(world)]
    assert urls == [
        ("payment_method.added", "https://b.example.com/"),
        ("payment_method.removed", "https://hooks.example.com/in"),
        ("payment_method.removed", "https://b.example.com/"),
    ]


def test_a_cause_that_is_undone_tells_nothing(world):
    """The event is a row of the same transaction."""
    world.webhook()
    account = Account.locked(world.session, world.account_id)
    webhooks.tell(world.session, account, EventKind.BALANCE_LOW, {}, world.clock.now())
    world.session.rollback()
    assert told(world) == []


def statements(world, do):
    world.session.rollback()
    asked = []

    def note(connection, cursor, statement, *rest):
        asked.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        do()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return asked


def test_who_has_no_webhook_pays_nothing_for_them(world):
    """Neither usage nor a charge asks for them, or writes."""
    world.cards(VISA)
    world.refill()
    asked = statements(world, lambda: (world.use("60.00"), world.run("top up")))
    assert world.balance == "140.00"
    assert [words for words in asked if " webhook_" in words] == []


# Sending


def test_the_public_verifier_takes_the_signature(world, post):
    made = world.webhook()
    world.card(VISA)
    run(world)
    url, headers, body = post.sent[0]
    assert url == "https://hooks.example.com/in"
    verified = Webhook(made.secret).verify(body, headers)
    assert verified["type"] == "payment_method.added"
    assert verified["id"] == headers["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(webhooks.new_secret()).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(made.secret).verify(body.replace(b"4242", b"4243"), headers)


def test_for_a_day_both_secrets_sign(world, post):
    made = world.webhook()
    new = actions.rotate_secret(
        world.session,
        world.account_id,
        made.endpoint_id,
        frozenset(Right),
        world.owner,
        world.clock.now(),
    ).secret
    world.card(VISA)
    run(world)
    _, headers, body = post.sent[-1]
    for secret in (made.secret, new):
        assert Webhook(secret).verify(body, headers)
    world.clock.advance(hours=24)
    world.card(MASTERCARD)
    run(world)
    _, headers, body = post.sent[-1]
    assert len(headers["webhook-signature"].split()) == 1


def test_they_go_out_in_order_and_once(world, post):
    world.webhook()
    for number in (VISA, MASTERCARD, AMEX):
        world.card(number)
    run(world), run(world)
    ids = [headers["webhook-id"] for _, headers, _ in post.sent]
    assert len(ids) == 3
    assert ids == sorted(set(ids))
    assert all(one.state == "delivered" for one in deliveries(world))


def test_a_failure_is_repeated_for_days_and_keeps_no_other(world, post):
    world.webhook()
    world.card(VISA), world.card(MASTERCARD)
    post.answers = [500, 204]
    run(world)
    assert [str(one.state) for one in deliveries(world)] == ["owed", "delivered"]
    first = post.sent[0]
    for pause in BACK_OFF:
        post.answers = [500]
        world.clock.advance(seconds=pause.total_seconds() - 1)
        run(world)
        assert post.answers != []  # not before its time
        world.clock.advance(seconds=1)
        run(world)
        assert post.answers == []
    tried = [headers["webhook-id"] for _, headers, _ in post.sent]
    assert tried.count(first[1]["webhook-id"]) == 1 + len(BACK_OFF)
    given_up = deliveries(world)[0]
    assert (str(given_up.state), given_up.status, given_up.trouble) == ("failed", 500, "boom")
    assert timedelta(days=3) < sum(BACK_OFF, timedelta()) < timedelta(days=4)


def test_a_repeat_has_the_same_id_and_body(world, post):
    world.webhook()
    world.card(VISA)
    post.answers = [None]
    run(world)
    world.clock.advance(seconds=5)
    run(world)
    (_, first, body), (_, second, again) = post.sent
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert first["webhook-timestamp"].isdigit()


def test_what_fails_for_long_is_switched_off_with_a_mail(world, post):
    made = world.webhook()
    world.card(VISA)
    post.answers = [500] * 100
    run(world)
    while world.clock.now() < endpoint_of(world, made).failing_since + PATIENCE:
        assert endpoint_of(world, made).is_on
        world.clock.advance(hours=12)
        actions.send_test(world.session, world.account_id, made.endpoint_id, world.clock.now())
        run(world)
    assert str(endpoint_of(world, made).ended) == "failing"
    [mail] = world.mails_of(NoticeKind.WEBHOOK_ENDED)
    assert mail.facts["url"] == "https://hooks.example.com/in"
    letter = world.services.mailer.render(mail.kind, mail.facts, mail.language)
    assert "switched off" in letter.subject
    sent, events = len(post.sent), len(told(world))
    world.card(MASTERCARD)  # nobody listens, so nothing is written
    run(world)
    assert (len(post.sent), len(told(world))) == (sent, events)


def test_a_success_ends_a_failure(world, post):
    made = world.webhook()
    world.card(VISA)
    post.answers = [500]
    run(world)
    assert endpoint_of(world, made).failing_since
    world.clock.advance(seconds=5)
    run(world)
    assert endpoint_of(world, made).failing_since is None


def test_who_is_gone_is_left_alone(world, post):
    made = world.webhook()
    world.card(VISA)
    post.answers = [410]
    run(world)
    assert str(endpoint_of(world, made).ended) == "gone"
    assert len(world.mails_of(NoticeKind.WEBHOOK_ENDED)) == 1


def switch(world, made, on):
    return actions.switch_endpoint(
        world.session,
        world.account_id,
        made.endpoint_id,
        on,
        frozenset(Right),
        world.owner,
        world.clock.now(),
    )


def test_what_has_waited_goes_out_when_it_is_switched_on(world, post):
    made = world.webhook()
    world.card(VISA)
    switch(world, made, False)
    run(world)
    assert post.sent == []
    world.card(MASTERCARD)
    switch(world, made, True), switch(world, made, True)
    run(world)
    assert len(post.sent) == 1  # what happened while it was off was not written
    world.card(AMEX)
    run(world)
    assert len(post.sent) == 2


def test_two_senders_send_once(world, post, session):
    """The second finds no row to claim, as after a crash until the claim runs out."""
    made = world.webhook()
    world.card(VISA)

    class Crash(Exception):
        pass

    class Crashing:
        def deliver(self, *told):
            raise Crash

    with pytest.raises(Crash):
        deliver_to(session, made.endpoint_id, Crashing(), world.clock)
    session.rollback()
    run(world)
    assert post.sent == []
    world.clock.advance(minutes=2)
    run(world)
    assert len(post.sent) == 1


def test_a_process_that_is_to_end_begins_no_other(world, post):
    made = world.webhook()
    world.card(VISA), world.card(MASTERCARD)
    should_continue = iter([True, False]).__next__
    deliver_to(world.session, made.endpoint_id, post, world.clock, should_continue)
    assert len(post.sent) == 1


def test_a_test_and_a_resend(world, post):
    made = world.webhook(events=["balance.low"])
    sent = actions.send_test(world.session, world.account_id, made.endpoint_id, world.clock.now())
    delivery_id = sent.id
    run(world)
    actions.send_again(world.session, world.account_id, delivery_id, world.clock.now())
    run(world)
    assert [headers["webhook-id"] for _, headers, _ in post.sent] == [sent.event.message_id] * 2
    switch(world, made, False)
    for again in (
        lambda: actions.send_test(
            world.session, world.account_id, made.endpoint_id, world.clock.now()
        ),
        lambda: actions.send_again(world.session, world.account_id, delivery_id, world.clock.now()),
    ):
        with pytest.raises(Conflict):
            again()


def test_what_is_removed_gets_nothing(world, post):
    made = world.webhook()
    world.card(VISA)
    actions.remove_endpoint(
        world.session,
        world.account_id,
        made.endpoint_id,
        frozenset(Right),
        world.owner,
        world.clock.now(),
    )
    run(world)
    assert post.sent == []
    with pytest.raises(NotFound):
        switch(world, made, True)


# Who may choose what


@pytest.mark.parametrize(
    ("url", "plain", "good"),
    [
        ("https://example.com/in?a=1", False, True),
        ("https://example.com:8443", False, True),
        ("http://example.com/", False, False),
        ("http://10.0.0.1:8000/", True, True),
        ("ftp://example.com/", True, False),
        ("https://ana:secret@example.com/", False, False),
        ("https://example.com/#top", False, False),
        ("https://exämple.com/", False, False),
        ("https:///in", False, False),
        ("https://example.com:99999/", False, False),
        ("https://example.com/a b", False, False),
        ("https://" + "x" * 500 + ".com", False, False),
        ("", False, False),
    ],
)
def test_addresses_that_are_taken(url, plain, good):
    faults = EndpointChoice(url, "", CHOICES).faults(frozenset(Right), plain_http=plain)
    assert ("url" not in faults) is good


def test_who_sees_no_billing_hears_none(world):
    """P1: nor can a technician send elsewhere what someone else has chosen."""
    with pytest.raises(Invalid):
        world.webhook(rights=TECHNICIAN)
    world.webhook(events=["balance.low", "balance.recovered"], rights=TECHNICIAN)
    made = world.webhook()
    with pytest.raises(Denied):
        actions.change_endpoint(
            world.session,
            world.account_id,
            made.endpoint_id,
            EndpointChoice("https://mine.example.com/", "", ("balance.low",)),
            TECHNICIAN,
            world.owner,
            world.clock.now(),
        )


def test_nobody_needs_more_than_ten(world):
    for number in range(MOST):
        world.webhook(f"https://example.com/{number}")
    with pytest.raises(Conflict):
        world.webhook("https://example.com/more")


def test_the_page_for_receivers_names_every_event():
    """And the pauses that are kept."""
    page = (ROOT / "docs" / "webhooks.md").read_text()
    assert [kind for kind in CHOICES if f"`{kind}`" not in page] == []
    assert "5 seconds, 5 and 30 minutes, 2, 5, 10, 14, 20 and 24 hours" in page
    hours = [pause / timedelta(hours=1) for pause in BACK_OFF[3:]]
    assert hours == [2, 5, 10, 14, 20, 24]


class TestForgetting:
    """A day more than `KEPT` after the event."""

    @pytest.fixture
    def later(self, world):
        def pass_the_time():
            world.clock.advance(days=KEPT.days + 1)
            return delete_old_events(world.session, world.clock.now())

        return pass_the_time

    def test_what_has_arrived_goes_with_its_deliveries(self, world, post, later):
        world.webhook()
        world.webhook("https://example.com/other")
        world.cards(VISA, MASTERCARD)
        world.run("deliver webhooks")
        old = told(world)
        assert later() == len(old) - 1
        assert told(world) == old[-1:]
        assert world.session.query(Delivery).count() == 2

    def test_no_id_is_given_twice(self, world, post, later):
        """A receiver would take the next event for a repeat."""
        world.webhook()
        world.card(VISA)
        world.run("deliver webhooks")
        later()
        world.card(MASTERCARD)
        world.run("deliver webhooks")
        ids = [headers["webhook-id"] for _, headers, _ in post.sent]
        assert len(set(ids)) == len(ids)

    def test_what_is_young_stays(self, world, post):
        world.webhook()
        world.card(VISA)
        world.run("deliver webhooks")
        world.clock.advance(days=KEPT.days - 1)
        before = told(world)
        assert delete_old_events(world.session, world.clock.now()) == 0
        assert told(world) == before

    def test_what_is_owed_stays_until_nobody_wants_it(self, world, post, later):
        made = world.webhook()
        world.cards(VISA, MASTERCARD)
        now = world.clock.now()
        actions.switch_endpoint(
            world.session,
            world.account_id,
            made.endpoint_id,
            False,
            frozenset(Right),
            world.owner,
            now,
        )
        owed = told(world)
        assert later() == 0
        assert told(world) == owed
        actions.remove_endpoint(
            world.session,
            world.account_id,
            made.endpoint_id,
            frozenset(Right),
            world.owner,
            world.clock.now(),
        )
        assert delete_old_events(world.session, world.clock.now()) == len(owed) - 1
        assert told(world) == owed[-1:]

    def test_what_is_asked_for_again_meanwhile_stays(self, world, post, monkeypatch):
        world.webhook()
        world.cards(VISA, MASTERCARD)
        world.run("deliver webhooks")
        world.clock.advance(days=KEPT.days + 1)
        delivery_id, now, under_way = deliveries(world)[0].id, world.clock.now(), []

        def forget():
            with world.app.app_context():
                return delete_old_events(db.session(), now)

        def asked(delivery, now):
            under_way.append(pool.submit(forget))
            wait(under_way, timeout=0.5)
            send_again(delivery, now)

        send_again = Delivery.send_again
        monkeypatch.setattr(Delivery, "send_again", asked)
        world.session.rollback()
        with ThreadPoolExecutor(1) as pool:
            actions.send_again(world.session, world.account_id, delivery_id, now)
        assert under_way[0].result() == 0
        assert world.session.get(Delivery, delivery_id).event.account_id == world.account_id

    def test_a_bounded_number_at_once(self, world, post, later, monkeypatch):
        monkeypatch.setattr(webhooks, "AT_ONCE", 2)
        world.webhook()
        world.cards(VISA, MASTERCARD, AMEX)
        world.run("deliver webhooks")
        kinds = told(world)
        assert later() == 2
        assert told(world) == kinds[2:], "the oldest go first"
