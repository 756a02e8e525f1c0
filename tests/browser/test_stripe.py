"""Main tasks with the real Stripe adapter, against a stand-in of Stripe and its script."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import serve
from tests.browser.screen import dialog, more, press, row, said, until
from tests.conftest import copy_home, settings_in
from tests.processors.stripe_stand_in import (
    ASKS_ALWAYS,
    PAYS,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    WEBHOOK_SECRET,
    StandIn,
)
from webapp.app import create_app
from webapp.clock import Clock
from webapp.extensions import db

VISA, ASKING = "Visa •••• 4242", "Visa •••• 3184"


@pytest.fixture(scope="module")
def stand_in():
    with StandIn(Clock().now) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def keys(stand_in):
    return {
        "CARD_PROCESSOR": "stripe",
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "STRIPE_API_BASE": stand_in.base,
        "STRIPE_JS_URL": f"{stand_in.base}/stripe.js",
    }


@pytest.fixture(scope="module")
def home(migrated, tmp_path_factory):
    return copy_home(migrated, tmp_path_factory.mktemp("stripe") / "home")


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


def open_form(page):
    page.get_by_role("button", name="Add Payment Method").click()
    page.get_by_role("menuitem", name="Credit Card").click()


def add(page, number):
    open_form(page)
    dialog(page).get_by_label("Card number").fill(number)
    press(page, "Add card")


def answer(page, name):
    bank = page.get_by_role("dialog", name="Your bank, by Stripe")
    bank.get_by_role("button", name=name).click()


def add_funds(page, name):
    more(page, name, "Add Funds")
    press(page, "Pay $100.00")


def test_a_card_is_entered_in_stripes_form_and_listed_m7(open_page, world):
    page = open_page()
    sent = []
    page.on("request", lambda r: sent.append((r.url, r.post_data or "")))

    add(page, PAYS)

    expect(row(page, VISA)).to_be_visible()
    expect(page.get_by_text("TEST MODE")).to_be_visible()
    ours = [data for url, data in sent if "/browser/" not in url]
    assert not any(PAYS in data for data in ours)


def test_a_card_is_listed_after_its_challenge_m6(open_page, world):
    page = open_page()
    add(page, ASKS_ALWAYS)

    answer(page, "Fail authentication")
    expect(dialog(page).get_by_role("alert")).to_have_text("We could not authenticate your card.")
    press(page, "Add card")
    answer(page, "Complete authentication")

    expect(row(page, ASKING)).to_be_visible()


def test_a_payment_and_its_retry_are_authenticated_in_place_f4(open_page, world, stand_in):
    page = open_page()
    add(page, ASKS_ALWAYS)
    answer(page, "Complete authentication")

    add_funds(page, ASKING)
    answer(page, "Fail authentication")
    expect(row(page, ASKING)).to_contain_text("Authentication failed")
    expect(dialog(page)).to_have_count(0)

    row(page, ASKING).get_by_role("button", name="Retry").click()
    press(page, "Retry")
    answer(page, "Complete authentication")

    expect(said(page, "paid with Visa •••• 3184")).to_be_attached()
    expect(row(page, ASKING)).not_to_contain_text("Suspended")
    assert world.balance == "200.00"


def test_usage_starts_a_refill_through_stripe_t4(open_page, world, stand_in):
    page = open_page()
    add(page, PAYS)
    expect(row(page, VISA)).to_be_visible()
    world.refill("50.00", "100.00")

    world.use("60.00")

    until(page, lambda: world.balance == "140.00")
    assert len(world.attempts) == 1
