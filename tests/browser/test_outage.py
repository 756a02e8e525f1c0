"""A read-only database while a person works: the page shows it in the right place."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.screen import MAIN, MASTERCARD_NAME, VISA_NAME, row, said, switch
from tests.factories import MASTERCARD, VISA, signed_in_cookie
from tests.failure_modes.conftest import read_only
from webapp.extensions import db

NOTHING_DONE = "Changes are not possible right now. Nothing was done."


@pytest.fixture
def outage(app, world):
    """Make every request of the page receive the response of a server with a read-only database."""
    world.session.rollback()
    visitor = app.test_client()
    with visitor.session_transaction() as cookie:
        cookie.update(signed_in_cookie(world.session, world.created.user_id, world.clock.wall()))
    app.config["WTF_CSRF_ENABLED"] = False
    with read_only():
        path = "/billing/automatic-payments/resumptions"
        answer = visitor.post(path, headers={"HX-Request": "true"})
    app.config["WTF_CSRF_ENABLED"] = True
    db.session.remove()
    assert answer.status_code == 503

    def begin(page: Page) -> None:
        page.route(
            "**/*",
            lambda route: (
                route.fallback()
                if route.request.resource_type == "document"
                else route.fulfill(status=503, body=answer.text, content_type="text/html")
            ),
        )

    return begin


def test_a_switch_reverts_and_shows_the_reason(world, open_page, outage):
    """M3: the switch shows the stored state."""
    world.cards(VISA, MASTERCARD)
    page = open_page()
    outage(page)
    switch(page, MASTERCARD_NAME).click()
    expect(said(page, NOTHING_DONE)).to_be_visible()
    expect(switch(page, MASTERCARD_NAME)).to_have_attribute("aria-checked", "true")


def test_an_open_dialog_shows_the_error_and_can_be_sent_again(world, open_page, outage):
    """L4: a message behind a dialog would be hidden; the same form then pays once."""
    world.cards(VISA)
    page = open_page()
    page.get_by_role("button", name="Add Funds", exact=True).or_(
        page.get_by_role("link", name="Add Funds", exact=True)
    ).first.click()
    dialog = page.get_by_role("dialog")
    outage(page)
    for _ in range(2):
        dialog.get_by_role("button", name="Pay $100.00").click()
        expect(dialog.get_by_role("alert").filter(has_text=NOTHING_DONE)).to_have_count(1)
    page.unroute_all()
    dialog.get_by_role("button", name="Pay $100.00").click()
    expect(said(page, f"$100.00 paid with {VISA_NAME}")).to_be_visible()
    assert world.charges == [("4242", "100.00")]


def test_a_retry_that_did_not_start_is_offered_again(world, open_page, outage):
    """F4: the row does not stay at "Retrying"."""
    (visa,) = world.cards(VISA)
    world.next_answer("decline", decline_code="insufficient_funds")
    world.pay(visa, "30.00")
    page = open_page(MAIN)
    row(page, VISA_NAME).get_by_role("button", name="Retry").click()
    outage(page)
    page.get_by_role("dialog").get_by_role("button", name="Retry", exact=True).click()
    expect(said(page, NOTHING_DONE)).to_be_visible()
    expect(row(page, VISA_NAME).get_by_role("button", name="Retry", exact=True)).to_be_visible()
