"""The main screen's flow with the real adapter, over HTTP to PayPal's stand-in, without scripts."""

from urllib.parse import urlsplit

import pytest
import requests

from tests.processors.paypal.stand_in import CLIENT_ID, SECRET, WEBHOOK_ID, StandIn
from tests.web.conftest import words
from webapp.domain.accounts.account import Account
from webapp.domain.payments.payment import AttemptState

KEY = "0123456789abcdef0123456789abcdef"
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/billing/payment-methods"}


@pytest.fixture
def stand_in(clock):
    with StandIn(clock.now) as stand_in:
        yield stand_in
    assert stand_in.complaints == []


@pytest.fixture
def environ(stand_in):
    return {
        "PAYPAL_PROCESSOR": "paypal",
        "PAYPAL_CLIENT_ID": CLIENT_ID,
        "PAYPAL_CLIENT_SECRET": SECRET,
        "PAYPAL_WEBHOOK_ID": WEBHOOK_ID,
        "PAYPAL_API_BASE": stand_in.address,
    }


@pytest.fixture
def offered(world):
    world.session.get(Account, world.account_id).paypal_allowed = True
    world.session.commit()
    return world


@pytest.fixture
def linked(client, offered):
    """A method whose payer is asked by PayPal at every payment."""
    link(client, "confirm@example.com")
    (method,) = offered.methods
    return method


def at_paypal(address, **form):
    """What the payer does there; gives the path on our host that their browser is led to."""
    answer = requests.post(address, data=form, timeout=10, allow_redirects=False)
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}" == "http://127.0.0.1:8000"
    return f"{back.path}?{back.query}"


def link(client, email):
    asked = client.post("/billing/payment-methods/paypal")
    back = at_paypal(asked.location, action="agree", email=email)
    return client.get(back, follow_redirects=True)


def pay(client, method, headers=()):
    form = {"amount": "75.00", "method": method.id, "request_key": KEY, "kind": "instant"}
    return client.post("/billing/funds", data=form, headers=dict(headers))


def test_from_linking_to_the_first_top_up(client, offered, stand_in):
    """M1, M4, M11, T1, L3: to PayPal and back, the row, the consent, and the money once."""
    page = client.get("/billing/payment-methods")
    assert f"form-action 'self' {stand_in.address}" in page.headers["Content-Security-Policy"]

    landed = link(client, "ana@example.com")

    assert "PayPal ana@example.com is saved." in words(landed)
    assert "Primary" in landed.text
    (method,) = offered.methods
    assert (method.processor, method.auto_charge) == ("paypal", True)
    offered.refill()
    offered.use("60.00")
    offered.work()
    assert offered.balance == "140.00"
    (capture,) = stand_in.captures()
    (attempt,) = offered.attempts
    assert capture["amount"] == {"currency_code": "USD", "value": "100.00"}
    assert capture["custom_id"] == attempt.key
    assert attempt.processor_reference == capture["id"]
    assert "receipt" in offered.mails


def test_whoever_turns_back_at_paypal_has_linked_nothing(client, offered, stand_in):
    """F9: and an agreement given after that is not taken."""
    asked = client.post("/billing/payment-methods/paypal")

    landed = client.get(at_paypal(asked.location, action="cancel"), follow_redirects=True)
    at_paypal(asked.location, action="agree", email="ana@example.com")
    client.get("/billing/payment-methods/returned", follow_redirects=True)
    offered.pass_time(minutes=20)

    assert "PayPal was not linked" in words(landed)
    assert offered.methods == []
    assert stand_in.tokens == {}


def test_whoever_agrees_and_does_not_come_back_has_linked_it(client, offered):
    """F9: the agreement was given; the run that gives up finds it."""
    asked = client.post("/billing/payment-methods/paypal")
    at_paypal(asked.location, action="agree", email="ana@example.com")

    offered.pass_time(minutes=20)

    assert [method.label for method in offered.methods] == ["PayPal ana@example.com"]


def test_paypal_asks_whoever_pays(client, offered, linked):
    """L4, F4: on pages of its own and back; a reload of the way back charges nothing more."""
    asked = pay(client, linked)
    assert pay(client, linked).location == asked.location

    back = at_paypal(asked.location, action="agree")

    for _ in range(2):
        landed = client.get(back, follow_redirects=True)
        assert "$75.00 paid with PayPal confirm@example.com" in words(landed)
    assert offered.balance == "175.00"


def test_with_scripts_paypal_takes_the_whole_page_too(client, offered, linked):
    """L4: it stands in no frame; the page that ends a frame then leads on."""
    asked = pay(client, linked, HTMX)

    back = at_paypal(asked.headers["HX-Redirect"], action="agree")

    over = client.get(back)
    assert f'href="/billing/payments/returned?key={KEY}"' in over.text
    landed = client.get(f"/billing/payments/returned?key={KEY}", follow_redirects=True)
    assert "$75.00 paid with PayPal confirm@example.com" in words(landed)
    assert offered.balance == "175.00"


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_whoever_turns_back_pays_nothing(client, offered, linked, stand_in, headers):
    """F9: no suspension; and what is agreed to after that is not taken."""
    asked = pay(client, linked, headers)
    address = asked.location or asked.headers["HX-Redirect"]

    back = at_paypal(address, action="cancel")
    if headers:
        back = client.get(back).text.split('href="/billing')[1].split('"')[0]
        back = f"/billing{back}".replace("&amp;", "&")
    client.get(back, follow_redirects=True)
    at_paypal(address, action="agree")
    offered.pass_time(minutes=20)

    (attempt,) = offered.attempts
    assert attempt.state == AttemptState.ABANDONED
    assert offered.methods[0].suspended_until is None
    assert stand_in.captures() == []
    assert offered.balance == "100.00"


def test_nobody_is_sent_to_paypal_by_an_automatic_payment(client, offered, linked, stand_in):
    """F7: it declines, and its mail has a link."""
    offered.refill()
    offered.use("60.00")
    offered.work()

    (attempt,) = offered.attempts
    assert (attempt.state, attempt.decline_code) == ("declined", "authentication_required")
    assert "authentication_required" in offered.mails
    assert stand_in.captures() == []


def test_a_removed_agreement_is_forgotten_there(client, offered, stand_in):
    """M10, M13"""
    link(client, "ana@example.com")
    stand_in.fail_next(500, "DELETE")

    offered.remove(offered.methods[0])
    offered.run("revoke methods")
    assert len(stand_in.tokens) == 1
    offered.run("revoke methods")

    assert stand_in.tokens == {}


def test_a_lost_answer_is_credited_once_when_it_is_found(client, offered, stand_in):
    """T7, L3, L10"""
    link(client, "ana@example.com")
    offered.refill()
    stand_in.fail_next("lose_answer", "/capture")
    offered.use("60.00")
    offered.work()
    assert offered.balance == "40.00"

    for _ in range(3):
        offered.pass_time(minutes=1)

    assert offered.balance == "140.00"
    assert len(stand_in.captures()) == 1


# What PayPal tells afterwards


@pytest.fixture
def charged(client, offered, stand_in):
    """A refill of 100 has been paid; the balance is 140."""
    link(client, "ana@example.com")
    offered.refill()
    offered.use("60.00")
    offered.work()
    return stand_in.captures()[0]["id"]


def deliver(client, stand_in, times=1):
    """Post everything that was told to our webhook, so often; gives the statuses."""
    told = stand_in.deliveries() * times
    return [
        client.post("/webhooks/paypal", data=raw, headers=headers).status_code
        for headers, raw in told
    ]


def test_refunds_at_paypal_are_debits_once_each(client, offered, stand_in, charged):
    """L7: by their own amounts, however often they are told; and they start no refill."""
    for value in ("30.00", "30.00", "15.50"):
        stand_in.refund(charged, value)

    assert deliver(client, stand_in, times=3) == [200] * 9
    offered.work()

    assert offered.balance == "64.50"
    assert [amount for kind, amount in offered.entries if kind == "refund"] == [
        "-30.00",
        "-30.00",
        "-15.50",
    ]


def test_a_lost_dispute_takes_the_money_once_and_pauses(client, offered, stand_in, charged):
    """L7: PayPal tells it twice, as the dispute and as the reversal."""
    dispute = stand_in.dispute(charged)
    deliver(client, stand_in)
    assert offered.balance == "40.00"

    stand_in.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")
    assert deliver(client, stand_in, times=2) == [200] * 4
    offered.work()

    assert offered.balance == "40.00"
    assert "paused" in offered.timeline
    assert len(stand_in.captures()) == 1


def test_a_dispute_that_is_won_is_credited_back(client, offered, stand_in, charged):
    """L7"""
    stand_in.end_dispute(stand_in.dispute(charged), "RESOLVED_SELLER_FAVOUR")
    late = stand_in.deliveries()
    for headers, raw in reversed(late):
        client.post("/webhooks/paypal", data=raw, headers=headers)

    assert offered.balance == "140.00"


def test_a_payer_who_takes_the_agreement_back_is_passed_over(client, offered, stand_in, charged):
    """M13, M3: told on the row, the consent untouched, and nothing is charged to it."""
    (method,) = offered.methods
    stand_in.cancel_agreement(method.processor_reference)

    assert deliver(client, stand_in) == [200]
    offered.use("100.00")
    offered.work()

    (method,) = offered.methods
    assert method.auto_charge
    assert method.is_gone
    assert len(stand_in.captures()) == 1


def test_what_was_not_heard_is_credited_when_paypal_tells_it(client, offered, stand_in):
    """L3, T7: the answer was lost; the webhook comes before the next question, and once more."""
    link(client, "ana@example.com")
    offered.refill()
    stand_in.fail_next("lose_answer", "/capture")
    offered.use("60.00")
    offered.work()
    stand_in.send_event("PAYMENT.CAPTURE.COMPLETED", stand_in.captures()[0])

    assert deliver(client, stand_in, times=2) == [200, 200]
    offered.pass_time(minutes=5)

    assert offered.balance == "140.00"


def test_what_is_forged_is_turned_away_and_what_cannot_be_asked_comes_again(
    client, offered, stand_in, charged
):
    stand_in.refund(charged, "40.00")
    ((headers, raw),) = stand_in.deliveries()

    forged = client.post("/webhooks/paypal", data=raw.replace(b"WH-", b"WX-"), headers=headers)
    stand_in.fail_next(500, "/v2/payments")
    later = client.post("/webhooks/paypal", data=raw, headers=headers)
    then = client.post("/webhooks/paypal", data=raw, headers=headers)

    assert (forged.status_code, later.status_code, then.status_code) == (400, 503, 200)
    assert offered.balance == "100.00"
