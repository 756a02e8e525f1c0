"""The sandbox bank's and the sandbox PayPal's pages, without a session or CSRF token."""

import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from uuid import uuid4

import pytest

from tests.factories import CHALLENGED_ALWAYS, CHALLENGED_ONCE, CHALLENGED_THEN_DECLINED, card_form
from webapp.domain.shared.money import MICROS
from webapp.ports import (
    Cancelled,
    ChargeRequest,
    Declined,
    NeedsCustomer,
    Paid,
    SavedAgreement,
    SavedCard,
)
from webapp.processors.sandbox.card_form import read_card, token_for
from webapp.processors.sandbox.records import AnswerKind

BACK = "/billing/payment-methods/returned?a=1&b=2"
COMPLETE, FAIL = {"answer": "complete"}, {"answer": "fail"}
AGREE = {"answer": "agree", "email": " ana@example.com "}


@pytest.fixture
def anyone(app):
    """A signed-out browser, with CSRF protection on."""
    app.config["WTF_CSRF_ENABLED"] = True
    return app.test_client()


@pytest.fixture
def cards(world):
    return world.services.processors["sandbox"]


@pytest.fixture
def paypal(world):
    return world.services.processors["sandbox_paypal"]


@pytest.fixture
def saving(world, cards):
    token = token_for(world.books, card_form(CHALLENGED_ONCE), world.clock.now())
    return cards.save_card(1, token, BACK)


def paying(world, number=CHALLENGED_ALWAYS, return_to=BACK):
    """Return a charge request that is challenged, and its answer."""
    now = world.clock.now()
    reference = world.books.vault.keep(read_card(card_form(number), now), now)
    request = ChargeRequest(
        uuid4().hex, 123_450_000, "USD", reference, customer_present=True, return_to=return_to
    )
    return request, world.services.processors["sandbox"].charge(request)


def words(answer):
    """Return the response's visible text."""
    text = re.sub(r"<head\b.*?</head>|<[^>]+>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(text).split())


# The bank


def test_the_bank_asks_before_a_card_is_saved(anyone, saving):
    """M6"""
    page = anyone.get(saving.address)

    assert page.status_code == 200
    shown = words(page)
    assert "Merchant Ballast" in shown
    assert "Card Visa •••• 3155" in shown
    assert "verify this card" in shown
    for name in ("Complete authentication", "Fail authentication"):
        assert f"{name}</button>" in page.text
    assert CHALLENGED_ONCE not in page.text


def test_the_bank_asks_before_a_payment(anyone, world):
    """F4"""
    _, asked = paying(world)

    shown = words(anyone.get(asked.address))

    assert "Ballast wants to charge $123.45 now." in shown
    assert "Card Visa •••• 3184" in shown


def test_completing_saves_the_card_and_redirects_back(anyone, cards, saving):
    """M6"""
    answer = anyone.post(saving.address, data=COMPLETE)

    assert (answer.status_code, answer.location) == (303, BACK)
    assert isinstance(cards.saving(1, saving.reference), SavedCard)


def test_failing_saves_nothing_and_redirects_back(anyone, cards, saving):
    """M6"""
    answer = anyone.post(saving.address, data=FAIL)

    assert (answer.status_code, answer.location) == (303, BACK)
    assert isinstance(cards.saving(1, saving.reference), Declined)


@pytest.mark.parametrize(
    ("number", "data", "expected"),
    [
        (CHALLENGED_ALWAYS, COMPLETE, Paid),
        (CHALLENGED_ALWAYS, FAIL, Declined),
        (CHALLENGED_THEN_DECLINED, COMPLETE, Declined),
    ],
)
def test_a_payment_is_answered_once(anyone, world, cards, number, data, expected):
    """F4, L3: the first answer counts; later ones only redirect back."""
    request, asked = paying(world, number)

    for pressed in (data, data, FAIL, COMPLETE):
        answer = anyone.post(asked.address, data=pressed)
        assert (answer.status_code, answer.location) == (303, BACK)

    assert isinstance(cards.ask(request.key), expected)
    assert len(world.books.paid_charges()) == (expected is Paid)
    assert anyone.get(asked.address).location == BACK


def test_two_tabs_charge_once(app, anyone, world):
    """L3"""
    _, asked = paying(world)

    def press(_):
        with app.app_context():
            return app.test_client().post(asked.address, data=COMPLETE).status_code

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(press, range(8)))

    assert codes == [303] * 8
    assert len(world.books.paid_charges()) == 1


@pytest.mark.parametrize("data", [COMPLETE, FAIL])
def test_a_challenge_page_ends_after_15_minutes(anyone, world, cards, saving, data):
    """F9"""
    request, asked = paying(world)
    world.clock.advance(minutes=15)

    for address in (saving.address, asked.address):
        for answer in (anyone.get(address), anyone.post(address, data=data)):
            assert answer.status_code == 410
            assert "This request has ended" in words(answer)
            assert f'href="{BACK.replace("&", "&amp;")}"' in answer.text

    assert isinstance(cards.saving(1, saving.reference), NeedsCustomer)
    assert isinstance(cards.ask(request.key), NeedsCustomer)
    assert world.books.paid_charges() == []


def test_a_cancelled_challenge_cannot_be_completed(anyone, cards, saving):
    """F9"""
    cards.cancel_saving(1, saving.reference)

    answer = anyone.post(saving.address, data=COMPLETE)

    assert answer.status_code == 410
    assert "This request has ended" in words(answer)
    assert isinstance(cards.saving(1, saving.reference), Cancelled)


def test_without_a_return_address_the_page_says_it_can_be_closed(anyone, world):
    _, asked = paying(world, return_to="")

    answer = anyone.post(asked.address, data=COMPLETE)

    assert answer.status_code == 200
    assert "You can close this page." in words(answer)


@pytest.mark.parametrize("path", ["challenges", "paypal"])
def test_a_tampered_address_is_not_found(anyone, saving, paypal, path):
    linking = paypal.link(1, BACK)
    for reference in (saving.reference[:-1], f"{saving.reference[:-1]}g", "1", "ask_"):
        assert anyone.get(f"/sandbox/{path}/{reference}").status_code == 404
        assert anyone.post(f"/sandbox/{path}/{reference}", data=COMPLETE).status_code == 404
    # Nor can one company's challenge be answered on the other's page.
    other = linking.reference if path == "challenges" else saving.reference
    assert anyone.post(f"/sandbox/{path}/{other}", data=COMPLETE | AGREE).status_code == 404


@pytest.mark.parametrize("data", [{}, {"answer": "agree"}, {"answer": "cancel"}])
def test_an_unknown_answer_is_refused(anyone, cards, saving, data):
    assert anyone.post(saving.address, data=data).status_code == 400
    assert cards.saving(1, saving.reference) == saving


def test_the_return_address_is_the_stored_one(anyone, saving):
    """A return address in the query or form is ignored."""
    answer = anyone.post(
        f"{saving.address}?return_to=//evil.test/", data=COMPLETE | {"return_to": "//evil.test/"}
    )

    assert answer.location == BACK


def test_the_bank_can_be_framed_by_our_pages_only(anyone, world, saving):
    """The sandboxed frame has no origin, so the page must not need one."""
    page = anyone.get(saving.address)

    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "form-action 'self'" in policy
    assert "default-src 'none'" in policy
    assert page.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "Set-Cookie" not in page.headers
    assert "csrf_token" not in page.text
    assert "<use" not in page.text
    world.clock.advance(minutes=15)
    assert anyone.get(saving.address).headers["X-Frame-Options"] == "SAMEORIGIN"


def test_in_a_frame_a_script_sets_the_focus(anyone, saving):
    """Browsers block autofocus there and log an error."""
    page = anyone.get(saving.address)
    framed = anyone.get(saving.address, headers={"Sec-Fetch-Dest": "iframe"})

    assert ("autofocus" in page.text, "<script" in page.text) == (True, False)
    assert ("autofocus" in framed.text, "<script" in framed.text) == (False, True)


# PayPal


def test_a_payer_agrees_and_is_redirected_back(anyone, paypal):
    """M1"""
    asked = paypal.link(1, BACK)
    page = anyone.get(asked.address)
    assert re.search(r'<label for="email">Email</label>', page.text)
    assert "password" not in re.findall(r'name="(\w+)"', page.text)
    assert page.headers["X-Frame-Options"] == "DENY"

    answer = anyone.post(asked.address, data=AGREE)

    assert (answer.status_code, answer.location) == (303, BACK)
    saved = paypal.saving(1, asked.reference)
    assert isinstance(saved, SavedAgreement)
    assert saved.payer_email == "ana@example.com"


def test_a_payer_cancels(anyone, paypal):
    """F9"""
    asked = paypal.link(1, BACK)

    for pressed in ({"answer": "cancel"}, AGREE):
        answer = anyone.post(asked.address, data=pressed)
        assert (answer.status_code, answer.location) == (303, BACK)

    assert isinstance(paypal.saving(1, asked.reference), Cancelled)


def test_an_agreement_is_given_once(anyone, paypal):
    """L3"""
    asked = paypal.link(1, BACK)
    anyone.post(asked.address, data=AGREE)
    first = paypal.saving(1, asked.reference)

    for pressed in (AGREE, AGREE | {"email": "ben@example.com"}, {"answer": "cancel"}):
        assert anyone.post(asked.address, data=pressed).location == BACK

    assert paypal.saving(1, asked.reference) == first


@pytest.mark.parametrize("email", ["", "ana", "ana@", "<b>@example.com"])
def test_an_invalid_email_stays_beside_its_error(anyone, paypal, email):
    asked = paypal.link(1, BACK)

    answer = anyone.post(asked.address, data=AGREE | {"email": email})

    assert answer.status_code == 422
    assert "Enter an email address such as ana@example.com" in words(answer)
    assert "<b>" not in answer.text
    assert paypal.saving(1, asked.reference) == asked


def test_a_submitted_password_is_not_stored(anyone, world, paypal, home):
    asked = paypal.link(1, BACK)

    anyone.post(asked.address, data=AGREE | {"password": "keep-me-not"})

    world.books.close()
    for file in home.iterdir():
        assert not file.is_file() or b"keep-me-not" not in file.read_bytes()


def test_paypals_page_ends_after_15_minutes(anyone, world, paypal):
    """F9"""
    asked = paypal.link(1, BACK)
    world.clock.advance(minutes=15)

    for answer in (anyone.get(asked.address), anyone.post(asked.address, data=AGREE)):
        assert answer.status_code == 410
        assert "This request has ended" in words(answer)
    assert paypal.saving(1, asked.reference) == asked


def test_a_payer_can_be_challenged(anyone, world, paypal):
    asked = paypal.link(1, BACK)
    anyone.post(asked.address, data=AGREE)
    reference = paypal.saving(1, asked.reference).reference
    world.next_answer(AnswerKind.AUTHENTICATION_REQUIRED)
    request = ChargeRequest(
        "attempt-1", 50 * MICROS, "USD", reference, customer_present=True, return_to=BACK
    )
    asked = paypal.charge(request)

    assert "PayPal ana@example.com" in words(anyone.get(asked.address))

    anyone.post(asked.address, data=COMPLETE)
    assert isinstance(paypal.ask("attempt-1"), Paid)
