"""The operator's side: each deed once and with its reason, and looking without touching."""

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
from webapp.domain.accounts.audit import AuditEntry
from webapp.domain.notifications.outbox import Notice, NoticeKind, NoticeState, enqueue_personal
from webapp.domain.shared import signed_links
from webapp.domain.shared.i18n import Language
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
    query = world.session.query(AuditEntry).order_by(AuditEntry.id)
    return [(e.what, e.actor_name, e.details) for e in query if e.what in whats]


def balance(world):
    world.session.rollback()
    return world.session.get(Account, world.account_id, populate_existing=True).balance


def key_in(page):
    return re.search(r'name="request_key" value="([^"]+)"', page.text)[1]


def test_without_a_second_factor_there_is_nothing_but_setting_it_up(app, world, operator):
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


def test_an_adjustment_moves_money_once_and_says_why(pat, world, account):
    """P2, L2: a double click is one adjustment."""
    form = {"amount": "25.00", "direction": "off", "request_key": key_in(pat.get(account))}
    refused = pat.post(f"{account}/adjustments", data={**form, "reason": " "})
    assert refused.status_code == 422
    assert "Say why" in words(refused)
    assert balance(world) == 100_000_000
    for _ in range(2):
        done = pat.post(f"{account}/adjustments", data={**form, "reason": "Billed twice"})
        assert done.status_code == 303
    assert balance(world) == 75_000_000
    ((_, who, details),) = audits(world, "adjusted")
    assert who == "Pat Noor, your provider"
    assert details == {"amount": -25_000_000, "reason": "Billed twice"}


@pytest.mark.parametrize("amount", ["", "0", "-5", "x", "1.001", "9" * 30])
def test_an_amount_that_is_none(pat, world, account, amount):
    form = {"amount": amount, "reason": "Why", "request_key": "k" * 32}
    answer = pat.post(f"{account}/adjustments", data=form)
    assert answer.status_code == 422
    assert errors(answer)["amount"]
    assert balance(world) == 100_000_000


def test_money_asks_for_a_fresh_proof(pat, world, account):
    world.clock.wait(minutes=16)
    form = {"amount": "25.00", "reason": "Why", "request_key": "k" * 32}
    assert pat.post(f"{account}/adjustments", data=form).status_code == 401
    assert balance(world) == 100_000_000


def test_what_the_operator_pauses_only_the_operator_resumes(pat, client, world, account):
    """T10: and the customer is told by whom."""
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


def test_paypal_is_offered_with_a_reason(pat, world, account):
    """M11, P2"""
    assert pat.post(f"{account}/paypal", data={"on": "1", "reason": ""}).status_code == 422
    assert pat.post(f"{account}/paypal", data={"on": "1", "reason": "Asked"}).status_code == 303
    ((_, _, details),) = audits(world, "paypal_allowed")
    assert details == {"allowed": True, "reason": "Asked"}


def test_the_staff_reads_the_raw_code_and_the_customer_does_not(pat, client, world, account):
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
    """L5: with what arrived, and how the staff knows."""
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


def test_a_wire_in_another_currency(pat, world):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    path = f"/operator/wires/{wire.id}"
    form = {"amount": "975.78", "received": "900.00", "rate": "x", "reason": "Line 7"}
    assert "rate" in errors(pat.post(f"{path}/completion", data=form))
    assert pat.post(f"{path}/completion", data={**form, "rate": "1.0842"}).status_code == 303


@pytest.fixture
def given_up(world):
    """The id of a mail to the account."""
    wires.ask(world)
    notice = world.session.query(Notice).first()
    notice.state, notice.last_error = NoticeState.FAILED, "550 no such user"
    world.session.commit()
    return notice.id


@pytest.fixture
def own(world):
    """The id of a mail that is a person's own."""
    world.session.rollback()
    facts = {"name": "Ana", "email": "ana@example.com", "until": "today", "link": [1, 0]}
    kind, now = NoticeKind.RESET_PASSWORD, world.clock.now()
    about = (kind, facts, Language.ENGLISH, now)
    enqueue_personal(world.session, world.owner.user_id, "ana@example.com", *about)
    world.session.commit()
    return world.session.query(Notice).order_by(Notice.id.desc()).first().id


def test_every_mail_is_listed_with_its_state(pat, world, given_up, own):
    """N3: a person's own, too, which belongs to no account."""
    page = words(pat.get("/operator/mails"))
    assert "Harbour Voice Failed 550 no such user Try again" in page
    assert "Choose a new password ana@example.com Ana Ruiz Waiting" in page
    world.work()
    notice = world.session.get(Notice, own)
    assert notice.state == "kept"
    page = words(pat.get("/operator/mails?kind=reset_password&state=kept"))
    assert "Not sent (no mail server)" in page
    assert "No emails match" in words(pat.get("/operator/mails?q=nobody@"))


def test_what_an_address_asks_for_and_cannot_be_read_filters_nothing(pat, given_up):
    page = pat.get("/operator/mails?state=lost&kind=x&from=y&to=2026-99-01&before=x&q=%00")
    assert "550 no such user" in words(page)


def test_a_mail_that_was_given_up_is_tried_again(pat, world, given_up):
    """N3, P2: under the Message-ID that it has."""
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


class Postman(OutboxMailer):
    delivers = True

    def connected(self):
        return nullcontext(self)

    def send(self, letter, recipients, message_id, *, stop_link=""):
        self.brought = [*getattr(self, "brought", []), (recipients, message_id)]


@pytest.fixture
def postman(app):
    """From now on there is a mail server."""
    mailer = Postman(TEMPLATES, "http://localhost", signed_links.masked)
    it = app.extensions["ballast"]
    app.extensions["ballast"] = replace(it, mailer=mailer)
    return mailer


def test_what_was_kept_goes_out_once_there_is_a_mail_server_and_what_was_sent_never_again(
    pat, world, own, request
):
    """N3: no mail twice, none lost."""
    world.work()
    path = f"/operator/mails/{own}"
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 409
    assert "Once there is one, you can send the email here" in words(pat.get(path))
    postman = request.getfixturevalue("postman")
    assert "Send" in words(pat.get(path))
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 303
    now = world.clock.now()
    assert send_emails(world.session, postman, world.clock) == 1
    notice = world.session.get(Notice, own)
    assert (notice.state, notice.sent_at) == ("sent", now)
    assert postman.brought == [(["ana@example.com"], notice.message_id)]
    assert "so it is not sent again" in words(pat.get(path))
    assert pat.post(f"{path}/tries", data={"reason": "Asked"}).status_code == 409


def test_what_had_no_address_does_not_go_out(pat, world, given_up, postman):
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


def signed(app, text):
    """Tokens of ours in a text."""
    tokens = {word for word in re.split(r"[^\w.-]+", text) if "." in word}
    return {it for it in tokens for p in PURPOSES if signed_links.read(app.secret_key, p, it)}


@pytest.mark.parametrize("kind", FACTS)
def test_no_link_in_a_mail_can_be_used_by_who_only_reads_it(pat, app, world, kind):
    """P2, F7: what was signed for its recipient alone does not stand there."""
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

    assert not signed(app, read)
    assert bool(signed(app, sent.text + sent.html)) == (kind in SIGNED)
    assert ("/••••" in read) == (kind in SIGNED)


def test_each_mail_that_is_read_stands_in_the_audit_log(pat, client, world, given_up, own):
    """P2: once for its page and the frame in it; a person's own in the log of their accounts."""
    for notice_id in (given_up, own):
        pat.get(f"/operator/mails/{notice_id}")
        body = pat.get(f"/operator/mails/{notice_id}/body")
        assert body.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "default-src 'none'" in body.headers["Content-Security-Policy"]
    pat.get(f"/operator/mails/{given_up}/body")
    told = audits(world, "mail_read")
    assert [d["notice"] for _, _, d in told] == [given_up, own, given_up]
    page = words(client.get("/settings/audit-log"))
    assert "Choose a new password, to ana@example.com" in page
    assert pat.get("/operator/mails/999999").status_code == 404


# Customer view


@pytest.fixture
def looking(pat, account):
    assert pat.post(f"{account}/views", data={"reason": "Asked why"}).status_code == 303
    return pat


def test_each_look_stands_in_the_customers_audit_log(client, looking, world):
    """P2"""
    for path in (MAIN, "/billing/payments", "/settings/audit-log"):
        page = words(looking.get(path))
        assert "You are viewing Harbour Voice as its customer. Controls are off." in page
    looking.get("/billing/balance?seen=0")  # polled by open pages
    told = audits(world, "view_begun", "viewed")
    assert told[0][2] == {"reason": "Asked why"}
    assert [d["page"] for _, _, d in told[1:]] == [MAIN, "/billing/payments", "/settings/audit-log"]
    page = words(client.get("/settings/audit-log"))
    assert "Pat Noor, your provider" in page
    assert "Asked why" in page


def test_the_links_of_the_customers_mails_are_dead(client, looking, app, world):
    """F7, P2: on every page that shows what a mail says."""
    world.cards(VISA)
    world.refill()
    world.next_answer("decline", decline_code="authentication_required")
    world.use("60.00")
    world.work()
    (notice,) = world.mails_of("authentication_required")
    payment = world.attempts[0].payment_id
    pages = (f"/billing/payments/{payment}", f"/sandbox/outbox/{notice.id}")
    for path in (*pages, f"/sandbox/outbox/{notice.id}/body"):
        assert signed(app, client.get(path).text), path
        assert not signed(app, looking.get(path).text), path


def test_nothing_can_be_changed(app, looking, world, database_rows):
    """P2: every form of every page is refused, whatever it is."""
    before = database_rows()
    for rule in app.url_map.iter_rules():
        methods = (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        blueprint = rule.endpoint.partition(".")[0]
        if blueprint in ("operator", "session") or rule.rule.startswith(("/api", "/v3")):
            continue
        for method in methods:
            path = re.sub(r"<[^>]+>", "1", rule.rule)
            assert looking.open(path, method=method).status_code == 403, (method, path)
    for path in ("cards/captured", "cards/new", "returned"):
        assert looking.get(f"{MAIN}/{path}").status_code == 403
    assert looking.get("/billing/payments/returned?key=x").status_code == 403
    assert database_rows() == before


def test_and_back(looking, account):
    back = looking.post("/operator/views/end")
    assert (back.status_code, back.location) == (303, account)
    assert looking.get(MAIN).status_code == 403


def test_who_lost_the_second_factor_sees_no_account_any_more(looking, world, operator):
    world.session.get(User, operator).totp_secret = None
    world.session.commit()
    assert looking.get(MAIN).location == "/settings/second-factor/new"
