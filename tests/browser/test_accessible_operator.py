"""axe and overflow checks of the operator's pages, in both themes."""

import re
from secrets import token_hex

import pytest
from playwright.sync_api import expect

from tests import wires
from tests.browser.conftest import session_cookie
from tests.browser.screen import MAIN
from tests.browser.test_accessibility import expect_no_violations
from tests.browser.test_widths import PHONE, resize, sticks_out, sticks_out_at
from tests.delivery.test_mailer import FACTS
from tests.factories import MASTERCARD, VISA
from tests.roles import hire
from webapp.database.transactions import begin_writing
from webapp.domain.notifications.outbox import Notice, NoticeKind, NoticeState
from webapp.domain.payments.payment import Attempt
from webapp.domain.users.user import User


@pytest.fixture
def operator(world):
    """An operator with a second factor."""
    made = hire(world, f"pat-{token_hex(4)}@provider.example")
    return world.session.get_one(User, made)


@pytest.fixture
def open_staff(app, world, server, operator, open_calm):
    """Open a page signed in as the operator."""

    def open_(path, **options):
        page = open_calm(None, **options)
        value = session_cookie(app, world, operator.id)
        page.context.add_cookies([{"name": "session", "value": value, "url": server.url}])
        page.goto(path)
        return page

    return open_


def failed_email(world):
    """A failed email; the tests' server has no mail server that could refuse one."""
    begin_writing(world.session)
    refused = Notice(
        account_id=world.account_id,
        kind=NoticeKind.RECEIPT,
        recipient="ana@example.com",
        facts=FACTS[NoticeKind.RECEIPT],
        language="en",
        about="a refused one",
        message_id=f"{token_hex(8)}@ballast",
        state=NoticeState.FAILED,
        last_error="550 no such user",
        created_at=world.clock.now(),
    )
    world.session.add(refused)
    world.session.commit()
    return refused


@pytest.fixture
def pages(world):
    """The paths of the operator's pages, each with as much content as possible."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(world.method("4242"), "30.00")
    undecided = world.pay(world.method("4444"), "30.00").attempts[0].id
    begin_writing(world.session)
    world.session.get_one(Attempt, undecided).needs_operator = True
    world.session.commit()
    wire = wires.prove(world, wires.ask(world, "900.00", "EUR"))
    ended = wires.ask(world)
    wires.reject(world, ended)
    refused = failed_email(world)
    return [
        "/operator",
        "/operator?search=nobody",
        "/operator?state=closed",
        "/operator/accounts/new",
        f"/operator/accounts/{world.account_id}",
        f"/operator/accounts/{world.account_id}/change",
        "/operator/wires",
        f"/operator/wires/{wire.id}",
        f"/operator/wires/{ended.id}",
        "/operator/attempts",
        "/operator/keys",
        "/operator/keys/new",
        f"/operator/keys/{world.provider_key().id}/rotation",
        "/operator/webhooks",
        f"/operator/webhooks/{world.provider_webhook().endpoint_id}",
        f"/sandbox?account={world.account_id}",
        "/operator/mails",
        "/operator/mails?q=nobody",
        f"/operator/mails/{refused.id}",
    ]


def test_every_operator_page_is_accessible_and_fits_each_width(open_staff, pages):
    page = open_staff(pages[0])
    for path in pages:
        page.goto(path)
        assert sticks_out_at(page) == {}, path
        resize(page, 1440)
        expect_no_violations(page, path)
    page.get_by_label("Reason").fill(" ")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Enter a reason")).to_be_visible()
    expect_no_violations(page, "an email, refused")


def test_a_debit_names_the_refill_that_it_starts(open_staff, world):
    """T18: the balance after the debit, Start or Hold, and a button with both amounts."""
    world.cards(VISA)
    world.refill()
    page = open_staff(f"/operator/accounts/{world.account_id}", viewport=PHONE)
    form = page.get_by_role("region", name="Balance")
    form.get_by_text("Debit", exact=True).click()
    form.get_by_label("Amount").fill("150")
    form.get_by_label("Reason").fill("Number porting, order 7741")
    both = form.get_by_role("button", name="Debit $150.00 and charge $100.00")
    expect(both).to_be_visible()
    expect(form).to_contain_text("Balance after this debit$100.00−$50.00")
    start, hold = form.get_by_label("Start the refill now"), form.get_by_label("Hold the refill")
    expect(start).to_be_checked()
    widths = [
        option.evaluate("it => getComputedStyle(it).borderTopWidth") for option in (start, hold)
    ]
    assert widths[0] != widths[1], "the selected option must look selected"
    assert sticks_out(page) == []
    expect_no_violations(page, "a debit")

    hold.check()
    expect(both).to_have_count(0)
    form.get_by_role("button", name="Debit $150.00").click()
    expect(page.get_by_text("Debited $150.00. The balance is −$50.00.")).to_be_visible()
    assert world.charges == []


def test_axe_on_a_customer_page_viewed_by_an_operator(open_staff, world, pages):
    page = open_staff(f"/operator/accounts/{world.account_id}")
    page.get_by_label("Reason").last.fill("Asked why")
    page.get_by_role("button", name="View as customer").click()
    expect(page).to_have_url(re.compile(f"{MAIN}$"))
    expect_no_violations(page, "as the customer sees it")


def test_an_operator_without_a_second_factor_sees_only_its_setup(open_staff, world, operator):
    begin_writing(world.session)
    operator.totp_secret = None
    world.session.commit()
    page = open_staff("/operator")
    expect(page.get_by_role("note")).to_contain_text("Operators can see every account")
    expect_no_violations(page, "a second factor to set up")


def test_the_email_list_follows_the_filters_and_so_does_the_url(open_staff, pages):
    page = open_staff("/operator/mails")
    page.get_by_label("State").select_option("Failed")
    expect(page.get_by_text("550 no such user").first).to_be_visible()
    page.get_by_label("Search").fill("nobody@")
    expect(page.get_by_role("heading", name="No emails match")).to_be_visible()
    expect(page).to_have_url(re.compile("[?]state=given-up&q=nobody@$"))
    page.reload()
    expect(page.get_by_label("State")).to_have_value("given-up")


def test_an_account_is_created_and_changed_with_the_keyboard(open_staff, world):
    """V4: refused first, with an error beside each field, and nothing typed is lost."""
    number = token_hex(4)
    page = open_staff("/operator", viewport=PHONE)
    page.get_by_role("button", name="Create account").press("Enter")
    page.get_by_label("Company").fill(f"Atlantic {number}")
    page.keyboard.press("Tab")
    page.keyboard.type("a b")
    page.get_by_label("Credit limit").fill("-1")
    page.get_by_label("Credit limit").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Correct the 3 fields")
    expect(page.get_by_label("External id")).to_have_value("a b")
    expect(page.get_by_label("External id")).to_have_accessible_description(re.compile("Must be 1"))
    expect(page.get_by_label("Email", exact=True)).to_have_attribute("aria-invalid", "true")
    assert sticks_out(page) == []
    expect_no_violations(page, "a refused account")

    page.get_by_label("External id").fill(f"cust-{number}")
    page.get_by_label("Email", exact=True).fill(f"bo-{number}@example.com")
    page.get_by_label("Credit limit").fill("50")
    page.get_by_label("Own metering").press("Space")
    page.get_by_role("button", name="Create account").press("Enter")
    expect(page.get_by_role("heading", name=f"Atlantic {number}")).to_be_visible()
    facts = page.get_by_role("region", name="Set by you")
    expect(facts).to_contain_text("$50.00")
    expect(facts).to_contain_text("Own meteringAllowed")

    facts.get_by_role("button", name="Change").press("Enter")
    page.get_by_label("Metadata").fill("plan = wholesale")
    page.get_by_role("textbox", name="Reason").fill("New contract")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("region", name="Set by you")).to_contain_text("wholesale")


def test_the_account_list_follows_the_state(open_staff, world):
    page = open_staff("/operator")
    page.get_by_label("State").select_option("Closed")
    expect(page).to_have_url(re.compile("[?]state=closed$"))
    expect(page.get_by_role("link", name="Harbour Voice")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("State")).to_have_value("closed")
