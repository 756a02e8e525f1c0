"""Main tasks with the real PayPal adapter, against a stand-in of PayPal."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serve
from tests.browser.screen import more, press, row, said, until
from tests.browser.test_paypal import NAME, NOT_GIVEN, agree, choose
from tests.conftest import copy_home, settings_in
from tests.processors.paypal.stand_in import CLIENT_ID, SECRET, WEBHOOK_ID, StandIn
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.app import create_app
from webapp.clock import Clock
from webapp.domain.shared.context import Actor
from webapp.extensions import db


@pytest.fixture(scope="module")
def stand_in():
    with StandIn(Clock().now) as stand_in:
        yield stand_in
    assert stand_in.complaints == []


@pytest.fixture(scope="module")
def keys(stand_in):
    return {
        "PAYPAL_PROCESSOR": "paypal",
        "PAYPAL_CLIENT_ID": CLIENT_ID,
        "PAYPAL_CLIENT_SECRET": SECRET,
        "PAYPAL_WEBHOOK_ID": WEBHOOK_ID,
        "PAYPAL_API_BASE": stand_in.address,
    }


@pytest.fixture(scope="module")
def home(migrated, tmp_path_factory):
    return copy_home(migrated, tmp_path_factory.mktemp("paypal") / "home")


@pytest.fixture(scope="module")
def server(home, keys):
    with serve(home, **keys) as served:
        yield served


@pytest.fixture(scope="module")
def app(server, keys):
    app = create_app(settings_in(server.home, **keys))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def page(open_page, world, server, app):
    operator = Actor(name="Operator")
    allow_paypal(world.ctx.by(operator), world.account_id, True)
    return open_page()


def link(page):
    choose(page)
    press(page, "Continue to PayPal")
    agree(page)
    expect(row(page, NAME)).to_be_visible()


def test_a_cancelled_agreement_is_not_listed_m6(page, stand_in):
    choose(page)
    press(page, "Continue to PayPal")
    expect(page).to_have_url(re.compile(re.escape(stand_in.address)))

    page.get_by_role("button", name="Cancel and return").click()

    expect(said(page, NOT_GIVEN)).to_be_attached()
    expect(row(page, NAME)).to_have_count(0)


def test_a_manual_payment_and_a_refill_are_charged_once_m11_l4_t4(page, world):
    link(page)

    more(page, NAME, "Add Funds")
    press(page, "Pay $100.00")
    expect(said(page, "paid with PayPal ana@example.com")).to_be_attached()
    assert world.balance == "200.00"

    world.refill("50.00", "100.00")
    world.use("160.00")
    until(page, lambda: world.balance == "140.00")
    assert [str(attempt.state) for attempt in world.attempts] == ["paid", "paid"]
