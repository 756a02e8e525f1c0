"""The outbox: each email is sent once, retried on failure, and never lost silently."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from threading import Barrier, Thread

import pytest
from sqlalchemy import event, insert

from tests.conftest import on_sqlite
from tests.factories import START, VISA, context
from tests.host import free_port
from tests.smtp import serving, smtp_mailer
from webapp.actions.notifications.resend_email import resend_email
from webapp.actions.notifications.send_emails import send_emails
from webapp.actions.users.passwords import forget_password
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import (
    BACK_OFF,
    GIVE_UP,
    REST,
    TOPICS,
    Notice,
    NoticeKind,
    NoticeState,
    Urgency,
    next_due,
    urgency_of,
)
from webapp.domain.shared.i18n import Language
from webapp.domain.users.user import User
from webapp.extensions import db
from webapp.ports import MailServerUnavailable


class Inbox:
    """Collects the emails that a real mail server has accepted."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        mail = message_from_bytes(envelope.content, policy=policy.default)
        self.mails.append((envelope.rcpt_tos, mail))
        return "250 OK"


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def mailer(port):
    return smtp_mailer(port, timeout=5)


@pytest.fixture
def inbox(port):
    with serving(port, Inbox()) as inbox:
        yield inbox


@pytest.fixture
def refusing(port):
    """A mail server that defers every recipient, as greylisting does."""

    class Refusing(Inbox):
        async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
            return "450 Try again later"

    with serving(port, Refusing()):
        yield


@pytest.fixture
def owing(world):
    """An account with one unsent receipt."""
    (visa,) = world.cards(VISA)
    world.pay(visa, "30.00")
    assert [n.kind for n in world.notices] == ["receipt"]
    return world


def send(world, mailer):
    done = send_emails(world.ctx, mailer)
    world.session.rollback()
    return done


def test_a_receipt_is_sent_once_l6(owing, mailer, inbox):
    """L6: the receipt names its facts and goes to the billing address."""
    assert send(owing, mailer) == 1
    assert send(owing, mailer) == 0
    (notice,) = owing.notices
    assert (notice.state, notice.tries, notice.sent_at) == (NoticeState.SENT, 1, START)
    ((recipients, mail),) = inbox.mails
    assert recipients == [notice.recipient]
    assert "$30.00" in mail["Subject"]
    body = mail.get_body(("plain",)).get_content()
    for fact in (
        "$30.00",
        "Visa\N{NO-BREAK SPACE}••••\N{NO-BREAK SPACE}4242",
        "$130.00",
        notice.facts["reference"],
    ):
        assert fact in body


def test_an_alert_goes_to_all_billing_addresses_n3(world, mailer, inbox):
    """N3: several addresses are allowed; each gets its own email."""
    from webapp.domain.accounts.account import Account

    account = world.session.get(Account, world.account_id)
    account.billing_emails = ["a@example.com", "b@example.com"]
    world.session.commit()
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("60.00")
    send(world, mailer)
    assert sorted(to for to, _ in inbox.mails) == [["a@example.com"], ["b@example.com"]]
    for _, mail in inbox.mails:
        body = mail.get_body(("plain",)).get_content()
        for fact in ("Harbour Voice", "$40.00", "$75.00", "/billing/payment-methods"):
            assert fact in body


def test_two_concurrent_senders_send_one_email_f11(owing, mailer, inbox):
    """F11: the database decides between two concurrent processes."""
    both_found_it = Barrier(2, timeout=10)

    def after(connection, cursor, statement, *_):
        if statement.startswith("SELECT EXISTS") and "notice" in statement:
            both_found_it.wait()

    def sender():
        with owing.app.app_context():
            send_emails(context(db.session(), clock=owing.clock), mailer)

    event.listen(db.engine, "after_cursor_execute", after)
    threads = [Thread(target=sender) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    event.remove(db.engine, "after_cursor_execute", after)
    assert not both_found_it.broken
    assert len(inbox.mails) == 1
    assert owing.notices[0].tries == 1


def owner(world):
    return world.session.get_one(User, world.created.user_id)


def enqueue_receipts(world, count):
    """Insert unsent copies of the receipt, each for a different payment."""
    (receipt,) = world.notices
    columns = {c.key: getattr(receipt, c.key) for c in Notice.__table__.columns if c.key != "id"}
    copies = [columns | {"about": f"copy {n}", "message_id": f"{n}@b"} for n in range(count)]
    world.session.execute(insert(Notice), copies)
    world.session.commit()


def test_a_password_reset_is_sent_before_a_thousand_receipts(owing, mailer, inbox):
    """An email that a person waits for is sent before older receipts."""
    enqueue_receipts(owing, 1000)
    owing.clock.advance(minutes=1)
    forget_password(owing.ctx, owner(owing).email, "127.0.0.1")
    assert send_emails(owing.ctx, mailer, limit=2) == 2
    subjects = [mail["Subject"].split(":")[0] for _, mail in inbox.mails]
    assert subjects == ["Choose a new password", "Receipt"]


def test_a_password_reset_during_a_round_is_sent_next(owing, mailer, port):
    """A reset requested while receipts are sent is the next email."""

    class Slow(Inbox):
        async def handle_DATA(self, server, session, envelope):  # noqa: N802
            if not self.mails:
                with owing.app.app_context():
                    forget_password(
                        context(db.session(), now=owing.clock.now()), email, "127.0.0.1"
                    )
            return await super().handle_DATA(server, session, envelope)

    enqueue_receipts(owing, 4)
    email = owner(owing).email
    owing.session.rollback()
    with serving(port, Slow()) as inbox:
        assert send(owing, mailer) == 6
    assert [mail["Subject"] for _, mail in inbox.mails].index("Choose a new password") == 1


def test_alerts_are_sent_before_receipts(world, mailer, inbox):
    """N2: alerts have a higher priority than receipts."""
    (visa,) = world.cards(VISA)
    world.pay(visa, "30.00")
    world.apply(notification_on=True, notification_threshold="75.00")
    world.use("80.00")
    send(world, mailer)
    assert [mail["Subject"].split()[0] for _, mail in inbox.mails] == ["Your", "Receipt:"]


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_personal_emails_are_the_most_urgent(kind):
    """This holds for links and security notices of any kind."""
    own = kind not in TOPICS or kind == NoticeKind.AUTHENTICATION_REQUIRED
    assert (urgency_of(kind) is Urgency.AWAITED) == own


@on_sqlite
def test_the_next_email_is_found_by_the_index(owing):
    """The query stays fast however many emails are unsent."""
    seen = []

    def plan(connection, cursor, statement, parameters, *_):
        if "ORDER BY notice.urgency" in statement:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            seen.extend(row[-1] for row in cursor.fetchall())

    event.listen(db.engine, "before_cursor_execute", plan)
    try:
        next_due(owing.ctx)
    finally:
        event.remove(db.engine, "before_cursor_execute", plan)
    assert seen == ["SEARCH notice USING INDEX ix_notice_state_urgency_next_try_at (state=?)"]


def test_a_deferred_email_is_retried_with_growing_delays_f11(owing, mailer, refusing):
    """F11: each try is recorded for the operator, and none is early."""
    for count, pause in enumerate([*BACK_OFF, BACK_OFF[-1]], start=1):
        assert send(owing, mailer) == 0
        (notice,) = owing.notices
        assert (notice.state, notice.tries) == (NoticeState.OWED, count)
        assert notice.next_try_at == owing.clock.now() + pause
        assert notice.last_error
        owing.clock.advance(seconds=pause.total_seconds() - 1)
        send(owing, mailer)
        assert owing.notices[0].tries == count, "not yet"
        owing.clock.advance(seconds=1)


def test_an_email_is_sent_when_the_server_is_back_f11(owing, mailer, port):
    """F11: the Message-ID is unchanged, so that receivers recognize a repeat."""
    with pytest.raises(MailServerUnavailable):
        send(owing, mailer)
    promised = owing.notices[0].message_id
    owing.clock.advance(seconds=REST.total_seconds())
    with serving(port, Inbox()) as inbox:
        assert send(owing, mailer) == 1
    ((_, mail),) = inbox.mails
    assert mail["Message-ID"] == f"<{promised}>"
    assert owing.notices[0].state == NoticeState.SENT


def test_a_crash_after_sending_repeats_the_same_message_id_f11(owing, mailer, inbox):
    """F11: an email sent but not recorded is repeated two minutes later under the same id."""
    send(owing, mailer)
    owing.session.query(Notice).update(
        {"state": NoticeState.OWED, "next_try_at": START + timedelta(minutes=2)}
    )
    owing.session.commit()
    assert send(owing, mailer) == 0, "still claimed by the crashed sender"
    owing.clock.advance(minutes=2)
    assert send(owing, mailer) == 1
    assert len({mail["Message-ID"] for _, mail in inbox.mails}) == 1


def test_an_email_keeps_its_language_l6(world, mailer, inbox):
    """L6, F11: a retried or resent email keeps its language when the account's language changes."""

    def choose(language):
        world.session.get_one(Account, world.account_id).language = language
        world.session.commit()

    choose(Language.FRENCH)
    (visa,) = world.cards(VISA)
    world.pay(visa, "30.00")
    choose(Language.GERMAN)
    send(world, mailer)
    world.session.query(Notice).update({"state": NoticeState.FAILED})
    world.session.commit()
    resend_email(world.ctx, world.notices[0].id, "Lost", mailer)
    send(world, mailer)
    world.pay(visa, "30.00")
    send(world, mailer)
    first, again, another = (mail for _, mail in inbox.mails)
    assert first["Subject"] == again["Subject"]
    assert first["Subject"].startswith("Reçu\N{NARROW NO-BREAK SPACE}: $30.00")
    for mail, language in ((first, "fr"), (again, "fr"), (another, "de")):
        assert f'<html lang="{language}">' in mail.get_body(("html",)).get_content()


def test_an_email_is_given_up_after_three_days_f11(owing, mailer, refusing):
    """F11: the operator sees it as failed, with the server's last error."""
    while owing.notices[0].state == NoticeState.OWED:
        assert owing.clock.now() <= START + GIVE_UP
        send(owing, mailer)
        owing.clock.at = owing.notices[0].next_try_at or owing.clock.at
    (notice,) = owing.notices
    assert notice.state == NoticeState.FAILED
    assert notice.last_error
    assert timedelta(days=2, hours=20) < owing.clock.now() - START <= GIVE_UP
    owing.clock.advance(days=30)
    assert send(owing, mailer) == 0
    assert owing.notices[0].tries == notice.tries


def test_without_a_mail_server_emails_are_kept_f11(owing):
    """F11: the email can be read in the outbox and is not sent."""
    assert send(owing, owing.services.mailer) == 1
    assert owing.notices[0].state == NoticeState.KEPT
    assert send(owing, owing.services.mailer) == 0


def test_a_bad_address_does_not_block_other_emails_f11(owing, mailer, inbox):
    owing.pay(owing.method("4242"), "31.00")
    first = owing.notices[0]
    first.recipient = "not an address"
    owing.session.commit()
    assert send(owing, mailer) == 1
    assert [n.state for n in owing.notices] == [NoticeState.OWED, NoticeState.SENT]
    assert len(inbox.mails) == 1


def test_an_email_without_a_recipient_is_kept_n3(owing, mailer, inbox):
    """N3: an account without a billing address loses no email."""
    owing.notices[0].recipient = ""
    owing.session.commit()
    send(owing, mailer)
    assert owing.notices[0].state == NoticeState.KEPT
    assert inbox.mails == []


def test_the_database_rejects_a_second_email_about_the_same_event_f11(owing):
    """F11, N2: a unique constraint allows one email per subject."""
    from sqlalchemy.exc import IntegrityError

    (notice,) = owing.notices
    columns = {c.name: getattr(notice, c.name) for c in Notice.__table__.columns}
    owing.session.add(Notice(**{**columns, "id": None, "message_id": "other@ballast"}))
    with pytest.raises(IntegrityError):
        owing.session.flush()
    owing.session.rollback()


def test_a_change_and_its_email_share_one_transaction_l6(world):
    """L6, L3: no receipt is owed before the charge is settled."""
    (visa,) = world.cards(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    assert world.mails == []
    world.services = replace(world.services)
    world.pass_time(seconds=10)
    assert world.mails == ["receipt"]
    assert world.balance == "130.00"
