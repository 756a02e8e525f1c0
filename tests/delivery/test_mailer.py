import re
import socket
import threading
import time
from datetime import timedelta
from email import message_from_bytes, policy
from html.parser import HTMLParser

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from tests.host import free_port
from tests.smtp import serving, smtp_mailer
from webapp.clock import Clock
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.notifications.outbox import NoticeKind
from webapp.ports import Letter, MailRefused
from webapp.settings import ROOT

TEMPLATES = ROOT / "templates"
URL = "https://billing.example.com"
ACCOUNT = "Harbour Voice"


def sign(purpose: str, value: object) -> str:
    return f"signed-{value}"


FACTS = {
    NoticeKind.LOW_BALANCE: {
        "account_name": ACCOUNT,
        "balance": "$41.85",
        "threshold": "$75.00",
        "at": "Sun 22 Nov, 14:05",
        "what_next": "When your balance falls below $40.00, "
        "we’ll charge $100.00 to Visa •••• 4242.",
    },
    NoticeKind.RECEIPT: {
        "account_name": ACCOUNT,
        "amount": "$100.00",
        "method": "Mastercard •••• 4444",
        "reference": "P-000012",
        "balance_after": "$149.20",
        "at": "Sun 22 Nov, 14:05",
        "kind": "Automatic refill",
    },
    NoticeKind.METHOD_SUSPENDED: {
        "account_name": ACCOUNT,
        "method": "Visa •••• 4242",
        "amount": "$100.00",
        "reason": "Insufficient funds",
        "advice": "Add money to that account, or use another method.",
        "at": "Sun 22 Nov, 10:02",
        "until": "Tue 24 Nov, 10:02",
        "instead": "Mastercard •••• 4444 was charged $100.00 instead.",
    },
    NoticeKind.ALL_FAILED: {
        "account_name": ACCOUNT,
        "balance": "$12.30",
        "amount": "$100.00",
        "failures": [
            {"method": "Visa •••• 4242", "reason": "Insufficient funds"},
            {"method": "Mastercard •••• 4444", "reason": "Declined by the bank"},
        ],
        "what_next": "We try again on Tue 24 Nov, 10:02, or when a Retry succeeds.",
    },
    NoticeKind.LIMIT_REACHED: {
        "account_name": ACCOUNT,
        "sentence": "A refill of $100.00 would bring today’s automatic refills to $350.00.",
        "limit": "$300.00 a day",
        "until": "Mon 23 Nov, 00:00",
    },
    NoticeKind.TAKEN_BACK: {
        "account_name": ACCOUNT,
        "name": "Refund of P-000012, Visa •••• 4242",
        "came_back": False,
        "amount": "$40.00",
        "balance_after": "$23.40",
        "reference": "P-000012",
        "at": "Sun 22 Nov, 14:05",
    },
    NoticeKind.REFILL_BLOCKED: {
        "account_name": ACCOUNT,
        "balance": "$12.30",
        "threshold": "$50.00",
        "at": "Sun 22 Nov, 14:05",
        "reason": "Nothing can be charged: every method with auto-charge is out of use.",
        "skipped": [{"sentence": "Visa •••• 4242 is skipped because it has expired."}],
        "advice": "Retry or replace a payment method, or add funds.",
    },
    NoticeKind.PAUSED: {
        "account_name": ACCOUNT,
        "sentence": "A fourth refill within 10 minutes was due.",
    },
    NoticeKind.ACCOUNT_STATE: {
        "account_name": ACCOUNT,
        "what": "Your account is suspended",
        "follows": "Nothing is charged automatically. Payments you make yourself still work.",
        "reason": "Invoice 2026-17 is unpaid",
        "at": "Sun 22 Nov, 14:05",
    },
    NoticeKind.LIMITS_SET: {
        "account_name": ACCOUNT,
        "day_limit": "$1,500.00",
        "largest_charge": "$300.00",
    },
    NoticeKind.STILL_UNKNOWN: {
        "account_name": ACCOUNT,
        "amount": "$100.00",
        "method": "Visa •••• 4242",
        "since": "Sun 22 Nov, 13:05",
    },
    NoticeKind.AUTHENTICATION_REQUIRED: {
        "account_name": ACCOUNT,
        "amount": "$100.00",
        "method": "Visa •••• 3184",
        "at": "Sun 22 Nov, 13:05",
        "until": "Tue 24 Nov, 13:05",
        "instead": "Nothing was charged instead.",
        "attempt_id": 12,
    },
    NoticeKind.CARD_EXPIRING: {
        "account_name": ACCOUNT,
        "method": "Visa •••• 4242",
        "days": 30,
        "on": "31 December",
        "what_next": "When your balance falls below $50.00, "
        "we’ll charge $100.00 to Visa •••• 4242.",
    },
    NoticeKind.WIRE_REQUESTED: {
        "account_name": ACCOUNT,
        "request_id": "17",
        "reference": "WT-CDFG-HJKX",
        "amount": "$1,000.00",
        "bank": [
            {"label": "Beneficiary", "value": "Pier & Sons Ltd"},
            {"label": "IBAN", "value": "IE29 AIBK 9311 5212 3456 78"},
        ],
    },
    NoticeKind.WIRE_PROOF: {
        "account_name": ACCOUNT,
        "request_id": "17",
        "reference": "WT-CDFG-HJKX",
        "amount": "$1,000.00",
        "file": "transfer.pdf",
        "at": "Sun 22 Nov, 14:05",
    },
    NoticeKind.WIRE_COMPLETED: {
        "account_name": ACCOUNT,
        "request_id": "17",
        "reference": "WT-CDFG-HJKX",
        "amount": "$975.78",
        "received": "€900.00",
        "rate": "1 EUR = 1.0842 USD",
        "payment": "P-000012",
        "balance_after": "$1,039.18",
        "at": "Sun 22 Nov, 14:05",
    },
    NoticeKind.CONFIRM_EMAIL: {
        "name": "Ana Ruiz",
        "email": "ana@example.com",
        "until": "Wed 25 Nov, 14:05 UTC",
        "link": [1, "ana@example.com", 1764079500],
    },
    NoticeKind.RESET_PASSWORD: {
        "name": "Ana Ruiz",
        "email": "ana@example.com",
        "until": "Sun 22 Nov, 15:05 UTC",
        "link": [1, 0, 1764079500],
    },
    NoticeKind.PASSWORD_CHANGED: {
        "name": "Ana Ruiz",
        "email": "ana@example.com",
        "at": "Sun 22 Nov, 14:05 UTC",
    },
    NoticeKind.EMAIL_CHANGED: {
        "name": "Ana Ruiz",
        "new_email": "ana@example.org",
        "at": "Sun 22 Nov, 14:05 UTC",
    },
    NoticeKind.SECURITY_CHANGED: {
        "name": "Ana Ruiz",
        "what": "An API key was created",
        "detail": "Meter in Dublin",
        "at": "Sun 22 Nov, 14:05 UTC",
        "address": "203.0.113.24",
    },
    NoticeKind.WEBHOOK_ENDED: {
        "account_name": ACCOUNT,
        "url": "https://hooks.example.com/in",
        "last": "500 Internal Server Error",
        "gone": False,
        "since": "Tue 17 Nov, 14:05 UTC",
    },
    NoticeKind.INVITATION: {
        "account_name": ACCOUNT,
        "by": "Ana Ruiz",
        "roles": "Commercial, Technical",
        "until": "Sun 29 Nov, 14:05 UTC",
        "link": [4, 1],
    },
    NoticeKind.OWNERSHIP: {
        "account_name": ACCOUNT,
        "before": "Ana Ruiz",
        "after": "Bo Lind",
        "at": "Sun 22 Nov, 14:05 UTC",
    },
    NoticeKind.WIRE_REJECTED: {
        "account_name": ACCOUNT,
        "request_id": "17",
        "reference": "WT-CDFG-HJKX",
        "amount": "$1,000.00",
        "reason": "The transfer was called back by your bank.",
    },
    NoticeKind.WIRE_CANCELLED: {
        "account_name": ACCOUNT,
        "request_id": "17",
        "reference": "WT-CDFG-HJKX",
        "amount": "$1,000.00",
        "by": "Ana Ruiz",
        "at": "Sun 22 Nov, 14:05",
    },
}

SUBJECTS = {
    NoticeKind.LOW_BALANCE: "Your balance is $41.85, below $75.00",
    NoticeKind.RECEIPT: "Receipt: $100.00 paid with Mastercard •••• 4444",
    NoticeKind.METHOD_SUSPENDED: (
        "Visa •••• 4242 was declined and is suspended until Tue 24 Nov, 10:02"
    ),
    NoticeKind.ALL_FAILED: "No payment method could be charged",
    NoticeKind.LIMIT_REACHED: "Automatic refills have reached your limit of $300.00 a day",
    NoticeKind.PAUSED: "Automatic refills are paused",
    NoticeKind.REFILL_BLOCKED: (
        "Your balance is $12.30 and your automatic refill can’t be charged"
    ),
    NoticeKind.ACCOUNT_STATE: "Your account is suspended",
    NoticeKind.LIMITS_SET: "Your automatic refills have a new limit",
    NoticeKind.TAKEN_BACK: "$40.00 deducted: Refund of P-000012, Visa •••• 4242",
    NoticeKind.STILL_UNKNOWN: "Your payment of $100.00 is still pending",
    NoticeKind.AUTHENTICATION_REQUIRED: "Confirm $100.00 with your bank",
    NoticeKind.CARD_EXPIRING: "Visa •••• 4242 expires on 31 December",
    NoticeKind.WIRE_REQUESTED: "Bank details for your wire transfer of $1,000.00: WT-CDFG-HJKX",
    NoticeKind.WIRE_PROOF: "We received your proof of payment for WT-CDFG-HJKX",
    NoticeKind.WIRE_COMPLETED: "Receipt: $975.78 paid by wire transfer",
    NoticeKind.CONFIRM_EMAIL: "Confirm your email address",
    NoticeKind.RESET_PASSWORD: "Choose a new password",
    NoticeKind.PASSWORD_CHANGED: "Your password was changed",
    NoticeKind.EMAIL_CHANGED: "Your email address was changed",
    NoticeKind.SECURITY_CHANGED: "An API key was created",
    NoticeKind.WEBHOOK_ENDED: "A webhook was switched off",
    NoticeKind.INVITATION: "Ana Ruiz invited you to Harbour Voice",
    NoticeKind.OWNERSHIP: "Bo Lind is now the owner of Harbour Voice",
    NoticeKind.WIRE_REJECTED: "Your wire transfer WT-CDFG-HJKX was rejected",
    NoticeKind.WIRE_CANCELLED: "Your wire transfer WT-CDFG-HJKX was cancelled",
}

EVERY_KIND = pytest.mark.parametrize("kind", list(NoticeKind))


def render(kind, **changes):
    return OutboxMailer(TEMPLATES, f"{URL}/", sign).render(kind, FACTS[kind] | changes, "en")


def unbroken(text):
    """Join the words of a card's name with no-break spaces."""
    return text.replace(" •••• ", "\N{NO-BREAK SPACE}••••\N{NO-BREAK SPACE}")


class Page(HTMLParser):
    """Text and links of an HTML email as a mail program shows them."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.links, self.hidden = [], [], 0
        self.feed(html)
        self.text = re.sub(r"[^\S\xa0\u202f]+", " ", " ".join(self.texts))

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("style", "title")
        if "href" in dict(attrs):
            self.links.append(dict(attrs)["href"])

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "title")

    def handle_data(self, data):
        if not self.hidden:
            self.texts.append(data)


def required_texts(facts):
    """Yield each string that an email must contain; ids are in its link, numbers in its subject."""
    for name, value in facts.items():
        if name in ("request_id", "attempt_id", "days", "came_back", "gone", "link"):
            continue
        if isinstance(value, list):
            for item in value:
                yield from required_texts(item)
        else:
            yield value


@EVERY_KIND
def test_the_subject_names_the_main_fact(kind):
    assert render(kind).subject == unbroken(SUBJECTS[kind])


@EVERY_KIND
def test_text_and_html_both_name_every_fact(kind):
    letter = render(kind)
    page = Page(letter.html)

    for fact in map(unbroken, required_texts(FACTS[kind])):
        assert fact in letter.text
        assert fact in page.text
    assert len(page.links) == 1
    assert page.links[0].startswith(f"{URL}/")
    assert page.links[0] in letter.text


@EVERY_KIND
def test_emails_contain_no_exclamation_marks_or_underscores(kind):
    letter = render(kind)

    assert "!" not in letter.subject + letter.text + Page(letter.html).text
    assert "_" not in letter.text
    assert "\n\n\n" not in letter.text


@EVERY_KIND
def test_names_are_escaped_in_html_only(kind):
    letter = render(kind, account_name="<script>alert(1)</script> & Sons")

    assert "<script>" not in letter.html
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Sons" in letter.html
    assert "<script>alert(1)</script> & Sons" in letter.text
    assert "&amp;" not in letter.subject + letter.text


@EVERY_KIND
def test_every_fact_is_required(kind):
    mailer = OutboxMailer(TEMPLATES, URL, sign)
    for missing in FACTS[kind]:
        facts = {name: fact for name, fact in FACTS[kind].items() if name != missing}
        with pytest.raises(UndefinedError, match=missing):
            mailer.render(kind, facts, "en")


@pytest.mark.parametrize("newline", ["\n", "\r", "\r\n", "\v", "\x1c", "\x85", "\u2028"])
def test_a_subject_is_one_line(newline):
    subject = render(NoticeKind.RECEIPT, method=f"Visa{newline}Bcc: all@example.com").subject

    assert subject == "Receipt: $100.00 paid with Visa Bcc: all@example.com"


def test_a_suspension_without_an_end_says_what_ends_it():
    letter = render(NoticeKind.METHOD_SUSPENDED, until="")

    assert letter.subject == unbroken(
        "Visa •••• 4242 was declined and won’t be charged automatically"
    )
    for body in (letter.text, Page(letter.html).text):
        assert "until you retry it successfully or replace it" in body


def test_a_low_balance_email_has_the_facts_of_n3():
    letter = render(NoticeKind.LOW_BALANCE)

    for label in ("Account: Harbour Voice", "Balance: $41.85", "Threshold: $75.00", "Time: Sun"):
        assert label in letter.text
    assert f"{URL}/billing/payment-methods" in letter.text


def test_an_unknown_kind_is_an_error():
    with pytest.raises(TemplateNotFound):
        OutboxMailer(TEMPLATES, URL, sign).render("birthday", {}, "en")


def test_without_a_server_sending_is_an_error():
    mailer = OutboxMailer(TEMPLATES, URL, sign)

    assert not mailer.delivers
    with pytest.raises(RuntimeError):
        send(mailer, Letter("s", "t", "h", "en"), ["ana@example.com"], "1@ballast")


class Inbox:
    """A mail server that records accepted emails and can refuse."""

    def __init__(self):
        self.mails = []
        self.refuses = ()

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refuses:
            return "550 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.refuses == "everything":
            return "554 Not today"
        self.mails.append(envelope)
        return "250 OK"

    def only_email(self):
        (envelope,) = self.mails
        return message_from_bytes(envelope.content, policy=policy.default)


@pytest.fixture
def inbox():
    return Inbox()


@pytest.fixture
def port(inbox):
    port = free_port()
    with serving(port, inbox):
        yield port


def smtp(port, **options):
    return smtp_mailer(port, sign=sign, public_url=URL, **{"timeout": 0.5} | options)


def send(mailer, letter, recipients, message_id, **options):
    with mailer.connected() as outgoing:
        outgoing.send(letter, recipients, message_id, **options)


def test_an_email_has_both_alternatives(inbox, port):
    mailer = smtp(port)
    letter = mailer.render(NoticeKind.METHOD_SUSPENDED, FACTS[NoticeKind.METHOD_SUSPENDED], "en")

    assert mailer.delivers
    send(mailer, letter, ["ana@example.com", "books@example.com"], "ab12@ballast")

    mail = inbox.only_email()
    assert inbox.mails[0].rcpt_tos == ["ana@example.com", "books@example.com"]
    assert inbox.mails[0].mail_from == "billing@example.com"
    assert mail["Message-ID"] == "<ab12@ballast>"
    assert mail["Subject"] == letter.subject
    assert mail["From"] == "Ballast <billing@example.com>"
    assert {a.addr_spec for a in mail["To"].addresses} == {"ana@example.com", "books@example.com"}
    assert abs(mail["Date"].datetime - Clock().now()) < timedelta(minutes=1)
    assert mail["Auto-Submitted"] == "auto-generated"
    for kind, sent in (("plain", letter.text), ("html", letter.html)):
        got = mail.get_body(preferencelist=(kind,))
        assert got.get_content_type() == f"text/{kind}"
        assert got.get_content().splitlines() == sent.splitlines()


def test_long_lines_are_wrapped_for_transport(inbox, port):
    sentence = "If it is declined, Mastercard •••• 4444. " * 100
    send(smtp(port), Letter("s", sentence, sentence, "en"), ["ana@example.com"], "1@ballast")

    assert inbox.mails[0].content.isascii()
    assert max(map(len, inbox.mails[0].content.splitlines())) < 998
    assert inbox.only_email().get_body(("plain",)).get_content().strip() == sentence.strip()


def test_a_repeated_email_has_the_same_message_id(inbox, port):
    mailer = smtp(port)
    for _ in range(2):
        send(mailer, Letter("s", "t", "h", "en"), ["ana@example.com"], "ab12@ballast")

    assert [re.findall(rb"Message-ID: (.*)\r\n", mail.content) for mail in inbox.mails] == [
        [b"<ab12@ballast>"],
        [b"<ab12@ballast>"],
    ]


def test_the_sender_may_have_a_display_name(inbox, port):
    send(
        smtp(port, sender='"Tide, Ltd" <money@tide.example>'),
        Letter("s", "t", "h", "en"),
        ["ana@example.com"],
        "1@ballast",
    )

    (sender,) = inbox.only_email()["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Tide, Ltd", "money@tide.example")


def test_an_international_domain_is_encoded_as_ascii(inbox, port):
    send(smtp(port), Letter("s", "t", "h", "en"), ["ana@bücher.example"], "1@ballast")

    assert inbox.mails[0].rcpt_tos == ["ana@xn--bcher-kva.example"]


def test_an_unreachable_server_is_a_failure():
    with pytest.raises(MailRefused, match="refused"):
        send(smtp(free_port()), Letter("s", "t", "h", "en"), ["ana@example.com"], "1@ballast")


def test_a_silent_server_times_out():
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        started = time.monotonic()
        with pytest.raises(MailRefused, match="timed out"):
            send(
                smtp(stalled.getsockname()[1]),
                Letter("s", "t", "h", "en"),
                ["ana@example.com"],
                "1@ballast",
            )
        assert time.monotonic() - started < 2


def test_a_rejected_email_is_a_failure(inbox, port):
    inbox.refuses = "everything"
    with pytest.raises(MailRefused, match=r"^554 Not today$"):
        send(smtp(port), Letter("s", "t", "h", "en"), ["ana@example.com"], "1@ballast")


def test_a_rejected_recipient_fails_alone_and_is_logged_beside_an_accepted_one(inbox, port, caplog):
    inbox.refuses = ("gone@example.com",)
    with pytest.raises(MailRefused, match=r"^550 No such user$"):
        send(smtp(port), Letter("s", "t", "h", "en"), ["gone@example.com"], "1@ballast")

    send(
        smtp(port),
        Letter("s", "t", "h", "en"),
        ["gone@example.com", "ana@example.com"],
        "2@ballast",
    )

    assert [mail.rcpt_tos for mail in inbox.mails] == [["ana@example.com"]]
    assert "2@ballast" in caplog.text
    assert "550" in caplog.text


def test_an_accepted_email_is_sent_even_if_quit_fails():
    lines = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection, connection.makefile("rwb", buffering=0) as stream:
                stream.write(b"220 hello\r\n")
                body = False
                for line in map(bytes.upper, stream):
                    lines.append(line)
                    if line == b"QUIT\r\n":
                        return
                    if line == b"DATA\r\n":
                        body = True
                        stream.write(b"354 go on\r\n")
                    elif line == b".\r\n" or not body:
                        body = False
                        stream.write(b"250 OK\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        send(
            smtp(server.getsockname()[1]),
            Letter("s", "t", "h", "en"),
            ["ana@example.com"],
            "1@ballast",
        )
        thread.join()

    assert lines[-1] == b"QUIT\r\n"


def test_missing_tls_or_authentication_is_a_failure(inbox, port):
    for other in ({"use_tls": True}, {"username": "ballast", "password": "geheim"}):
        with pytest.raises(MailRefused, match="not supported"):
            send(smtp(port, **other), Letter("s", "t", "h", "en"), ["ana@example.com"], "1@ballast")

    assert inbox.mails == []


@pytest.mark.parametrize(
    "address",
    [
        "ana@example.com\nBcc: all@example.com",
        "ana@example.com\r\nRCPT TO:<all@example.com>",
        "ana@example.com\n",
        "ana@example.com, all@example.com",
        "Ana <ana@example.com>",
        "ana @example.com",
        "ana@",
        "ana@example..com",
        "ana@one@two.example",
        "ana",
        "",
    ],
)
def test_an_invalid_address_is_refused_before_connecting(inbox, port, address):
    with pytest.raises(MailRefused, match="is not an address"):
        send(smtp(port), Letter("s", "t", "h", "en"), ["ana@example.com", address], "1@ballast")

    assert inbox.mails == []


def test_an_email_without_recipients_is_refused(port):
    with pytest.raises(MailRefused, match="no recipient"):
        send(smtp(port), Letter("s", "t", "h", "en"), [], "1@ballast")
