"""Payment methods with the real PayPal adapter, over HTTP to its stand-in, without JavaScript."""

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
def paypal_world(world):
    world.session.get(Account, world.account_id).paypal_allowed = True
    world.session.commit()
    return world


@pytest.fixture
def linked(client, paypal_world):
    """A PayPal method that requires a challenge for every payment."""
    link(client, "confirm@example.com")
    (method,) = paypal_world.methods
    return method


def at_paypal(address, **form):
    """Submit the payer's page; return the path on our host to which it redirects."""
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


def test_a_linked_agreement_pays_the_first_refill(client, paypal_world, stand_in):
    """M1, M4, M11, T1, L3: to PayPal and back, the row, the consent, and one charge."""
    page = client.get("/billing/payment-methods")
    assert f"form-action 'self' {stand_in.address}" in page.headers["Content-Security-Policy"]

    landed = link(client, "ana@example.com")

    assert "PayPal ana@example.com is saved." in words(landed)
    assert "Primary" in landed.text
    (method,) = paypal_world.methods
    assert (method.processor, method.auto_charge) == ("paypal", True)
    paypal_world.refill()
    paypal_world.use("60.00")
    paypal_world.work()
    assert paypal_world.balance == "140.00"
    (capture,) = stand_in.captures()
    (attempt,) = paypal_world.attempts
    assert capture["amount"] == {"currency_code": "USD", "value": "100.00"}
    assert capture["custom_id"] == attempt.key
    assert attempt.processor_reference == capture["id"]
    assert "receipt" in paypal_world.mails


def test_cancelling_at_paypal_links_nothing(client, paypal_world, stand_in):
    """F9: an agreement given after that is not saved either."""
    asked = client.post("/billing/payment-methods/paypal")

    landed = client.get(at_paypal(asked.location, action="cancel"), follow_redirects=True)
    at_paypal(asked.location, action="agree", email="ana@example.com")
    client.get("/billing/payment-methods/returned", follow_redirects=True)
    paypal_world.pass_time(minutes=20)

    assert "PayPal was not linked" in words(landed)
    assert paypal_world.methods == []
    assert stand_in.tokens == {}


def test_an_agreement_without_return_is_linked(client, paypal_world):
    """F9: the job that cancels open requests finds it."""
    asked = client.post("/billing/payment-methods/paypal")
    at_paypal(asked.location, action="agree", email="ana@example.com")

    paypal_world.pass_time(minutes=20)

    assert [method.label for method in paypal_world.methods] == ["PayPal ana@example.com"]


def test_a_payer_confirms_at_paypal_and_pays_once(client, paypal_world, linked):
    """L4, F4: on PayPal's pages and back; reloading the return page charges nothing more."""
    asked = pay(client, linked)
    assert pay(client, linked).location == asked.location

    back = at_paypal(asked.location, action="agree")

    for _ in range(2):
        landed = client.get(back, follow_redirects=True)
        assert "$75.00 paid with PayPal confirm@example.com" in words(landed)
    assert paypal_world.balance == "175.00"


def test_paypal_replaces_the_whole_page_with_javascript_too(client, paypal_world, linked):
    """L4: PayPal cannot be framed; the page that closes a frame links onward."""
    asked = pay(client, linked, HTMX)

    back = at_paypal(asked.headers["HX-Redirect"], action="agree")

    over = client.get(back)
    assert f'href="/billing/payments/returned?key={KEY}"' in over.text
    landed = client.get(f"/billing/payments/returned?key={KEY}", follow_redirects=True)
    assert "$75.00 paid with PayPal confirm@example.com" in words(landed)
    assert paypal_world.balance == "175.00"


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_cancelling_a_payment_at_paypal_takes_nothing(
    client, paypal_world, linked, stand_in, headers
):
    """F9: no suspension, and a later confirmation is not captured."""
    asked = pay(client, linked, headers)
    address = asked.location or asked.headers["HX-Redirect"]

    back = at_paypal(address, action="cancel")
    if headers:
        back = client.get(back).text.split('href="/billing')[1].split('"')[0]
        back = f"/billing{back}".replace("&amp;", "&")
    client.get(back, follow_redirects=True)
    at_paypal(address, action="agree")
    paypal_world.pass_time(minutes=20)

    (attempt,) = paypal_world.attempts
    assert attempt.state == AttemptState.ABANDONED
    assert paypal_world.methods[0].suspended_until is None
    assert stand_in.captures() == []
    assert paypal_world.balance == "100.00"


def test_an_automatic_payment_that_needs_confirmation_is_declined(
    client, paypal_world, linked, stand_in
):
    """F7: its email has a link."""
    paypal_world.refill()
    paypal_world.use("60.00")
    paypal_world.work()

    (attempt,) = paypal_world.attempts
    assert (attempt.state, attempt.decline_code) == ("declined", "authentication_required")
    assert "authentication_required" in paypal_world.mails
    assert stand_in.captures() == []


def test_a_removed_agreement_is_revoked_at_paypal(client, paypal_world, stand_in):
    """M10, M13"""
    link(client, "ana@example.com")
    stand_in.fail_next(500, "DELETE")

    paypal_world.remove(paypal_world.methods[0])
    paypal_world.run("revoke methods")
    assert len(stand_in.tokens) == 1
    paypal_world.run("revoke methods")

    assert stand_in.tokens == {}


def test_a_charge_whose_answer_was_lost_is_credited_once(client, paypal_world, stand_in):
    """T7, L3, L10"""
    link(client, "ana@example.com")
    paypal_world.refill()
    stand_in.fail_next("lose_answer", "/capture")
    paypal_world.use("60.00")
    paypal_world.work()
    assert paypal_world.balance == "40.00"

    for _ in range(3):
        paypal_world.pass_time(minutes=1)

    assert paypal_world.balance == "140.00"
    assert len(stand_in.captures()) == 1


# PayPal's events


@pytest.fixture
def charged(client, paypal_world, stand_in):
    """A paid refill of 100; the balance is 140. Returns the capture's id."""
    link(client, "ana@example.com")
    paypal_world.refill()
    paypal_world.use("60.00")
    paypal_world.work()
    return stand_in.captures()[0]["id"]


def deliver(client, stand_in, times=1):
    """Post every pending delivery to our webhook, `times` times; return the statuses."""
    deliveries = stand_in.deliveries() * times
    return [
        client.post("/webhooks/paypal", data=raw, headers=headers).status_code
        for headers, raw in deliveries
    ]


def test_refunds_at_paypal_are_debited_once_each(client, paypal_world, stand_in, charged):
    """L7: by their own amounts, however often they are delivered; they start no refill."""
    for value in ("30.00", "30.00", "15.50"):
        stand_in.refund(charged, value)

    assert deliver(client, stand_in, times=3) == [200] * 9
    paypal_world.work()

    assert paypal_world.balance == "64.50"
    assert [amount for kind, amount in paypal_world.entries if kind == "refund"] == [
        "-30.00",
        "-30.00",
        "-15.50",
    ]


def test_a_lost_dispute_takes_the_money_once_and_pauses(client, paypal_world, stand_in, charged):
    """L7: PayPal reports it as the dispute and as the reversal."""
    dispute = stand_in.dispute(charged)
    deliver(client, stand_in)
    assert paypal_world.balance == "40.00"

    stand_in.end_dispute(dispute, "RESOLVED_BUYER_FAVOUR")
    assert deliver(client, stand_in, times=2) == [200] * 4
    paypal_world.work()

    assert paypal_world.balance == "40.00"
    assert "paused" in paypal_world.timeline
    assert len(stand_in.captures()) == 1


def test_a_won_dispute_is_credited_back(client, paypal_world, stand_in, charged):
    """L7"""
    stand_in.end_dispute(stand_in.dispute(charged), "RESOLVED_SELLER_FAVOUR")
    late = stand_in.deliveries()
    for headers, raw in reversed(late):
        client.post("/webhooks/paypal", data=raw, headers=headers)

    assert paypal_world.balance == "140.00"


def test_an_agreement_cancelled_by_the_payer_is_skipped(client, paypal_world, stand_in, charged):
    """M13, M3: the consent is unchanged, and nothing is charged to it."""
    (method,) = paypal_world.methods
    stand_in.cancel_agreement(method.processor_reference)

    assert deliver(client, stand_in) == [200]
    paypal_world.use("100.00")
    paypal_world.work()

    (method,) = paypal_world.methods
    assert method.auto_charge
    assert method.is_gone
    assert len(stand_in.captures()) == 1


def test_a_charge_whose_answer_was_lost_is_credited_by_its_event(client, paypal_world, stand_in):
    """L3, T7: the webhook arrives before the next query, and once more."""
    link(client, "ana@example.com")
    paypal_world.refill()
    stand_in.fail_next("lose_answer", "/capture")
    paypal_world.use("60.00")
    paypal_world.work()
    stand_in.send_event("PAYMENT.CAPTURE.COMPLETED", stand_in.captures()[0])

    assert deliver(client, stand_in, times=2) == [200, 200]
    paypal_world.pass_time(minutes=5)

    assert paypal_world.balance == "140.00"


def test_a_forged_delivery_gets_400_and_one_that_cannot_be_verified_503(
    client, paypal_world, stand_in, charged
):
    stand_in.refund(charged, "40.00")
    ((headers, raw),) = stand_in.deliveries()

    forged = client.post("/webhooks/paypal", data=raw.replace(b"WH-", b"WX-"), headers=headers)
    stand_in.fail_next(500, "/v2/payments")
    later = client.post("/webhooks/paypal", data=raw, headers=headers)
    then = client.post("/webhooks/paypal", data=raw, headers=headers)

    assert (forged.status_code, later.status_code, then.status_code) == (400, 503, 200)
    assert paypal_world.balance == "100.00"
