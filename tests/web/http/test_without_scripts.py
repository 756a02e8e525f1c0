"""The main tasks with the links and forms of the pages alone, as without JavaScript."""

from io import BytesIO

import pytest

from tests import wires
from tests.factories import CHALLENGED_ALWAYS, MASTERCARD, VISA, resume_token
from tests.web.plain_browser import PlainBrowser
from webapp.domain.accounts.account import Account
from webapp.domain.users.user import Membership, Role
from webapp.domain.wires.wire import WireRequest

MAIN = "/billing/payment-methods"
BANK = "/sandbox/challenges/"
ALWAYS_NAME = "Visa •••• 3184"


@pytest.fixture
def visit(app, client):
    app.config["WTF_CSRF_ENABLED"] = True
    return lambda path=MAIN: PlainBrowser(client, path)


def suspend(world, last4, amount):
    world.next_answer("decline", decline_code="insufficient_funds", last4=last4)
    world.pay(world.method(last4), amount)


def test_retry_and_restore_f4(visit, world):
    """F4: Cancel charges nothing, and a reload repeats nothing."""
    world.cards(VISA, MASTERCARD)
    suspend(world, "4242", "250.00")
    page = visit()
    page.press("Retry")
    assert "Retry $250.00?" in page.words
    page.press("Cancel")
    assert page.path == MAIN
    assert world.charges == []

    page.press("Retry")
    page.press("Retry")
    assert page.path == MAIN
    assert "$250.00 paid with" in page.words
    assert "Suspended" not in page.words
    page.open(MAIN)
    assert world.charges == [("4242", "250.00")]

    suspend(world, "4242", "40.00")
    page.open(MAIN)
    page.press("Retry")
    page.press("Restore without paying")
    assert "Visa •••• 4242 is back in use." in page.words
    assert "Suspended" not in page.words


def test_adding_funds_both_ways_l4(visit, world):
    """L4"""
    _, mastercard = world.cards(VISA, MASTERCARD)
    page = visit()
    page.press("Add Funds")
    page.press("Pay", amount="5")
    assert "At least $30.00" in page.words
    page.press("Pay", amount="40", method=mastercard.id)
    assert "$40.00 paid with Mastercard •••• 4444." in page.words
    assert "$140.00" in page.words

    page.press("Add Funds")
    page.press("Auto-charge")
    page.press("Pay")
    assert "$100.00 paid with Visa •••• 4242." in page.words
    assert world.charges == [("4444", "40.00"), ("4242", "100.00")]


def test_removing_a_method_m10(visit, world):
    """M10: the question names the next primary method."""
    world.cards(VISA, MASTERCARD)
    page = visit()
    page.press("Remove")
    assert "Mastercard •••• 4444 becomes primary" in page.words
    page.press("Remove")
    assert page.path == MAIN
    assert "Visa •••• 4242 was removed." in page.words
    assert [method.last4 for method in world.methods] == ["4444"]


WAYS = {"funds": ("Add Funds", "Pay", "Pay again"), "retry": ("Retry", "Retry", "Retry")}


@pytest.fixture(params=WAYS)
def way(request, world):
    """The buttons of one way to the bank's page, of an account whose card always asks there.

    For Retry, the card is suspended because the bank's question was answered with no.
    """
    card = world.card(CHALLENGED_ALWAYS)
    if request.param == "retry":
        payment = world.pay(card)
        world.bank(world.address_of(payment), "fail")
        world.conclude(payment)
    return WAYS[request.param]


def begin(page, opener, button):
    """Start a payment of $100.00 up to the bank's page."""
    page.open(MAIN)
    page.press(opener)
    page.press(button, **({"amount": "100"} if opener == "Add Funds" else {}))
    assert page.path.startswith(BANK)


def test_the_bank_has_the_whole_page_f1_f4_f9(visit, world, way):
    """F1, F4, F9: an abandoned payment is offered again, and a completed one is paid once."""
    opener, pay, pay_again = way
    page = visit()
    begin(page, opener, pay)
    begin(page, opener, pay_again)
    page.press("Complete authentication")
    assert page.path == MAIN
    assert f"$100.00 paid with {ALWAYS_NAME}." in page.words
    assert "Suspended" not in page.words
    page.open(MAIN)
    assert world.charges == [("3184", "100.00")]
    assert world.balance == "200.00"


def test_a_failed_challenge_suspends_the_method_f1(visit, world, way):
    """F1"""
    opener, pay, _ = way
    page = visit()
    begin(page, opener, pay)
    page.press("Fail authentication")
    assert page.path == MAIN
    assert f"{ALWAYS_NAME} was declined:" in page.words
    assert "Suspended until" in page.words
    assert world.charges == []


def test_the_link_of_an_email_f7_f10(app, visit, world):
    """F7, F10: Cancel keeps the link; it shows the current balance until it is used."""
    world.card(CHALLENGED_ALWAYS)
    world.refill()
    world.use("60.00")
    world.work()
    token = resume_token(app.config["SECRET_KEY"], world.attempts[0].id)
    link = f"/billing/authentications/{token}"
    page = visit(link)
    assert "$40.00" in page.words
    page.press("Cancel")
    assert page.path == MAIN

    world.use("15.00")
    page.open(link)
    assert "$25.00" in page.words
    assert "$125.00" in page.words
    page.press("Confirm payment")
    assert page.path.startswith(BANK)
    page.press("Complete authentication")
    assert page.path == MAIN
    assert f"$100.00 paid with {ALWAYS_NAME}." in page.words
    assert world.balance == "125.00"
    page.open(link)
    assert "This link has been used." in page.words
    page.press("Go to Payment Methods")
    assert page.path == MAIN


def link_paypal(page):
    page.open(MAIN)
    page.press("Add Payment Method")
    page.press("PayPal")


def test_linking_and_refusing_paypal_m6_m11(visit, world):
    """M6, M11: cancelling at PayPal saves nothing."""
    page = visit(f"{MAIN}/paypal/new")
    assert "Ask your provider to allow it." in page.words
    assert "Continue to PayPal" not in page.words
    world.session.get_one(Account, world.account_id).paypal_allowed = True
    world.session.commit()

    link_paypal(page)
    page.press("Continue to PayPal")
    page.press("Cancel")
    assert page.path == MAIN
    assert "PayPal was not linked" in page.words
    assert world.methods == []

    link_paypal(page)
    page.press("Continue to PayPal")
    page.press("Agree", email="ana@example.com")
    assert page.path == MAIN
    assert "PayPal ana@example.com is saved." in page.words
    assert [method.label for method in world.methods] == ["PayPal ana@example.com"]


def test_a_wire_transfer_l5(visit, world):
    """L5: requested, proven after a refused file, and cancelled."""
    page = visit("/billing/wire-transfers/new")
    page.press("Create request")
    assert page.path.startswith("/billing/wire-transfers/")
    wire_id = int(page.path.rsplit("/", 1)[1])
    assert page.control("Copy payment reference").needs_script
    assert page.control("Print").needs_script
    page.press("Upload proof of payment")
    page.press("Upload", proof=(BytesIO(wires.HTML), "transfer.pdf"))
    assert "Must be a PDF, PNG or JPEG file" in page.words
    page.press("Upload", proof=(BytesIO(wires.PNG), "transfer.pdf"))
    assert "Proof of payment" in page.words

    page.press("Cancel request")
    page.press("Cancel request")
    assert "is cancelled." in page.words
    assert world.session.get_one(WireRequest, wire_id).state == "cancelled"


def test_removing_a_user_asks_first_p1(visit, teammate):
    """P1"""
    teammate("billing")
    page = visit("/settings/users")
    page.press("More actions for Bo Lind")
    page.press("Remove")
    assert "Remove Bo Lind?" in page.words
    page.press("Cancel")
    assert "Bo Lind" in page.words

    page.press("Remove")
    page.press("Remove")
    assert page.path == "/settings/users"
    assert "Bo Lind no longer belongs to this account." in page.words
    assert "billing@example.com" not in page.words


def test_switching_accounts_p3(visit, world):
    """P3: in the header, and back on the profile page."""
    other = world.account(name="Northline Telecom", balance="7.00")
    user_id = world.created.user_id
    world.session.add(Membership(user_id=user_id, account_id=other.account_id, role=Role.BILLING))
    world.session.commit()
    page = visit()
    page.press("Account Harbour Voice")
    page.press("Northline Telecom")
    assert page.path == MAIN
    assert "$7.00" in page.words
    page.press("Your profile")
    page.press("Switch to Harbour Voice")
    assert page.path == MAIN
    assert "$100.00" in page.words


def test_the_chart_has_a_text_summary(visit, world):
    world.card(VISA)
    assert "Balance over the last 30 days" in visit().words
