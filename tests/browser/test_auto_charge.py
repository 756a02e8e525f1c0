"""The auto-charge switch of a row: optimistic display, then the server's state."""

from playwright.sync_api import expect

from tests.browser.screen import (
    MASTERCARD_NAME,
    VISA_NAME,
    Held,
    click_anyway,
    expect_primary,
    methods,
    more,
    press,
    row,
    said,
    switch,
)
from tests.factories import MASTERCARD, VISA

POSTS = "**/auto-charge"


def test_a_switch_shows_saving_until_the_response(open_page, world):
    world.cards(VISA, MASTERCARD)
    page = open_page()
    visa = switch(page, VISA_NAME)
    expect(visa).to_be_checked()

    held = Held(page, POSTS)
    visa.click()
    expect(visa).not_to_be_checked()
    expect(visa).to_have_attribute("aria-busy", "true")
    expect(row(page, VISA_NAME).get_by_text("Saving")).to_be_visible()
    assert world.method("4242").auto_charge, "nothing has been answered yet"

    held.let_go()
    expect(visa).not_to_have_attribute("aria-busy", "true")
    expect(visa).not_to_be_checked()
    expect(row(page, VISA_NAME).get_by_text("Manual only")).to_be_visible()
    assert not world.method("4242").auto_charge
    assert world.method("4444").auto_charge, "the other one is unchanged (M3)"


def test_presses_while_saving_are_ignored(open_page, world):
    world.cards(VISA)
    page = open_page()
    held = Held(page, POSTS)
    visa = switch(page, VISA_NAME)
    visa.click()
    held.arrived()
    click_anyway(page, visa)
    visa.press("Space")
    held.let_go()

    expect(row(page, VISA_NAME).get_by_text("Manual only")).to_be_visible()
    expect(visa).not_to_be_checked()
    assert len(held.routes) == 1


def test_on_an_error_the_switch_reverts_with_the_reason(open_page, world):
    world.cards(VISA)
    page = open_page()
    visa = switch(page, VISA_NAME)
    before = row(page, VISA_NAME).inner_text()
    for answer, reason in (
        (lambda route: route.fulfill(status=500, body="no"), "Something went wrong on our side"),
        (lambda route: route.abort(), "The server did not respond"),
    ):
        page.route(POSTS, answer)
        visa.click()
        expect(said(page, reason)).to_be_visible()
        expect(visa).to_be_checked()
        expect(visa).not_to_have_attribute("aria-busy", "true")
        assert row(page, VISA_NAME).inner_text() == before
        assert world.method("4242").auto_charge
        page.unroute(POSTS)

    visa.click()
    expect(row(page, VISA_NAME).get_by_text("Manual only")).to_be_visible()


def test_a_primary_switched_off_shows_a_banner_with_a_one_click_fix(open_page, world):
    """T5: the banner appears below the list; nothing moves under the pointer."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    page = open_page()
    banner = page.get_by_role("region", name="Nothing is charged automatically")
    place = methods(page).bounding_box()
    switch(page, VISA_NAME).click()
    expect(banner).to_be_visible()
    assert methods(page).bounding_box() == place
    assert banner.bounding_box()["y"] > place["y"] + place["height"]

    page.reload()
    assert banner.bounding_box()["y"] < methods(page).bounding_box()["y"]
    expect(banner).to_contain_text(f"Auto-charge is off for {VISA_NAME}, your primary method.")
    expect(row(page, MASTERCARD_NAME).get_by_text("Won’t be charged")).to_be_visible()

    banner.get_by_role("button", name="Turn on auto-charge").click()
    expect(banner).to_have_count(0)
    expect(switch(page, VISA_NAME)).to_be_checked()


def test_the_banner_can_make_another_method_primary(open_page, world):
    """T5: the banner's other fix."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.consent(world.method("4242"), False)
    page = open_page()
    page.get_by_role("button", name=f"Make {MASTERCARD_NAME} primary").click()

    expect_primary(page, MASTERCARD_NAME)
    expect(page.get_by_text("Nothing is charged automatically")).to_have_count(0)
    expect(switch(page, VISA_NAME)).not_to_be_checked()


def test_the_remove_dialog_names_the_consequences_and_cancel_changes_nothing(open_page, world):
    """M10."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    page = open_page()
    more(page, VISA_NAME, "Remove")
    dialog = page.get_by_role("dialog", name=f"Remove {VISA_NAME}?")
    expect(dialog).to_contain_text(
        f"{MASTERCARD_NAME} becomes primary, and automatic refills continue with it."
    )
    press(page, "Cancel")
    expect(dialog).to_have_count(0)
    assert len(world.methods) == 2

    more(page, VISA_NAME, "Remove")
    press(page, "Remove")
    expect(row(page, VISA_NAME)).to_have_count(0)
    expect_primary(page, MASTERCARD_NAME)
    expect(said(page, f"{VISA_NAME} was removed.")).to_be_visible()

    more(page, MASTERCARD_NAME, "Remove")
    expect(page.get_by_role("dialog")).to_contain_text("Automatic refills stop.")
    press(page, "Remove")
    expect(page.get_by_role("heading", name="Set up automatic refills")).to_be_visible()
    assert world.methods == []


def test_removing_is_refused_while_a_payment_is_open(open_page, world):
    """M10."""
    (visa,) = world.cards(VISA)
    page = open_page()
    more(page, VISA_NAME, "Remove")
    world.next_answer("timeout_before_charge", last4=visa.last4)
    world.pay(visa)
    press(page, "Remove")

    expect(row(page, VISA_NAME).get_by_role("alert")).to_be_visible()
    assert len(world.methods) == 1
