"""Outgoing webhooks: recorded with their cause, signed, retried, given up and switched off."""

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event
from standardwebhooks import Webhook, WebhookVerificationError

from tests.factories import AMEX, DECLINING, DISCOVER, MASTERCARD, VISA, context
from webapp.actions.webhooks import endpoints as actions
from webapp.actions.webhooks.delete_old_deliveries import delete_old_deliveries
from webapp.actions.webhooks.deliver_webhooks import deliver_to
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import BalanceLow
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.errors import Conflict, Denied, Invalid, NotFound
from webapp.domain.shared.public_addresses import PRIVATE
from webapp.domain.users.user import Right
from webapp.domain.webhooks import endpoint as webhooks
from webapp.domain.webhooks import payloads
from webapp.domain.webhooks.endpoint import (
    BACK_OFF,
    CHOICES,
    KEPT,
    MOST,
    PATIENCE,
    PROVIDER_CHOICES,
    Delivery,
    Endpoint,
    EndpointChoice,
)
from webapp.extensions import db
from webapp.ports import Reply
from webapp.settings import ROOT

TECHNICIAN = frozenset({Right.TECHNICAL})


class Post:
    """Records deliveries and returns the queued statuses, or 204."""

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


def event_kinds(world):
    """Return the type of every event that is delivered to an endpoint, in order."""
    return [row.webhook for row in dict.fromkeys(one.event for one in deliveries(world))]


def facts(world, kind):
    found = [row for row in world.events(EventRow.webhook) if row.webhook == kind]
    return payloads.payload(found[-1])["data"]


def endpoint_of(world, made):
    world.session.rollback()
    return world.session.get_one(Endpoint, made.endpoint_id)


def deliveries(world):
    world.session.rollback()
    return world.session.query(Delivery).order_by(Delivery.id).all()


def change(action, world, made, *arguments):
    """Apply an action of the owner, who has every right, to this endpoint."""
    return action(world.ctx, world.account_id, made.endpoint_id, *arguments, frozenset(Right))


def run(world):
    world.run("deliver webhooks")


# Events


def test_a_refill_emits_events_in_order(world):
    world.cards(VISA)
    world.refill()
    world.webhook()
    world.use("60.00")
    world.work()
    assert event_kinds(world) == [
        "balance.low", "payment.succeeded", "top_up.succeeded", "balance.recovered",
    ]  # fmt: skip
    assert facts(world, "balance.low")["balance"] == "40.00"
    paid = facts(world, "payment.succeeded")
    assert (paid["amount"], paid["currency"], paid["kind"]) == ("100.00", "USD", "automatic")
    assert paid["balance"] == "140.00"
    assert paid["payment_method"]["label"] == "Visa •••• 4242"
    assert facts(world, "top_up.succeeded")["amount"] == "100.00"


def test_a_failed_refill_emits_events(world):
    world.card(DECLINING, auto_charge=True)
    world.refill()
    world.webhook()
    world.use("60.00")
    world.work()
    assert event_kinds(world) == [
        "balance.low", "payment_method.suspended", "top_up.failed", "payment.failed",
    ]  # fmt: skip
    assert facts(world, "payment_method.suspended")["payment_method"]["suspended_until"]


def test_a_balance_event_is_emitted_once_per_crossing(world):
    """As emails in N2, and for the highest of the thresholds that are on."""
    world.cards(VISA)
    world.apply(notification_on=True, notification_threshold="75.00")
    world.webhook()
    world.use("25.00")
    assert event_kinds(world) == []
    world.use("0.000001")
    world.use("10.00")
    assert event_kinds(world) == ["balance.low"]
    world.pay(world.methods[0], "30.00")
    assert event_kinds(world) == ["balance.low", "payment.succeeded", "balance.recovered"]


def test_changed_settings_emit_settings_and_balance_events(world):
    world.cards(VISA)
    world.webhook()
    world.apply(notification_on=True, notification_threshold="150.00")
    assert event_kinds(world) == ["settings.changed", "balance.low"]
    assert facts(world, "settings.changed")["notification_threshold"] == "150.00"
    world.apply(notification_on=True, notification_threshold="150.00")
    assert len(event_kinds(world)) == 2
    world.apply(notification_on=False)
    assert event_kinds(world)[2:] == ["settings.changed", "balance.recovered"]


def test_changes_of_payment_methods_emit_events(world):
    world.webhook()
    first, other = world.card(VISA), world.card(MASTERCARD)
    world.card(VISA)  # the same card is refreshed, not added
    world.remove(other)
    assert event_kinds(world) == ["payment_method.added"] * 2 + ["payment_method.removed"]
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(first, "30.00")
    world.pass_time(hours=48)
    assert event_kinds(world)[3:] == [
        "payment_method.suspended", "payment.failed", "payment_method.restored",
    ]  # fmt: skip


def test_an_expiring_card_emits_an_event(world):
    world.webhook(events=["payment_method.expiring"])
    world.card(AMEX, expiry="12/26")
    world.pass_time(days=10)
    assert event_kinds(world) == ["payment_method.expiring"]
    assert facts(world, "payment_method.expiring")["payment_method"]["expiry"] == "12/26"


def test_only_selected_events_are_recorded(world):
    world.webhook(events=["payment_method.removed"])
    world.webhook("https://b.example.com/", ["payment_method.added", "payment_method.removed"])
    world.remove(world.card(VISA))
    assert event_kinds(world) == ["payment_method.added", "payment_method.removed"]
    urls = [(one.event.webhook, one.endpoint.url) for one in deliveries(world)]
    assert urls == [
        ("payment_method.added", "https://b.example.com/"),
        ("payment_method.removed", "https://hooks.example.com/in"),
        ("payment_method.removed", "https://b.example.com/"),
    ]


def test_a_rollback_discards_the_event(world):
    """The event is a row of the same transaction."""
    world.webhook()
    account = Account.locked(world.session, world.account_id)
    events.record(world.ctx, account.id, BalanceLow(1, "USD"))
    world.session.rollback()
    assert event_kinds(world) == []


def statements(world, do):
    world.session.rollback()
    executed = []

    def note(connection, cursor, statement, *rest):
        executed.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        do()
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
    return executed


def test_usage_that_crosses_nothing_runs_no_webhook_statements(world):
    """However many endpoints there are, usage stays as fast as it is."""
    world.webhook()
    world.provider_webhook()
    executed = statements(world, lambda: world.use("60.00"))
    assert world.balance == "40.00"
    assert [statement for statement in executed if " webhook_" in statement] == []


# Sending


def test_the_standard_webhooks_verifier_accepts_the_signature(world, post):
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


def test_after_a_rotation_both_secrets_sign_for_a_day(world, post):
    made = world.webhook()
    new = change(actions.rotate_secret, world, made).secret
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


@pytest.mark.parametrize("is_provider", [False, True])
def test_each_secret_signs_for_a_day_after_it_was_replaced(world, post, is_provider):
    """A second rotation is no reason to lose events that are signed with the first secret."""
    account_id = None if is_provider else world.account_id
    made = world.provider_webhook() if is_provider else world.webhook()
    secrets = [made.secret]

    def rotate():
        ctx, all_rights = world.ctx, frozenset(Right)
        new = actions.rotate_secret(ctx, account_id, made.endpoint_id, all_rights)
        secrets.append(new.secret)

    def signing(number):
        world.card(number)
        run(world)
        _, headers, body = post.sent[-1]
        return [secret for secret in secrets if is_signed_with(secret, body, headers)]

    rotate()
    world.clock.advance(hours=10)
    rotate()
    assert signing(VISA) == secrets
    world.clock.advance(hours=14)
    assert signing(MASTERCARD) == secrets[1:]
    rotate()
    assert signing(AMEX) == secrets[1:]
    rotate()
    assert signing(DISCOVER) == secrets[2:]  # at most three


def is_signed_with(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def test_events_are_delivered_in_order_and_once(world, post):
    world.webhook()
    for number in (VISA, MASTERCARD, AMEX):
        world.card(number)
    run(world), run(world)
    ids = [headers["webhook-id"] for _, headers, _ in post.sent]
    assert len(ids) == 3
    assert ids == sorted(set(ids))
    assert all(one.state == "delivered" for one in deliveries(world))


def test_a_failed_delivery_is_retried_for_days_and_blocks_no_other(world, post):
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


def test_a_retry_has_the_same_id_and_body(world, post):
    world.webhook()
    world.card(VISA)
    post.answers = [None]
    run(world)
    world.clock.advance(seconds=5)
    run(world)
    (_, first, body), (_, second, again) = post.sent
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert first["webhook-timestamp"].isdigit()


def test_an_endpoint_failing_for_long_is_switched_off_with_an_email(world, post):
    made = world.webhook()
    world.card(VISA)
    post.answers = [500] * 100
    run(world)
    while world.clock.now() < endpoint_of(world, made).failing_since + PATIENCE:
        assert endpoint_of(world, made).is_on
        world.clock.advance(hours=12)
        actions.send_test(world.ctx, world.account_id, made.endpoint_id)
        run(world)
    assert str(endpoint_of(world, made).ended) == "failing"
    [mail] = world.mails_of(NoticeKind.WEBHOOK_ENDED)
    assert mail.facts["url"] == "https://hooks.example.com/in"
    email = world.services.mailer.render(mail.kind, mail.facts, mail.language)
    assert "switched off" in email.subject
    sent, events = len(post.sent), len(event_kinds(world))
    world.card(MASTERCARD)  # no endpoint is on, so no event is recorded
    run(world)
    assert (len(post.sent), len(event_kinds(world))) == (sent, events)


def test_a_success_resets_the_failure(world, post):
    made = world.webhook()
    world.card(VISA)
    post.answers = [500]
    run(world)
    assert endpoint_of(world, made).failing_since
    world.clock.advance(seconds=5)
    run(world)
    assert endpoint_of(world, made).failing_since is None


def test_a_gone_response_ends_the_endpoint(world, post):
    made = world.webhook()
    world.card(VISA)
    post.answers = [410]
    run(world)
    assert str(endpoint_of(world, made).ended) == "gone"
    assert len(world.mails_of(NoticeKind.WEBHOOK_ENDED)) == 1


def test_waiting_events_are_delivered_when_the_endpoint_is_switched_on(world, post):
    made = world.webhook()
    world.card(VISA)
    change(actions.switch_endpoint, world, made, False)
    run(world)
    assert post.sent == []
    world.card(MASTERCARD)
    for _ in range(2):
        change(actions.switch_endpoint, world, made, True)
    run(world)
    assert len(post.sent) == 1  # events are not recorded while the endpoint is off
    world.card(AMEX)
    run(world)
    assert len(post.sent) == 2


def test_a_claimed_delivery_is_sent_by_one_sender(world, post, session):
    """After a crash the delivery stays claimed until the claim expires."""
    made = world.webhook()
    world.card(VISA)

    class Crash(Exception):
        pass

    class Crashing:
        def deliver(self, *args):
            raise Crash

    with pytest.raises(Crash):
        deliver_to(context(session, clock=world.clock), made.endpoint_id, Crashing())
    session.rollback()
    run(world)
    assert post.sent == []
    world.clock.advance(minutes=2)
    run(world)
    assert len(post.sent) == 1


def test_a_stopping_process_starts_no_further_delivery(world, post):
    made = world.webhook()
    world.card(VISA), world.card(MASTERCARD)
    should_continue = iter([True, False]).__next__
    deliver_to(world.ctx, made.endpoint_id, post, should_continue)
    assert len(post.sent) == 1


def test_test_events_and_resends_need_an_active_endpoint(world, post):
    made = world.webhook(events=["balance.low"])
    sent = actions.send_test(world.ctx, world.account_id, made.endpoint_id)
    delivery_id = sent.id
    run(world)
    actions.send_again(world.ctx, world.account_id, delivery_id)
    run(world)
    assert [headers["webhook-id"] for _, headers, _ in post.sent] == [
        payloads.message_id(sent.event)
    ] * 2
    change(actions.switch_endpoint, world, made, False)
    for again in (
        lambda: actions.send_test(world.ctx, world.account_id, made.endpoint_id),
        lambda: actions.send_again(world.ctx, world.account_id, delivery_id),
    ):
        with pytest.raises(Conflict):
            again()


def test_a_removed_endpoint_receives_nothing(world, post):
    made = world.webhook()
    world.card(VISA)
    change(actions.remove_endpoint, world, made)
    run(world)
    assert post.sent == []
    with pytest.raises(NotFound):
        change(actions.switch_endpoint, world, made, True)


# Endpoint choices and rights


@pytest.mark.parametrize(
    ("url", "local", "good"),
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
        ("https://8.8.8.8/", False, True),
        ("https://127.example.com/", False, True),
    ],
)
def test_endpoint_urls_are_validated(url, local, good):
    networks = ("10.0.0.0/8",) if local else ()
    faults = EndpointChoice(url, "", CHOICES).faults(frozenset(Right), networks=networks)
    assert ("url" not in faults) is good


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST.", "x.localhost", "127.0.0.1", "127.0.0.1.", "2130706433",
        "0x7f000001", "0177.1", "127.1", "[::ffff:127.0.0.1]",
    ],
)  # fmt: skip
def test_endpoint_urls_of_hosts_that_are_not_public_are_refused(host):
    """As delivery would refuse them; a name is judged at each delivery."""
    choice = EndpointChoice(f"https://{host}/in", "", CHOICES)
    for networks in ((), ("10.0.0.0/8",)):
        assert choice.faults(frozenset(Right), networks=networks) == {"url": PRIVATE}
    assert choice.faults(frozenset(Right), networks=("127.0.0.0/8",)) == {}


def test_technicians_receive_no_billing_events(world):
    """P1: nor can a technician redirect an endpoint that receives billing events."""
    with pytest.raises(Invalid):
        world.webhook(rights=TECHNICIAN)
    world.webhook(events=["balance.low", "balance.recovered"], rights=TECHNICIAN)
    made = world.webhook()
    with pytest.raises(Denied):
        actions.change_endpoint(
            world.ctx,
            world.account_id,
            made.endpoint_id,
            EndpointChoice("https://mine.example.com/", "", ("balance.low",)),
            TECHNICIAN,
        )


def test_an_account_has_at_most_ten_endpoints(world):
    for number in range(MOST):
        world.webhook(f"https://example.com/{number}")
    with pytest.raises(Conflict):
        world.webhook("https://example.com/more")


def test_the_webhooks_page_names_every_event_and_delay():
    page = (ROOT / "docs" / "webhooks.md").read_text()
    assert [kind for kind in PROVIDER_CHOICES if f"`{kind}`" not in page] == []
    assert "5 seconds, 5 and 30 minutes, and 2, 5, 10, 14, 20 and 24 hours" in page
    hours = [pause / timedelta(hours=1) for pause in BACK_OFF[3:]]
    assert hours == [2, 5, 10, 14, 20, 24]


class TestForgetting:
    """Deletion happens a day after the retention period `KEPT`."""

    @pytest.fixture
    def later(self, world):
        def delete_later():
            world.clock.advance(days=KEPT.days + 1)
            return delete_old_deliveries(world.ctx)

        return delete_later

    def test_old_deliveries_are_deleted(self, world, post, later):
        world.webhook()
        world.webhook("https://example.com/other")
        world.cards(VISA, MASTERCARD)
        world.run("deliver webhooks")
        count = len(deliveries(world))
        assert later() == count
        assert deliveries(world) == []

    def test_no_event_id_is_reused(self, world, post, later):
        """A receiver would take the next event for a repeat."""
        world.webhook()
        world.card(VISA)
        world.run("deliver webhooks")
        later()
        world.card(MASTERCARD)
        world.run("deliver webhooks")
        ids = [headers["webhook-id"] for _, headers, _ in post.sent]
        assert len(set(ids)) == len(ids)

    def test_recent_deliveries_are_kept(self, world, post):
        world.webhook()
        world.card(VISA)
        world.run("deliver webhooks")
        world.clock.advance(days=KEPT.days - 1)
        before = event_kinds(world)
        assert delete_old_deliveries(world.ctx) == 0
        assert event_kinds(world) == before

    def test_owed_deliveries_are_kept_until_the_endpoint_is_removed(self, world, post, later):
        made = world.webhook()
        world.cards(VISA, MASTERCARD)
        change(actions.switch_endpoint, world, made, False)
        owed = event_kinds(world)
        assert later() == 0
        assert event_kinds(world) == owed
        change(actions.remove_endpoint, world, made)
        assert delete_old_deliveries(world.ctx) == len(owed)
        assert event_kinds(world) == []

    def test_a_delivery_resent_during_deletion_is_kept(self, world, post, monkeypatch):
        world.webhook()
        world.cards(VISA, MASTERCARD)
        world.run("deliver webhooks")
        world.clock.advance(days=KEPT.days + 1)
        delivery_id, now, under_way = deliveries(world)[0].id, world.clock.now(), []

        def delete():
            with world.app.app_context():
                return delete_old_deliveries(context(db.session(), now=now))

        def resend_during_deletion(delivery, now):
            under_way.append(pool.submit(delete))
            wait(under_way, timeout=0.5)
            send_again(delivery, now)

        send_again = Delivery.send_again
        monkeypatch.setattr(Delivery, "send_again", resend_during_deletion)
        world.session.rollback()
        with ThreadPoolExecutor(1) as pool:
            actions.send_again(world.ctx.at(now), world.account_id, delivery_id)
        assert under_way[0].result() == 1
        assert world.session.get(Delivery, delivery_id).event.account_id == world.account_id

    def test_deliveries_are_deleted_in_batches(self, world, post, later, monkeypatch):
        monkeypatch.setattr(webhooks, "AT_ONCE", 2)
        world.webhook()
        world.cards(VISA, MASTERCARD, AMEX)
        world.run("deliver webhooks")
        kinds = event_kinds(world)
        assert later() == 2
        assert event_kinds(world) == kinds[2:], "the oldest are deleted first"
