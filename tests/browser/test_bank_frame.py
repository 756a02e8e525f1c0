"""The sandbox bank in an iframe with an opaque origin, as in our dialog, without console errors."""

import pytest
from playwright.sync_api import expect

from tests.browser.screen import until
from tests.factories import CHALLENGED_ONCE, card_form, valid_expiry
from webapp.ports import Declined, SavedCard
from webapp.processors.sandbox.card_form import token_for

FRAME = '<iframe src="{}" width="392" height="336" sandbox="allow-forms allow-scripts" autofocus>'


@pytest.fixture
def framed(world, open_signed_out):
    """Show the bank's page in a minimal page; returns its frame, the page and a status function."""

    def open_(theme="light"):
        cards = world.services.processors["sandbox"]
        now = world.services.clock.now()
        token = token_for(world.books, card_form(CHALLENGED_ONCE, valid_expiry(now)), now)
        asked = cards.save_card(1, token, "/challenge-over")
        page = open_signed_out(color_scheme="null")
        icon = '<link rel="icon" href="/static/favicon.svg">'
        scheme = f'<!doctype html><title>Tiny</title><meta name="color-scheme" content="{theme}">'
        html = scheme + icon + FRAME.format(asked.address)
        page.route("**/tiny", lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto("/tiny")
        return page.frame_locator("iframe"), page, lambda: cards.saving(1, asked.reference)

    return open_


def test_the_challenge_is_answered_in_the_frame(framed):
    """M6: in the page's theme, which is light here."""
    bank, page, saving = framed()
    expect(bank.locator("body")).to_have_css("background-color", "rgb(255, 255, 255)")

    bank.get_by_role("button", name="Fail authentication").click()

    expect(bank.get_by_text("You can close this window")).to_be_visible()
    assert isinstance(saving(), Declined)
    assert page.context.cookies() == []


def test_the_first_button_in_the_frame_is_focused(framed):
    bank, page, saving = framed()
    expect(bank.get_by_role("button", name="Complete authentication")).to_be_focused()

    page.keyboard.press("Enter")

    until(page, lambda: isinstance(saving(), SavedCard))


def test_the_frame_has_the_pages_dark_theme_and_does_not_scroll(framed):
    bank, _, _ = framed("dark")
    expect(bank.get_by_role("button", name="Fail authentication")).to_be_in_viewport(ratio=1)
    expect(bank.locator("body")).to_have_css("background-color", "rgb(18, 22, 28)")

    assert bank.locator("html").evaluate("e => e.scrollHeight <= innerHeight")
    expect(bank.get_by_text("Sandbox Bank")).to_be_hidden()
