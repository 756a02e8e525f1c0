"""Keyboard use, from sign-in to a retried payment."""

import pytest
from playwright.sync_api import expect

from tests.browser.screen import (
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    apply,
    balance,
    dialog,
    expect_order,
    field,
    handle,
    refill,
    row,
    suspend,
    switch,
)
from tests.factories import MASTERCARD, PASSWORD, VISA
from webapp.database.transactions import begin_writing
from webapp.domain.top_ups.settings import LowBalanceSettings, PausedBy
from webapp.domain.users.user import User


def tab_to(page, place, key="Tab"):
    """Press Tab until the element has the focus; a failure lists the elements passed."""
    passed = []
    for _ in range(80):
        page.keyboard.press(key)
        if place.evaluate("it => it === document.activeElement"):
            return
        passed.append(
            page.evaluate(
                "(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()"
            )
        )
    pytest.fail(f"Tab did not reach the element but {passed}")


def has_focus_ring(place):
    """Return whether the element has an outline or a shadow."""
    return place.evaluate(
        """(it) => {
          const around = [it, it.querySelector(".track"), it.closest(".control")].filter(Boolean);
          return it.matches(":focus-visible") && around.some((part) => {
            const style = getComputedStyle(part);
            return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1) ||
              style.boxShadow !== "none";
          });
        }"""
    )


def test_the_main_tasks_work_by_keyboard(open_signed_out, world):
    visa, _ = world.cards(VISA, MASTERCARD)
    suspend(world, visa)
    page = open_signed_out()
    page.goto(MAIN)

    expect(page.get_by_label("Email")).to_be_focused()
    page.keyboard.type(world.session.get_one(User, world.created.user_id).email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_url(MAIN)

    # The first stop skips the menu.
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")

    # Reorder a row.
    tab_to(page, handle(page, MASTERCARD_NAME))
    assert has_focus_ring(handle(page, MASTERCARD_NAME))
    page.keyboard.press("ArrowUp")
    expect_order(page, MASTERCARD_NAME, VISA_NAME)
    expect(handle(page, MASTERCARD_NAME)).to_be_focused()

    # Toggle a switch.
    tab_to(page, switch(page, MASTERCARD_NAME))
    assert has_focus_ring(switch(page, MASTERCARD_NAME))
    page.keyboard.press("Space")
    expect(row(page, MASTERCARD_NAME).get_by_text("Manual only")).to_be_visible()
    expect(switch(page, MASTERCARD_NAME)).to_be_focused()

    # Retry a payment.
    retry = row(page, VISA_NAME).get_by_role("button", name="Retry")
    tab_to(page, retry)
    page.keyboard.press("Space")
    expect(page.get_by_role("dialog", name="Retry $250.00?")).to_be_visible()
    pay = dialog(page).get_by_role("button", name="Retry", exact=True)
    expect(pay).to_be_focused()
    assert has_focus_ring(pay)
    page.keyboard.press("Enter")
    expect(balance(page)).to_contain_text("$350.00")
    expect(switch(page, VISA_NAME)).to_be_focused()

    # Apply settings.
    tab_to(page, refill(page))
    assert has_focus_ring(refill(page))
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(field(page, "Threshold amount")).to_be_focused()
    assert has_focus_ring(field(page, "Threshold amount"))
    page.keyboard.type("45")
    page.keyboard.press("Tab")
    page.keyboard.type("90")
    tab_to(page, apply(page))
    page.keyboard.press("Enter")
    expect(page.get_by_text("Changes applied")).to_be_visible()
    expect(apply(page)).to_be_focused()

    assert [method.label for method in world.methods] == [MASTERCARD_NAME, VISA_NAME]
    assert not world.method("4444").auto_charge
    assert world.charges == [("4242", "250.00")]
    assert LowBalanceSettings.of(world.session, world.account_id).refill_on


def test_a_dialog_traps_the_focus_and_restores_it(open_page, world):
    world.cards(VISA)
    page = open_page()
    opener = page.get_by_role("main").get_by_role("button", name="Add Funds")
    opener.focus()
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_label("Amount", exact=True)).to_be_focused()
    for _ in range(15):
        page.keyboard.press("Tab")
        where = page.evaluate(
            """document.activeElement === document.body
               || document.getElementById("dialog").contains(document.activeElement)"""
        )
        assert where, "the focus must stay inside the dialog"
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_a_rows_menu_supports_arrow_keys_and_restores_the_focus(open_page, world):
    world.cards(VISA, MASTERCARD)
    page = open_page()
    button = page.get_by_role("button", name=f"More actions for {VISA_NAME}")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Add Funds")).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "true")
    for name in ("Activity", "Remove"):
        page.keyboard.press("ArrowDown")
        expect(page.get_by_role("menuitem", name=name)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Add Funds")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-expanded", "false")

    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Add Funds")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name=f"Remove {VISA_NAME}?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(button).to_be_focused()


def remove_by_keyboard(page, name):
    page.get_by_role("button", name=f"More actions for {name}").press("Enter")
    expect(page.get_by_role("menuitem", name="Add Funds")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_role("button", name="Remove")).to_be_focused()
    page.keyboard.press("Enter")


def test_after_a_removal_the_focus_is_on_the_next_row_or_on_adding_one(open_page, world):
    world.cards(VISA, MASTERCARD)
    page = open_page()
    remove_by_keyboard(page, VISA_NAME)
    expect_order(page, MASTERCARD_NAME)
    expect(switch(page, MASTERCARD_NAME)).to_be_focused()
    remove_by_keyboard(page, MASTERCARD_NAME)
    expect(page.get_by_role("button", name="Add Credit Card")).to_be_focused()


@pytest.mark.parametrize(
    ("where", "button"),
    [
        ("Saved methods", "Retry"),
        ("Saved methods", "Restore without paying"),
        ("Recent failed payments", "Retry"),
    ],
)
def test_after_a_retry_the_focus_is_on_its_row(open_page, world, where, button):
    _, mastercard = world.cards(VISA, MASTERCARD)
    suspend(world, mastercard)
    page = open_page()
    page.get_by_role("region", name=where).get_by_role("button", name="Retry").press("Enter")
    dialog(page).get_by_role("button", name=button, exact=True).press("Enter")
    expect(row(page, MASTERCARD_NAME)).to_contain_text("This method is back in use.")
    expect(switch(page, MASTERCARD_NAME)).to_be_focused()


def test_after_the_banners_fix_the_focus_is_in_the_first_row(open_page, world):
    visa, _ = world.cards(VISA, MASTERCARD)
    world.refill()
    world.consent(visa, False)
    page = open_page()
    page.get_by_role("button", name="Turn on auto-charge").press("Enter")
    expect(page.get_by_text("Nothing is charged automatically")).to_have_count(0)
    expect(switch(page, VISA_NAME)).to_be_focused()
    expect(switch(page, VISA_NAME)).to_be_checked()


def test_after_resuming_the_focus_is_in_the_first_row(open_page, world):
    """T10."""
    world.cards(VISA)
    world.refill()
    begin_writing(world.session)
    settings = LowBalanceSettings.of(world.session, world.account_id)
    settings.pause(PausedBy.BURST, world.services.clock.now())
    world.session.commit()
    page = open_page()
    page.get_by_role("button", name="Resume automatic refills").press("Enter")
    expect(page.get_by_role("button", name="Resume automatic refills")).to_have_count(0)
    expect(switch(page, VISA_NAME)).to_be_focused()


def test_a_card_can_be_added_by_keyboard(open_page, world):
    page = open_page()
    button = page.get_by_role("button", name="Add Payment Method")
    button.press("Enter")
    expect(page.get_by_role("menuitem", name="Credit Card")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog(page).get_by_label("Card number")).to_be_focused()
    for words in (VISA, "1234", "123", "Ana Ruiz", "Ireland", "12 Harbour Road", "Dublin", "D18"):
        page.keyboard.type(words)
        page.keyboard.press("Tab")
    dialog(page).get_by_label("Postal code").fill("D18 A4R6")
    page.keyboard.press("Enter")
    expect_order(page, VISA_NAME)
    expect(dialog(page)).to_have_count(0)
