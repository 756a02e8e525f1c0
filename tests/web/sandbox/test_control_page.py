"""The sandbox page, the outbox, and the sandbox processor's card form."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from html import unescape
from threading import Barrier, BrokenBarrierError

import pytest

from tests.factories import DECLINING, MASTERCARD, VISA, signed_in_cookie, unsigned
from webapp.app import TEMPLATES
from webapp.delivery.mailer import SmtpMailer
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payment_methods.payment_method import MethodKind, PaymentMethod
from webapp.domain.shared.money import MICROS
from webapp.domain.usage.record import NO_HOLD
from webapp.domain.users import rate_limits
from webapp.domain.users.user import Membership, Role, User
from webapp.ports import ChargeRequest, MethodGone
from webapp.processors.sandbox.books import NextAnswer
from webapp.processors.sandbox.records import AnswerKind
from webapp.processors.sandbox.reversals import Reversals
from webapp.settings import CardProcessor, PayPalProcessor
from webapp.web.sandbox.control_page_view import DECLINES, in_words

CARD = {
    "number": "4242 4242 4242 4242",
    "expiry": "12 / 34",
    "security_code": "987",
    "cardholder": "Ana Ruiz",
    "country": "IE",
    "line": "12 Harbour Road",
    "city": "Dublin",
    "postcode": "D18 A4R6",
    "return_to": "/billing/payment-methods/cards/captured",
    "state": "a&b",
}
LOST = "4000000000009987"
CHALLENGED = "4000002500003155"
BACK = "/billing/payment-methods/returned"


def words(answer):
    """Return the response's visible text."""
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def errors(answer):
    """Return the errors by field."""
    found = re.findall(r'id="(\w+)-error">([^<]*)<', answer.text)
    return {field: unescape(error) for field, error in found if error}


def region(answer, name):
    """Return the text of the section with this heading."""
    sections = re.findall(r"<section\b.*?</section>", answer.text, flags=re.DOTALL)
    return next(" ".join(re.sub(r"<[^>]+>", " ", s).split()) for s in sections if name in s)


# Access


EVERYTHING = [
    ("get", "/sandbox"),
    ("get", "/sandbox/outbox"),
    ("get", "/sandbox/outbox/1"),
    ("get", "/sandbox/outbox/1/body"),
    ("post", "/sandbox/usage"),
    ("post", "/sandbox/clock"),
    ("post", "/sandbox/answers"),
    ("post", "/sandbox/answers/removal"),
    ("post", "/sandbox/agreements/agr_1/cancellation"),
]


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_a_signed_out_visitor_is_redirected_to_sign_in(app, method, path):
    """P1"""
    answer = getattr(app.test_client(), method)(path)

    assert answer.status_code == 303
    assert "/sign-in" in answer.location


@pytest.mark.parametrize(("method", "path"), EVERYTHING)
def test_the_sandbox_needs_the_billing_right(client, session, method, path):
    """P1"""
    session.query(Membership).update({"role": Role.TECHNICAL})
    session.commit()

    assert getattr(client, method)(path).status_code == 403


@pytest.mark.parametrize("path", [path for method, path in EVERYTHING if method == "post"])
def test_every_change_needs_a_csrf_token(app, client, path):
    app.config["WTF_CSRF_ENABLED"] = True

    assert client.post(path, data={"amount": "1", "hours": "1"}).status_code == 400


def test_the_page_has_its_sections_and_buttons(client):
    page = client.get("/sandbox")

    assert page.status_code == 200
    for name in ("Post usage", "Clock", "Outbox", "Next answers", "Charges"):
        assert f">{name}</h2>" in page.text
    assert re.search(r'<label for="amount">Amount</label>', page.text)
    assert re.search(r'<label for="hours">Hours</label>', page.text)
    assert "Post usage</button>" in page.text
    assert "Advance clock</button>" in page.text


# Post usage


@pytest.mark.parametrize("amount", ["1000.01", "215000", "9" * 12])
def test_usage_above_usage_max_is_refused_beside_its_field_l14(client, world, amount):
    """L14."""
    answer = client.post("/sandbox/usage", data={"amount": amount})
    assert answer.status_code == 422
    assert "At most 1000.00 in one usage record" in answer.text
    assert world.balance == "100.00"


def test_usage_debits_the_balance_and_shows_a_message(client, world):
    """L1"""
    answer = client.post("/sandbox/usage", data={"amount": "12.345678"})

    assert (answer.status_code, answer.location) == (303, "/sandbox")
    assert world.balance == "87.654322"
    page = client.get("/sandbox")
    assert "12.345678 USD posted. The balance is $87.65." in words(page)


def test_the_same_form_sent_twice_debits_once(client, world):
    """L12"""
    key = re.search(r'name="key" value="(\w+)"', client.get("/sandbox").text)[1]

    for message in ("10.00 USD posted", "nothing was debited again"):
        page = client.post(
            "/sandbox/usage", data={"amount": "10", "key": key}, follow_redirects=True
        )
        assert message in words(page)

    assert world.balance == "90.00"


def test_a_reference_with_another_amount_is_reported(client, world):
    """L12"""
    world.use("10", reference="call-1")

    page = client.post(
        "/sandbox/usage", data={"amount": "11", "reference": "call-1"}, follow_redirects=True
    )

    assert world.balance == "90.00"
    assert "call-1 was posted before with another amount" in words(page)


def test_usage_below_the_threshold_causes_a_refill(client, world):
    """T3, T4: the page only posts usage."""
    world.card(auto_charge=True)
    world.refill("50.00", "100.00")

    client.post("/sandbox/usage", data={"amount": "60"})
    world.work()

    assert world.balance == "140.00"
    assert "Paid Automatic" in region(client.get("/sandbox"), "Charges")


@pytest.mark.parametrize(
    ("amount", "sentence"),
    [("", "Enter an amount"), ("0", NO_HOLD), ("1.2345678", "At most 6 decimals")],
)
def test_an_invalid_amount_stays_beside_its_error(client, world, amount, sentence):
    answer = client.post("/sandbox/usage", data={"amount": amount, "reference": "call-7"})

    assert answer.status_code == 422
    assert errors(answer) == {"amount": sentence}
    assert 'value="call-7"' in answer.text
    assert world.balance == "100.00"


# Clock


def test_the_clock_moves_and_the_page_shows_its_offset(client, world):
    """F1: 48 hours pass in a click."""
    assert "Same as the wall clock" in region(client.get("/sandbox"), "Clock")

    answer = client.post("/sandbox/clock", data={"hours": "48"})

    assert answer.status_code == 303
    assert world.books.clock_offset() == timedelta(hours=48)
    shown = region(client.get("/sandbox"), "Clock")
    assert "2 days ahead of the wall clock" in shown
    assert "Sun 22 Nov, 10:00 UTC" in shown


@pytest.mark.parametrize("hours", ["", "0", "-1", "soon", "8785", "1e3", "٤٨"])
def test_invalid_hours_are_refused(client, world, hours):
    answer = client.post("/sandbox/clock", data={"hours": hours})

    assert answer.status_code == 422
    assert list(errors(answer)) == ["hours"]
    assert world.books.clock_offset() == timedelta(0)


def test_the_clock_cannot_move_beyond_its_limit(client, world):
    answers = [client.post("/sandbox/clock", data={"hours": "8784"}) for _ in range(21)]

    assert [answer.status_code for answer in answers] == [303] * 20 + [422]


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (timedelta(0), ""),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=1, minutes=30), "1 hour 30 minutes"),
        (timedelta(hours=49), "2 days 1 hour"),
    ],
)
def test_an_offset_in_words(offset, expected):
    assert in_words(offset) == expected


# Scripted answers


def test_an_answer_is_queued_shown_and_cleared(client, world):
    world.card()

    client.post(
        "/sandbox/answers",
        data={"kind": "decline", "decline_code": "lost_card", "seconds": "2", "last4": "4242"},
    )

    queued = world.books.next_answers()
    assert queued == [NextAnswer(AnswerKind.DECLINE, "lost_card", 2.0, "4242")]
    shown = region(client.get("/sandbox"), "Next answers")
    assert "Decline: lost card, after 2 s, for the card •••• 4242" in shown

    client.post("/sandbox/answers/removal")
    assert world.books.next_answers() == []


@pytest.mark.parametrize("kind", list(AnswerKind))
def test_every_kind_of_answer_can_be_queued(client, world, kind):
    data = {"kind": str(kind), "decline_code": "insufficient_funds", "seconds": "", "last4": ""}

    assert client.post("/sandbox/answers", data=data).status_code == 303
    assert [answer.kind for answer in world.books.next_answers()] == [kind]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "explode"}, "kind"),
        ({"kind": "decline", "decline_code": "invented"}, "decline_code"),
        ({"kind": "slow", "seconds": "31"}, "seconds"),
        ({"kind": "slow", "seconds": "-1"}, "seconds"),
        ({"kind": "slow", "last4": "42"}, "last4"),
    ],
)
def test_an_invalid_answer_is_refused_beside_its_field(client, world, fields, field):
    answer = client.post("/sandbox/answers", data=fields)

    assert answer.status_code == 422
    assert list(errors(answer)) == [field]
    assert world.books.next_answers() == []


def test_decline_reasons_are_in_plain_words(client):
    """F2"""
    shown = words(client.get("/sandbox"))

    assert "Insufficient funds" in shown
    assert not [code for code in DECLINES if "_" in code and code in shown]


# Charges


def test_the_processors_charges_are_shown(client, world):
    visa = world.card()
    declining = world.card(DECLINING)
    world.pay(visa, "100.00")
    world.pay(declining, "250.00")

    shown = region(client.get("/sandbox"), "Charges")

    assert shown.index("$250.00") < shown.index("$100.00")
    assert "Visa •••• 0341 Declined Customer present · Declined by the bank" in shown
    assert "Visa •••• 4242 Paid Customer present" in shown


def test_another_accounts_charges_are_not_shown(client, world):
    """P1"""
    other = world.account()
    method = world.card(MASTERCARD, account_id=other.account_id)
    world.account_id, mine = other.account_id, world.account_id
    world.pay(method, "77.00")
    world.account_id = mine

    page = client.get("/sandbox")

    assert "$77.00" not in page.text
    assert "4444" not in page.text


def test_every_status_has_its_text(client, world):
    """F9"""
    processor = world.services.processors["sandbox"]
    reference = world.card().processor_reference
    for key in ("left", "given-up"):
        world.next_answer(AnswerKind.AUTHENTICATION_REQUIRED)
        processor.charge(ChargeRequest(key, 77 * MICROS, "USD", reference, customer_present=True))
    processor.cancel("given-up")

    shown = region(client.get("/sandbox"), "Charges")

    assert "Cancelled Customer present · Authentication not completed" in shown
    assert "Not paid Customer present · Authentication required" in shown


# PayPal agreements


@pytest.fixture
def agreement(world, session):
    """A saved method with the agreement of ana@example.com."""
    processor = world.services.processors["sandbox_paypal"]
    asked = processor.link(1, BACK)
    world.books.challenges.agree(asked.reference, "ana@example.com", world.clock.now())
    saved = processor.saving(1, asked.reference)
    method = PaymentMethod(
        account_id=world.account_id,
        kind=MethodKind.PAYPAL,
        position=1,
        processor="sandbox_paypal",
        processor_reference=saved.reference,
        fingerprint=saved.fingerprint,
        payer_email=saved.payer_email,
        created_at=world.clock.now(),
    )
    session.add(method)
    session.commit()
    return saved


def test_the_payer_can_cancel_the_agreement(client, world, agreement):
    """M13: the product gets no event, and the next payment is declined."""
    assert "Cancel agreement" in region(client.get("/sandbox"), "PayPal agreements")

    done = client.post(
        f"/sandbox/agreements/{agreement.reference}/cancellation", follow_redirects=True
    )

    assert "The agreement of ana@example.com is cancelled." in words(done)
    shown = region(done, "PayPal agreements")
    assert "Cancelled by the payer" in shown
    assert "Cancel agreement" not in shown
    answer = world.services.processors["sandbox_paypal"].charge(
        ChargeRequest("later", 77 * MICROS, "USD", agreement.reference, customer_present=False)
    )
    assert isinstance(answer, MethodGone)
    assert "PayPal ana@example.com" not in region(client.get("/sandbox"), "Charges")


def test_an_answer_can_be_queued_for_a_payer(client, world, agreement):
    client.post("/sandbox/answers", data={"kind": "slow", "last4": "ana@example.com"})

    shown = region(client.get("/sandbox"), "Next answers")
    assert "Answer slowly, for PayPal ana@example.com" in shown


def test_another_accounts_agreement_is_not_found(app, world, agreement):
    """P1"""
    other = world.account()
    stranger = app.test_client()
    with stranger.session_transaction() as cookie:
        cookie.update(signed_in_cookie(world.session, other.user_id, world.clock.wall()))

    path = f"/sandbox/agreements/{agreement.reference}/cancellation"

    assert stranger.post(path).status_code == 404
    assert "ana@example.com" not in stranger.get("/sandbox").text
    assert not world.books.agreements.find(agreement.reference).is_gone


# Outbox


@pytest.fixture
def receipt(world):
    world.pay(world.card(), "100.00")
    world.work()
    (notice,) = world.mails_of("receipt")
    return notice


def test_emails_are_listed_and_shown(client, receipt):
    """L6"""
    subject = "$100.00"
    for path in ("/sandbox", "/sandbox/outbox"):
        page = client.get(path)
        assert subject in page.text
        assert f'href="/sandbox/outbox/{receipt.id}"' in page.text
        assert "Not sent (no mail server)" in page.text

    mail = client.get(f"/sandbox/outbox/{receipt.id}")
    assert "Visa •••• 4242" in words(mail)
    assert f'src="/sandbox/outbox/{receipt.id}/body"' in mail.text


def test_an_emails_body_is_isolated(client, receipt):
    body = client.get(f"/sandbox/outbox/{receipt.id}/body")

    assert body.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    )
    assert body.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "$100.00" in body.text


@pytest.mark.parametrize("path", ["/sandbox/outbox/{}", "/sandbox/outbox/{}/body"])
def test_another_accounts_email_is_not_found(app, client, world, receipt, path):
    """P1"""
    other = world.account()
    stranger = app.test_client()
    with stranger.session_transaction() as cookie:
        cookie.update(signed_in_cookie(world.session, other.user_id, world.clock.wall()))

    assert stranger.get(path.format(receipt.id)).status_code == 404
    assert str(receipt.id) not in re.findall(
        r"/sandbox/outbox/(\d+)", stranger.get("/sandbox/outbox").text
    )


def use(app, world, **services):
    """Replace services of the installation."""
    world.services = app.extensions["ballast"] = replace(app.extensions["ballast"], **services)


@pytest.fixture
def reset_mail(client, world):
    """An email with a link to a new password for the signed-in person."""
    email = world.session.get_one(User, world.created.user_id).email
    client.post("/forgot-password", data={"email": email})
    return world.session.query(Notice).order_by(Notice.id.desc()).first()


TOKEN = re.compile(r"/reset-password/([\w.\-•]+)")


@pytest.mark.parametrize("page", ["/sandbox/outbox/{}", "/sandbox/outbox/{}/body"])
def test_links_work_only_if_the_outbox_is_the_mailbox(app, client, world, reset_mail, page):
    """They do not work with a mail server, or with a real processor in test mode."""
    page = page.format(reset_mail.id)
    assert set(TOKEN.findall(client.get(page).text)) != {"••••"}
    own = world.services
    smtp = SmtpMailer(TEMPLATES, "http://x", unsigned, server="x", port=25, sender="b@example.com")
    use(app, world, mailer=smtp)
    assert set(TOKEN.findall(client.get(page).text)) == {"••••"}
    stripe = own.settings.model_copy(update={"card_processor": CardProcessor.STRIPE})
    use(app, world, mailer=own.mailer, settings=stripe)
    assert set(TOKEN.findall(client.get(page).text)) == {"••••"}
    paypal = own.settings.model_copy(update={"paypal_processor": PayPalProcessor.PAYPAL})
    use(app, world, settings=paypal)
    assert set(TOKEN.findall(client.get(page).text)) == {"••••"}


# The card form, on another company's address


@pytest.fixture
def anyone(app):
    """A signed-out browser, with CSRF protection on."""
    app.config["WTF_CSRF_ENABLED"] = True
    return app.test_client()


JSON = {"Accept": "application/json"}


def test_a_script_gets_a_token(anyone, world):
    answer = anyone.post("/sandbox/cards", data=CARD, headers=JSON)

    assert answer.status_code == 201
    assert answer.json["token"].startswith("tok_")
    assert (
        world.services.processors["sandbox"].save_card(1, answer.json["token"], BACK).last4
        == "4242"
    )


def test_a_script_gets_an_error_for_each_field(anyone):
    answer = anyone.post("/sandbox/cards", data={"country": "IE"}, headers=JSON)

    assert answer.status_code == 422
    assert set(answer.json["errors"]) == {
        "number", "expiry", "security_code", "cardholder", "line", "city", "postcode",
    }  # fmt: skip


def test_a_challenged_card_gets_a_token(anyone):
    """M6: the challenge follows when the card is saved."""
    answer = anyone.post("/sandbox/cards", data=CARD | {"number": CHALLENGED}, headers=JSON)

    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (LOST, "Declined by the bank. Call your bank; it will tell you why."),
        ("4000000000009995", "Insufficient funds."),
    ],
)
def test_a_refused_card_has_a_plain_error(anyone, number, sentence):
    """M6, F2, F12"""
    answer = anyone.post("/sandbox/cards", data=CARD | {"number": number}, headers=JSON)

    assert answer.status_code == 422
    assert list(answer.json["errors"]) == ["form"]
    assert answer.json["errors"]["form"].startswith(sentence)


def test_without_javascript_the_token_is_in_the_redirect(anyone):
    """M7: the address contains a token, never a number."""
    answer = anyone.post("/sandbox/cards", data=CARD)

    assert answer.status_code == 303
    assert re.fullmatch(
        r"/billing/payment-methods/cards/captured\?token=tok_\w+&state=a%26b", answer.location
    )


def test_without_javascript_an_invalid_form_is_shown_with_its_errors(anyone):
    """M7: the input is kept, except the number and the security code."""
    answer = anyone.post("/sandbox/cards", data=CARD | {"city": "", "number": VISA[:-1] + "1"})

    assert answer.status_code == 422
    assert set(errors(answer)) == {"number", "city"}
    assert 'value="12 Harbour Road"' in answer.text
    assert 'value="a&amp;b"' in answer.text
    assert re.search(r'<option value="IE" selected>', answer.text)
    assert not re.search(r"4242|987", answer.text)
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_number_in_another_field_is_not_shown_again(anyone, world):
    """M7: as when a browser fills in the wrong field."""
    answer = anyone.post("/sandbox/cards", data=CARD | {"cardholder": f"Ana {VISA}"})

    assert errors(answer) == {"cardholder": "Leave the card number out of this field"}
    assert VISA not in answer.text


def test_card_data_is_not_logged(anyone, caplog):
    """M7"""
    caplog.set_level(logging.DEBUG)
    for number in (CARD["number"], LOST, VISA[:-1] + "1", "nonsense 4242"):
        for headers in ({}, JSON):
            anyone.post("/sandbox/cards", data=CARD | {"number": number}, headers=headers)

    assert not re.search(r"4242|9987|\b987\b", caplog.text)


@pytest.mark.parametrize(
    "return_to",
    ["", "billing", "//evil.test/", "/\\evil.test", "https://evil.test/", "/a\r\nSet-Cookie: x=1"],
)
def test_an_external_return_address_is_refused(anyone, return_to):
    answer = anyone.post("/sandbox/cards", data=CARD | {"return_to": return_to})

    assert answer.status_code == 400


def test_a_captured_card_is_listed(client, world):
    """M4, M7: through both companies, without JavaScript."""
    form = client.get("/billing/payment-methods/cards/new").text
    hidden = dict(re.findall(r'name="(state|return_to)" value="([^"]*)"', form))

    back = client.post("/sandbox/cards", data=CARD | hidden)
    done = client.get(back.location)

    assert done.status_code == 303
    assert [method.label for method in world.methods] == ["Visa •••• 4242"]


def paid_key(world):
    world.pay(world.card(VISA))
    return world.attempts[-1].key


def test_a_refund_on_the_page_is_debited_l7(client, world):
    key = paid_key(world)

    form = {"charge": key, "kind": "refund", "amount": "40.00"}
    page = client.post("/sandbox/taken-back", data=form, follow_redirects=True)

    assert "The charge was taken back." in page.text
    assert "Refund of $40.00, Visa •••• 4242" in page.text
    assert world.balance == "160.00"


@pytest.mark.parametrize(("end", "balance"), [("won", "200.00"), ("lost", "100.00")])
def test_a_dispute_on_the_page_is_decided_once_l7(client, world, end, balance):
    client.post("/sandbox/taken-back", data={"charge": paid_key(world), "kind": "dispute"})
    (row,) = world.books.reversals.all()

    client.post(f"/sandbox/taken-back/{row.reference}", data={"end": end})
    client.post(f"/sandbox/taken-back/{row.reference}", data={"end": "won"})

    assert world.balance == balance


def test_a_refund_above_the_remainder_is_refused(client, world):
    key = paid_key(world)

    form = {"charge": key, "kind": "refund", "amount": "100.01"}
    page = client.post("/sandbox/taken-back", data=form, follow_redirects=True)

    assert "That exceeds what is left of this charge." in page.text
    assert world.balance == "200.00"


def test_another_accounts_charges_and_methods_are_not_found_p1(client, world):
    other = world.account(email="other@example.com")
    card = world.card(VISA, account_id=other.account_id)
    strange = {"charge": "attempt-of-others", "kind": "refund"}

    assert client.post("/sandbox/taken-back", data=strange).status_code == 404
    assert client.post("/sandbox/taken-back/re_1", data={"end": "won"}).status_code == 404
    changed = client.post("/sandbox/methods", data={"method": card.id, "change": "remove"})
    assert changed.status_code == 404


@pytest.mark.parametrize(
    ("change", "expected"), [("remove", "No longer valid at the bank"), ("renew", "Expires 12/37")]
)
def test_a_method_changed_at_the_processor_is_updated_m13(client, world, change, expected):
    card = world.card(VISA)

    client.post("/sandbox/methods", data={"method": card.id, "change": change})

    assert expected in client.get("/billing/payment-methods").text


def test_one_of_several_concurrent_refunds_is_booked(app, client, world, sign_in):
    """L7: the other refunds are refused with a sentence."""
    world.pay(world.card(VISA), "100.00")
    key = world.attempts[-1].key
    people = [sign_in(world.created.user_id) for _ in range(6)]
    world.session.rollback()
    ready = Barrier(len(people), timeout=30)
    left_of = Reversals.left_of

    def together(afterwards, key):
        """Wait until all have read the remainder before the first one refunds."""
        left = left_of(afterwards, key)
        with suppress(BrokenBarrierError):
            ready.wait(0.5)
        return left

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(people)) as pool:
        patch.setattr(Reversals, "left_of", together)
        form = {"charge": key, "kind": "refund", "amount": "100.00"}
        answers = list(pool.map(lambda it: it.post("/sandbox/taken-back", data=form), people))
    assert {answer.status_code for answer in answers} == {303}
    assert len(world.books.reversals.all()) == 1
    refused = [
        person for person in people if "exceeds what is left" in words(person.get("/sandbox"))
    ]
    assert len(refused) == len(people) - 1


def test_the_card_form_is_throttled(app, world):
    """The form needs no session, and each card is stored as a row."""
    app.extensions["ballast"] = replace(
        world.services, settings=world.services.settings.model_copy(update={"rate_limits": True})
    )
    anyone = app.test_client()
    for _ in range(rate_limits.CAPTURE_FROM.times):
        assert anyone.post("/sandbox/cards", data=CARD, headers=JSON).status_code == 201
    refused = anyone.post("/sandbox/cards", data=CARD, headers=JSON)
    assert refused.status_code == 429
    assert "Too many cards sent" in refused.json["errors"]["form"]
    assert refused.headers["Retry-After"]
    page = anyone.post("/sandbox/cards", data=CARD)
    assert page.status_code == 429
    assert "Too many cards sent" in words(page)
    world.clock.advance(hours=1)
    assert anyone.post("/sandbox/cards", data=CARD, headers=JSON).status_code == 201
