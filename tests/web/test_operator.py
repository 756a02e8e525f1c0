"""The operator's pages: each change once and with its reason, and views that change nothing."""

import re
from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests import wires
from tests.delivery.test_mailer import FACTS
from tests.factories import AMEX, MASTERCARD, PASSWORD, VISA
from tests.web.conftest import errors, words
from webapp.actions.notifications.send_emails import send_emails
from webapp.app import TEMPLATES
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.rows import EventRow
from webapp.domain.events.users import PasswordForgotten
from webapp.domain.notifications.outbox import Notice, NoticeKind, NoticeState
from webapp.domain.shared import signed_links
from webapp.domain.users.user import User
from webapp.extensions import services

MAIN = "/billing/payment-methods"


@pytest.fixture
def pat(sign_in, operator):
    return sign_in(operator)


@pytest.fixture
def account(world):
    return f"/operator/accounts/{world.account_id}"


def audits(world, *whats):
    world.session.rollback()
    query = world.session.query(EventRow).order_by(EventRow.id)
    return [(e.audit, e.actor_name, e.facts) for e in query if e.audit in whats]


def balance(world):
    world.session.rollback()
    return world.session.get(Account, world.account_id, populate_existing=True).balance


def key_in(page):
    return re.search(r'name="request_key" value="([^"]+)"', page.text)[1]


def test_without_a_second_factor_an_operator_can_only_set_it_up(app, world, operator):
    world.session.get(User, operator).totp_secret = None
    world.session.commit()
    visitor = app.test_client()
    form = {"email": "pat@provider.example", "password": PASSWORD}
    assert visitor.post("/sign-in", data=form).status_code == 303
    for path in ("/operator", f"/operator/accounts/{world.account_id}", MAIN):
        answer = visitor.get(path)
        assert (answer.status_code, answer.location) == (303, "/settings/second-factor/new")
    assert visitor.get("/settings/second-factor/new").status_code == 200


def test_accounts_are_found_by_name_person_and_number(pat, world):
    world.account(name="Half% Calls_Ltd", email="bo@calls.example")
    for search, found, not_found in (
        ("harbour", "Harbour Voice", "Calls_Ltd"),
        ("bo@calls", "Half% Calls_Ltd", "Harbour Voice"),
        (str(world.account_id), "Harbour Voice", "Calls_Ltd"),
        ("f%", "Half% Calls_Ltd", "Harbour Voice"),
        ("s_l", "Half% Calls_Ltd", "Harbour Voice"),
    ):
        page = words(pat.get("/operator", query_string={"search": search}))
        assert found in page, search
        assert not_found not in page, search
    assert "No accounts match" in words(pat.get("/operator?search=nobody"))


def test_an_adjustment_is_posted_once_with_its_reason(pat, world, account):
    """P2, L2: a double click is one adjustment."""
    form = {"amount": "25.00", "direction": "off", "request_key": key_in(pat.get(account))}
    refused = pat.post(f"{account}/adjustments", data={**form, "reason": " "})
    assert refused.status_code == 422
    assert "Enter a reason" in words(refused)
    assert balance(world) == 100_000_000
    for _ in range(2):
        done = pat.post(f"{account}/adjustments", data={**form, "reason": "Billed twice"})
        assert done.status_code == 303
    assert balance(world) == 75_000_000
    ((_, who, details),) = audits(world, "adjusted")
    assert who == "Pat Noor, your provider"
    assert details == {"amount": -25_000_000, "reason": "Billed twice"}


@pytest.mark.parametrize("amount", ["", "0", "-5", "x", "1.001", "9" * 30])
def test_an_invalid_amount_is_refused(pat, world, account, amount):
    form = {"amount": amount, "reason": "Why", "request_key": "k" * 32}
    answer = pat.post(f"{account}/adjustments", data=form)
    assert answer.status_code == 422
    assert errors(answer)["amount"]
    assert balance(world) == 100_000_000


def test_an_adjustment_requires_reauthentication(pat, world, account):
    world.clock.wait(minutes=16)
    form = {"amount": "25.00", "reason": "Why", "request_key": "k" * 32}
    assert pat.post(f"{account}/adjustments", data=form).status_code == 401
    assert balance(world) == 100_000_000


def test_only_the_operator_resumes_what_the_operator_paused(pat, client, world, account):
    """T10: the customer sees who paused."""
    world.cards(VISA)
    world.refill()
    assert pat.post(f"{account}/pause", data={"on": "1", "reason": "Fraud?"}).status_code == 303
    world.use("60.00")
    world.work()
    assert world.attempts == []
    assert "paused by your provider" in words(client.get(MAIN))
    refused = client.post("/billing/automatic-payments/resumptions")
    assert refused.status_code == 409
    assert "Only they can resume them" in words(refused)
    resumed = {"on": "0", "reason": "All well", "confirmed": "100000000"}
    assert pat.post(f"{account}/pause", data=resumed).status_code == 303
    world.work()
    assert len(world.attempts) == 1
    assert [(what, d["reason"]) for what, _, d in audits(world, "paused", "resumed")] == [
        ("paused", "Fraud?"),
        ("resumed", "All well"),
    ]


def test_paypal_is_allowed_with_a_reason(pat, world, account):
    """M11, P2"""
    assert pat.post(f"{account}/paypal", data={"on": "1", "reason": ""}).status_code == 422
    assert pat.post(f"{account}/paypal", data={"on": "1", "reason": "Asked"}).status_code == 303
    ((_, _, details),) = audits(world, "paypal_allowed")
    assert details == {"allowed": True, "reason": "Asked"}


def test_operators_see_the_decline_code_and_customers_do_not(pat, client, world, account):
    """F12"""
    world.cards(VISA, MASTERCARD, AMEX)
    world.refill()
    world.next_answer("decline", decline_code="stolen_card")
    world.use("60.00")
    world.work()
    page = words(pat.get(account))
    assert "stolen_card" in page
    assert "Customer sees: Declined by the bank" in page
    for path in (MAIN, "/billing/payments", "/billing/activity"):
        assert "stolen" not in client.get(path).text


def test_a_wire_is_credited_once(pat, world):
    """L5: with the amount received and the operator's reason."""
    wire = wires.prove(world, wires.ask(world))
    path, before = f"/operator/wires/{wire.id}", balance(world)
    assert wire.reference in words(pat.get("/operator/wires"))
    refused = pat.post(f"{path}/completion", data={"amount": "975.00", "reason": ""})
    assert refused.status_code == 422
    for _ in range(2):
        form = {"amount": "975.00", "reason": "Line 7"}
        assert pat.post(f"{path}/completion", data=form).status_code == 303
    assert balance(world) - before == 975_000_000
    ((_, _, details),) = audits(world, "wire_completed")
    assert details["reason"] == "Line 7"
    assert pat.post(f"{path}/rejection", data={"reason": "No"}).status_code == 409


def test_a_wire_in_another_currency_needs_a_rate(pat, world):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    path = f"/operator/wires/{wire.id}"
    form = {"amount": "975.78", "received": "900.00", "rate": "x", "reason": "Line 7"}
    assert "rate" in errors(pat.post(f"{path}/completion", data=form))
    assert pat.post(f"{path}/completion", data={**form, "rate": "1.0842"}).status_code == 303


@pytest.fixture
def given_up(world):
    """The id of a failed email to the account."""
    wires.ask(world)
    notice = world.session.query(Notice).first()
    notice.state, notice.last_error = NoticeState.FAILED, "550 no such user"
    world.session.commit()
    return notice.id


@pytest.fixture
def personal_email(world):
    """The id of a personal email."""
    world.session.rollback()
    owner = world.session.get_one(User, world.owner.user_id)
    events.record_for(world.ctx, owner, PasswordForgotten(), address="ana@example.com")
    world.session.commit()
    return world.session.query(Notice).order_by(Notice.id.desc()).first().id


def test_every_email_is_listed_with_its_state(pat, world, given_up, personal_email):
    """N3: including personal emails, which belong to no account."""
    page = words(pat.get("/operator/mails"))
    assert "Harbour Voice Failed 550 no such user Try again" in page
    assert "Choose a new password ana@example.com Ana Ruiz Waiting" in page
    world.work()
    notice = world.session.get(Notice, personal_email)
    assert notice.state == "kept"
    page = words(pat.get("/operator/mails?kind=reset_password&state=kept"))
    assert "Not sent (no mail server)" in page
    assert "No emails match" in words(pat.get("/operator/mails?q=nobody@"))


def test_invalid_filters_are_ignored(pat, given_up):
    page = pat.get("/operator/mails?state=lost&kind=x&from=y&to=2026-99-01&before=x&q=%00")
    assert "550 no such user" in words(page)


def test_a_failed_email_is_sent_again(pat, world, given_up):
    """N3, P2: under its Message-ID."""
    path = f"/operator/mails/{given_up}/tries"
    known = world.session.get(Notice, given_up).message_id
    assert pat.post(path, data={"reason": ""}).status_code == 422
    assert pat.post(path, data={"reason": "Address mended"}).status_code == 303
    world.session.rollback()
    notice = world.session.get(Notice, given_up)
    assert (notice.state, notice.tries, notice.message_id) == ("owed", 0, known)
    assert audits(world, "mail_resent")[0][2]["reason"] == "Address mended"
    refused = pat.post(path, data={"reason": "Once more"})
    assert refused.status_code == 409
    assert "being retried" in words(refused)


class DeliveringMailer(OutboxMailer):
    delivers = True

    def connected(self):
        return nullcontext(self)

    def send(self, letter, recipients, message_id, *, stop_link=""):
        self.brought = [*getattr(self, "brought", []), (recipients, message_id)]


@pytest.fixture
def mail_server(app):
    """Sets a mail server from now on."""
    mailer = DeliveringMailer(TEMPLATES, "http://localhost", signed_links.masked)
    it = app.extensions["ballast"]
    app.extensions["ballast"] = replace(it, mailer=mailer)
    return mailer


def test_a_kept_email_is_sent_once_a_mail_server_is_set(pat, world, personal_email, request):
    """N3: none is sent twice, and none is lost."""
    world.work()
    path = f"/operator/mails/{personal_email}"
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 409
    assert "Once there is one, you can send the email here" in words(pat.get(path))
    mail_server = request.getfixturevalue("mail_server")
    assert "Send" in words(pat.get(path))
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 303
    now = world.clock.now()
    assert send_emails(world.ctx, mail_server) == 1
    notice = world.session.get(Notice, personal_email)
    assert (notice.state, notice.sent_at) == ("sent", now)
    assert mail_server.brought == [(["ana@example.com"], notice.message_id)]
    assert "so it is not sent again" in words(pat.get(path))
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 409


def test_an_email_without_an_address_cannot_be_sent(pat, world, given_up, mail_server):
    world.session.get(Notice, given_up).state = NoticeState.KEPT
    world.session.get(Notice, given_up).recipient = ""
    world.session.commit()
    path = f"/operator/mails/{given_up}"
    assert "has no address" in words(pat.get(path))
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 409


PURPOSES = (
    signed_links.RESUME,
    signed_links.CONFIRM,
    signed_links.RESET,
    signed_links.STOP,
    signed_links.INVITATION,
)
SIGNED = {
    NoticeKind.RESET_PASSWORD,
    NoticeKind.CONFIRM_EMAIL,
    NoticeKind.INVITATION,
    NoticeKind.AUTHENTICATION_REQUIRED,
}


def signed_tokens(app, text):
    """Return our signed tokens in a text."""
    tokens = {word for word in re.split(r"[^\w.-]+", text) if "." in word}
    return {it for it in tokens for p in PURPOSES if signed_links.read(app.secret_key, p, it)}


@pytest.mark.parametrize("kind", FACTS)
def test_operators_cannot_use_the_links_in_emails(pat, app, world, kind):
    """P2, F7: tokens signed for the recipient are masked."""
    now = world.clock.now()
    notice = Notice(
        kind=kind,
        recipient="a@b.c",
        facts=FACTS[kind],
        language="en",
        about="x",
        message_id="x",
        created_at=now,
    )
    world.session.add(notice)
    world.session.commit()
    path = f"/operator/mails/{notice.id}"
    read = pat.get(path).text + pat.get(f"{path}/body").text
    sent = services(app).mailer.render(kind, FACTS[kind], "en")

    assert not signed_tokens(app, read)
    assert bool(signed_tokens(app, sent.text + sent.html)) == (kind in SIGNED)
    assert ("/••••" in read) == (kind in SIGNED)


def test_reading_an_email_is_audited(pat, client, world, given_up, personal_email):
    """P2: once for its page with the frame; a personal email in each of the person's accounts."""
    for notice_id in (given_up, personal_email):
        pat.get(f"/operator/mails/{notice_id}")
        body = pat.get(f"/operator/mails/{notice_id}/body")
        assert body.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "default-src 'none'" in body.headers["Content-Security-Policy"]
    pat.get(f"/operator/mails/{given_up}/body")
    entries = audits(world, "mail_read")
    assert [d["notice"] for _, _, d in entries] == [given_up, personal_email, given_up]
    page = words(client.get("/settings/audit-log"))
    assert "Choose a new password, to ana@example.com" in page
    assert pat.get("/operator/mails/999999").status_code == 404


# Viewing as the customer


@pytest.fixture
def viewing_operator(pat, account):
    assert pat.post(f"{account}/views", data={"reason": "Asked why"}).status_code == 303
    return pat


def test_each_view_is_audited_for_the_customer(client, viewing_operator, world):
    """P2"""
    for path in (MAIN, "/billing/payments", "/settings/audit-log"):
        page = words(viewing_operator.get(path))
        assert "You are viewing Harbour Voice as its customer. Controls are off." in page
    viewing_operator.get("/billing/balance?seen=0")  # polled by open pages
    entries = audits(world, "view_begun", "viewed")
    assert entries[0][2] == {"reason": "Asked why"}
    assert [d["page"] for _, _, d in entries[1:]] == [
        MAIN,
        "/billing/payments",
        "/settings/audit-log",
    ]
    page = words(client.get("/settings/audit-log"))
    assert "Pat Noor, your provider" in page
    assert "Asked why" in page


def test_links_in_the_customers_emails_are_masked(client, viewing_operator, app, world):
    """F7, P2: on every page that shows an email."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="authentication_required")
    world.use("60.00")
    world.work()
    (notice,) = world.mails_of("authentication_required")
    payment = world.attempts[0].payment_id
    pages = (f"/billing/payments/{payment}", f"/sandbox/outbox/{notice.id}")
    for path in (*pages, f"/sandbox/outbox/{notice.id}/body"):
        assert signed_tokens(app, client.get(path).text), path
        assert not signed_tokens(app, viewing_operator.get(path).text), path


def test_a_viewing_operator_can_change_nothing(app, viewing_operator, world, database_rows):
    """P2: every form of every page is refused."""
    before = database_rows()
    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        blueprint = rule.endpoint.partition(".")[0]
        if blueprint in ("operator", "session") or rule.rule.startswith(("/api", "/v3")):
            continue
        for method in methods:
            path = re.sub(r"<[^>]+>", "1", rule.rule)
            assert viewing_operator.open(path, method=method).status_code == 403, (method, path)
    for path in ("cards/captured", "cards/new", "returned"):
        assert viewing_operator.get(f"{MAIN}/{path}").status_code == 403
    assert viewing_operator.get("/billing/payments/returned?key=x").status_code == 403
    assert database_rows() == before


def test_ending_the_view_returns_to_the_operators_page(viewing_operator, account):
    back = viewing_operator.post("/operator/views/end")
    assert (back.status_code, back.location) == (303, account)
    assert viewing_operator.get(MAIN).status_code == 403


def test_without_the_second_factor_the_view_ends(viewing_operator, world, operator):
    world.session.get(User, operator).totp_secret = None
    world.session.commit()
    assert viewing_operator.get(MAIN).location == "/settings/second-factor/new"


def test_an_operator_suspends_closes_and_reopens_v4(pat, world, account):
    """V4, P2: each with a reason; closing says what happens to the balance."""
    page = pat.get(account).text
    assert "External id" in page
    refused = pat.post(f"{account}/state", data={"state": "suspended", "reason": " "})
    assert refused.status_code == 422
    assert "Enter a reason" in refused.text
    assert pat.post(f"{account}/state", data={"state": "gone", "reason": "x"}).status_code == 400

    def press(state, **more):
        form = {"state": state, "reason": "Unpaid", **more}
        return pat.post(f"{account}/state", data=form, follow_redirects=True)

    assert "The account is suspended." in press("suspended").text
    assert "Suspended" in pat.get("/operator").text
    assert "Resume" in pat.get(account).text
    assert "The account is active." in press("active").text
    assert "choose payout or write_off" in press("closed").text
    assert "The account is closed." in press("closed", closing_balance="payout").text
    assert balance(world) == 0
    assert "The account is active." in press("active").text
    changes = audits(world, "account_suspended", "account_closed", "account_reactivated")
    assert [what for what, *_ in changes] == [
        "account_suspended", "account_reactivated", "account_closed", "account_reactivated",
    ]  # fmt: skip
    assert all(who.endswith(", your provider") for _, who, _ in changes)


def test_a_change_of_state_asks_for_the_operators_code_v4(pat, world, account):
    """V4: as other sensitive pages do."""
    world.clock.wait(minutes=16)
    answer = pat.post(f"{account}/state", data={"state": "suspended", "reason": "Unpaid"})
    assert answer.status_code in (401, 403, 422)
    world.session.rollback()
    assert world.session.get(Account, world.account_id, populate_existing=True).state == "active"


def test_a_resumption_that_charges_asks_first_v4_t18(pat, world, account):
    """V4, T18"""
    world.cards(VISA)
    world.refill()
    pat.post(f"{account}/state", data={"state": "suspended", "reason": "Unpaid"})
    world.use("60.00")
    pat.post(f"{account}/state", data={"state": "active", "reason": "Paid"})
    world.session.rollback()
    assert world.session.get(Account, world.account_id, populate_existing=True).state == "suspended"
    pat.post(f"{account}/state", data={"state": "active", "reason": "Paid",
                                       "confirmed": "100000000"})  # fmt: skip
    world.work()
    assert world.tries == [("4242", "100.00", "paid")]
