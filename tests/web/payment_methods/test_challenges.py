"""Challenges at the bank and at PayPal, and who may open and conclude them (M6, M11, F7, F9,
P1).
"""

import re

import pytest

from tests.factories import CHALLENGED_ALWAYS, CHALLENGED_ONCE, VISA, card_form, resume_token
from tests.web.conftest import words
from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import Attempt
from webapp.processors.sandbox.card_form import token_for

HTMX = {"HX-Request": "true"}
KEY = "c" * 32


def send_card(client, world, number, headers=None):
    """Submit the card form with the token of a captured card."""
    form = client.get("/billing/payment-methods/cards/new", headers=HTMX).text
    state = form.split('name="state" value="')[1].split('"')[0]
    token = token_for(world.books, card_form(number), world.clock.now())
    data = {"token": token, "state": state}
    return client.post("/billing/payment-methods", data=data, headers=headers or {})


def hidden_in(form):
    return dict(re.findall(r'name="(setup|state)" value="([^"]+)"', form))


def test_a_challenged_card_is_saved_without_javascript(client, world):
    """M6: to the bank's page, and back to the list."""
    answer = send_card(client, world, CHALLENGED_ONCE)
    assert answer.status_code == 303
    assert answer.location.startswith("/sandbox/challenges/")
    assert world.methods == []

    back = client.post(answer.location, data={"answer": "complete"})
    assert back.location == "/billing/payment-methods/returned"
    landed = client.get(back.location, follow_redirects=True)
    assert "Visa •••• 3155 is saved." in words(landed)
    assert [m.last4 for m in world.methods] == ["3155"]


def test_a_failed_challenge_saves_nothing_without_javascript(client, world):
    """M6: the page says why."""
    answer = send_card(client, world, CHALLENGED_ONCE)
    back = client.post(answer.location, data={"answer": "fail"})
    landed = client.get(back.location, follow_redirects=True)
    assert "Your bank did not confirm the card" in words(landed)
    assert world.methods == []


def test_a_challenged_card_is_saved_in_a_frame(client, world):
    """M6: the bank's page is in a sandboxed frame; then the list has the row."""
    asked = send_card(client, world, CHALLENGED_ONCE, HTMX)
    assert asked.headers["HX-Retarget"] == "#bank"
    assert "allow-same-origin" not in asked.text
    address = asked.text.split('src="')[1].split('"')[0]
    assert client.post(address, data={"answer": "complete"}).location == "/challenge-over"
    over = client.get("/challenge-over")
    assert "frame-ancestors 'self'" in over.headers["Content-Security-Policy"]

    conclusion = asked.text.split("/billing/payment-methods/setups/")[1].split("/")[0]
    url = f"/billing/payment-methods/setups/{conclusion}/conclusion"
    answer = client.post(url, data={"give_up": "0"}, headers=HTMX)
    assert answer.status_code == 200
    assert "Visa •••• 3155" in words(answer)


def test_cancelling_a_challenge_keeps_the_form(client, world):
    """M6, F9: the form shows the reason and can be submitted again."""
    asked = send_card(client, world, CHALLENGED_ONCE, HTMX)
    setup = asked.text.split("/billing/payment-methods/setups/")[1].split("/")[0]
    url = f"/billing/payment-methods/setups/{setup}/conclusion"
    answer = client.post(url, data={"give_up": "1"}, headers=HTMX)
    assert answer.status_code == 422
    assert "was not completed" in words(answer)
    assert world.methods == []


def test_another_accounts_card_form_is_refused_m14(client, world, stranger):
    """The card was entered for the other account, which can still save it."""
    new = "/billing/payment-methods/cards/new"
    theirs, ours = (hidden_in(one.get(new, headers=HTMX).text) for one in (stranger, client))
    card = card_form(VISA) | {"setup": theirs["setup"]}
    token = client.post("/sandbox/cards", data=card, headers={"Accept": "application/json"}).json

    refused = client.post(
        "/billing/payment-methods", data={**token, "state": ours["state"]}, headers=HTMX
    )

    assert refused.status_code == 422
    assert "opened for another account, so nothing was saved" in words(refused)
    assert world.methods == []
    saved = stranger.post(
        "/billing/payment-methods", data={**token, "state": theirs["state"]}, headers=HTMX
    )
    assert saved.status_code == 200


def test_an_invalid_card_form_gives_no_token_m14(client):
    for setup in ("1.made-up", "made up", "²."):
        card = card_form(VISA) | {"setup": setup}
        answer = client.post("/sandbox/cards", data=card, headers={"Accept": "application/json"})
        assert answer.status_code == 422
        assert "no longer valid" in answer.json["errors"]["form"]


def test_another_accounts_setup_is_not_found(client, world, stranger):
    """P1."""
    asked = send_card(client, world, CHALLENGED_ONCE, HTMX)
    setup = asked.text.split("/billing/payment-methods/setups/")[1].split("/")[0]
    url = f"/billing/payment-methods/setups/{setup}/conclusion"
    assert stranger.post(url, data={"give_up": "0"}).status_code == 404
    assert stranger.post(url, data={"give_up": "1"}).status_code == 404
    assert client.get("/billing/payments/returned?key=nothing").status_code == 404


def test_a_challenged_payment_is_paid_once_without_javascript(client, world):
    """F4, L4: to the bank and back; reloading the return page charges nothing more."""
    card = world.card(CHALLENGED_ALWAYS)
    form = {"amount": "75.00", "method": card.id, "request_key": KEY, "kind": "instant"}
    answer = client.post("/billing/funds", data=form)
    assert answer.location.startswith("/sandbox/challenges/")
    again = client.post("/billing/funds", data=form)
    assert again.location == answer.location
    back = client.post(answer.location, data={"answer": "complete"})
    for _ in range(2):
        landed = client.get(back.location, follow_redirects=True)
        assert "$75.00 paid with Visa •••• 3184" in words(landed)
    assert world.balance == "175.00"


def test_paypal_is_linked_if_allowed(client, world):
    """M11: to PayPal and back, and the row shows the payer's email."""
    world.session.get(Account, world.account_id).paypal_allowed = True
    world.session.commit()
    answer = client.post("/billing/payment-methods/paypal")
    assert answer.location.startswith("/sandbox/paypal/")
    form = {"answer": "agree", "email": "ana@example.com"}
    back = client.post(answer.location, data=form)
    landed = client.get(back.location, follow_redirects=True)
    assert "PayPal ana@example.com is saved." in words(landed)


def test_paypal_is_refused_if_not_allowed(client, world):
    """M11: the dialog says how to get it, and a forged form is refused."""
    assert "Ask your provider" in words(client.get("/billing/payment-methods/paypal/new"))
    answer = client.post("/billing/payment-methods/paypal")
    assert answer.status_code == 422
    assert world.methods == []


def test_a_return_without_a_setup_changes_nothing(client, world):
    """M6: as when the address is tampered with or repeated."""
    assert client.get("/billing/payment-methods/returned").status_code == 303
    assert world.methods == []


@pytest.fixture
def link(world, app):
    """The link in the email about a payment that needs authentication."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    world.use("60.00")
    world.work()
    token = resume_token(app.config["SECRET_KEY"], world.attempts[0].id)
    return f"/billing/authentications/{token}"


def test_the_emails_link_asks_before_charging(client, world, link):
    """F7, F10: it shows the current balance; only submitting charges."""
    page = client.get(link)
    assert page.status_code == 200
    assert "$40.00" in words(page)
    assert "$140.00" in words(page)
    assert len(world.attempts) == 1

    answer = client.post(link, data={"request_key": KEY})
    back = client.post(answer.location, data={"answer": "complete"})
    landed = client.get(back.location, follow_redirects=True)
    assert "$100.00 paid" in words(landed)
    assert world.balance == "140.00"
    assert "has been used" in words(client.get(link))
    assert client.post(link, data={"request_key": "d" * 32}).status_code == 409


def test_the_link_needs_a_session_of_its_account(app, world, link, stranger):
    """F7, P1: another account and an altered link get 404."""
    nobody = app.test_client()
    assert nobody.get(link).location.startswith("/sign-in?next=/billing/authentications/")
    assert stranger.get(link).status_code == 404
    assert stranger.post(link, data={"request_key": KEY}).status_code == 404
    assert stranger.get(f"{link}x").status_code == 404


def test_consent_is_offered_in_the_card_form(client, world):
    """M12: unticked, if refill is on and nothing is chargeable."""
    world.card(VISA)
    world.refill()
    assert "Use it for automatic refills" not in words(
        client.get("/billing/payment-methods/cards/new")
    )
    world.next_answer("decline", decline_code="stolen_card")
    world.use("60.00")
    world.work()
    form = client.get("/billing/payment-methods/cards/new", headers=HTMX)
    assert "Saving this card charges $100.00 now." in words(form)
    assert "checked" not in form.text.split('name="consent"')[1].split(">")[0]


def test_an_operators_adjustment_has_no_challenge_page(client, world):
    booked = world.session.query(Attempt).one().id
    answer = client.get(f"/billing/attempts/{booked}/question")
    assert (answer.status_code, answer.location) == (303, "/billing/payments")
