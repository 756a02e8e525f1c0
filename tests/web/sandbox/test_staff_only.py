"""Outside a demo, the sandbox's page is for staff only, because it moves the clock of everybody."""

import re

import pytest

from tests.factories import CHALLENGED_ONCE, PASSWORD, VISA
from tests.web.sandbox.test_control_page import BACK, CARD, JSON, region, words
from webapp.actions.users.operators import create_operator
from webapp.database.transactions import begin_writing
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Actor
from webapp.domain.shared.money import MICROS
from webapp.domain.users import second_factor
from webapp.domain.users.user import User
from webapp.extensions import make_context

PAGES = ("/sandbox", "/sandbox/outbox", "/sandbox/outbox/1", "/sandbox/outbox/1/body")
CHANGES = (
    ("/sandbox/usage", {"amount": "1"}),
    ("/sandbox/clock", {"hours": "48"}),
    ("/sandbox/answers", {"kind": "slow"}),
    ("/sandbox/answers/removal", {}),
    ("/sandbox/agreements/agr_1/cancellation", {}),
    ("/sandbox/methods", {"method": "1", "change": "remove"}),
    ("/sandbox/taken-back", {"charge": "x", "kind": "refund"}),
    ("/sandbox/taken-back/re_1", {"end": "won"}),
)


@pytest.fixture
def environ():
    return {"DEMO": "0"}


@pytest.fixture
def staff(operator, sign_in):
    return sign_in(operator)


@pytest.fixture
def other(world):
    return world.account(name="Other Ltd", balance="500.00")


def balance(world, account_id):
    world.session.rollback()
    return world.session.get(Account, account_id, populate_existing=True).balance


def test_a_customer_finds_no_sandbox_page(client, world, database_rows):
    world.card(VISA)
    before, offset = database_rows(), world.books.clock_offset()
    for path in PAGES:
        assert client.get(path).status_code == 404, path
    for path, form in CHANGES:
        assert client.post(path, data=form).status_code == 404, path
    assert (database_rows(), world.books.clock_offset()) == (before, offset)
    assert world.books.next_answers() == []


def test_a_customer_is_not_led_to_the_page(client, world):
    world.session.get_one(User, world.created.user_id).unconfirmed_since = world.clock.now()
    world.session.commit()
    for path in ("/billing/payments", "/settings/profile"):
        page = client.get(path)
        assert "This installation sends no email. Ask your provider" in words(page)
        assert "sandbox outbox" not in page.text
        assert 'href="/sandbox' not in page.text


def test_a_signed_out_person_is_asked_to_sign_in(app):
    assert "/sign-in" in app.test_client().get("/sandbox").location


def test_the_pages_of_a_payment_stay_open(app, world):
    """They stand for the bank, PayPal and the processor's card form."""
    anyone, processors = app.test_client(), world.services.processors
    form = CARD | {"number": CHALLENGED_ONCE}
    token = anyone.post("/sandbox/cards", data=form, headers=JSON).json["token"]
    saving = processors["sandbox"].save_card(world.account_id, token, BACK)
    agreement = processors["sandbox_paypal"].link(world.account_id, BACK)
    for asked in (saving, agreement):
        assert anyone.get(asked.address).status_code == 200
    assert anyone.post(saving.address, data={"answer": "complete"}).location == BACK


def test_staff_use_the_page_of_the_account_they_name(staff, world, other):
    page = staff.get(f"/sandbox?account={other.account_id}")
    assert page.status_code == 200
    assert "Other Ltd" in region(page, "Account")
    action = f"/sandbox/usage?account={other.account_id}"
    assert f'action="{action}"' in page.text

    before = balance(world, world.account_id)
    posted = staff.post(action, data={"amount": "12.50"})
    assert (posted.status_code, posted.location) == (303, f"/sandbox?account={other.account_id}")
    assert balance(world, other.account_id) == 487 * MICROS + MICROS // 2
    assert balance(world, world.account_id) == before

    assert staff.get("/sandbox?account=999").status_code == 404
    assert staff.get("/sandbox?account=x").status_code == 404


def test_the_page_of_each_account_leads_to_that_account_only(staff, world, other):
    """URLs in templates are cached, so one account's page is read after another's."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    world.work()
    for account_id in (world.account_id, other.account_id, world.account_id):
        for path in ("/sandbox", "/sandbox/outbox"):
            page = staff.get(f"{path}?account={account_id}").text
            found = re.findall(r'(?:href|action)="(/sandbox[^"]*)"', page)
            named = {url for url in found if "?" in url}
            assert named
            assert all(url.endswith(f"?account={account_id}") for url in named)
            # The menu, and the form that chooses an account.
            assert set(found) - named == {"/sandbox"}


def test_staff_advance_the_clock(staff, world):
    assert staff.post("/sandbox/clock", data={"hours": "48"}).status_code == 303
    assert "2 days ahead" in region(staff.get("/sandbox"), "Clock")


def test_staff_open_the_page_from_their_menu_and_an_account(staff, world):
    assert 'href="/sandbox"' in staff.get("/operator").text
    path = f"/sandbox?account={world.account_id}"
    assert f'href="{path}"' in staff.get(f"/operator/accounts/{world.account_id}").text
    assert 'href="/sandbox"' in staff.get(path).text


def test_what_staff_read_is_in_the_accounts_audit_log(staff, world, other):
    """P2"""
    staff.get(f"/sandbox?account={other.account_id}")
    staff.get(f"/sandbox/outbox?account={other.account_id}")
    world.session.rollback()
    query = world.session.query(EventRow).filter_by(account_id=other.account_id, audit="viewed")
    assert [(it.facts["page"], it.actor_name) for it in query.order_by(EventRow.id)] == [
        ("/sandbox", "Pat Noor, your provider"),
        ("/sandbox/outbox", "Pat Noor, your provider"),
    ]


def test_an_operator_who_views_an_account_only_reads_the_page(staff, world):
    """P2: viewing changes nothing."""
    viewed = f"/operator/accounts/{world.account_id}/views"
    assert staff.post(viewed, data={"reason": "Asked why"}).status_code == 303
    assert staff.get("/sandbox").status_code == 200
    assert staff.post("/sandbox/clock", data={"hours": "48"}).status_code == 403


def test_without_an_account_staff_are_told_to_create_one(app, sign_in, session):
    ctx = make_context(Actor(name="Test"))
    made = create_operator(ctx, name="Pat Noor", email="pat@provider.example", password=PASSWORD)
    begin_writing(session)
    session.get_one(User, made).totp_secret = second_factor.new_secret()
    session.commit()
    staff = sign_in(made)

    assert staff.get("/sandbox").location == "/operator"
    assert "Create an account first" in words(staff.get("/operator"))
