"""Low Balance Settings: nothing is saved before Apply Changes, which saves all or nothing."""

import re

from playwright.sync_api import expect

from tests.browser.screen import (
    VISA_NAME,
    Held,
    apply,
    click_anyway,
    field,
    notification,
    refill,
    settings,
    switch,
)
from tests.browser.test_accessibility import expect_no_violations
from tests.factories import MASTERCARD, VISA, micros
from webapp.domain.top_ups.settings import LowBalanceSettings


def stored(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id)


def background_of(button):
    """Return the button's background colour, which is the accent colour for a primary button."""
    return button.evaluate("it => getComputedStyle(it).backgroundColor")


def test_valid_settings_are_applied_and_confirmed(open_page, world):
    world.cards(VISA)
    page = open_page()
    refill(page).click()
    field(page, "Threshold amount").fill("40")
    field(page, "Refill amount").fill("120.50")
    notification(page).click()
    field(page, "Notification threshold").fill("1000")
    assert not stored(world).refill_on, "nothing is saved before Apply"

    apply(page).click()
    expect(page.get_by_role("status").filter(has_text="Changes applied")).to_be_visible()
    expect(field(page, "Threshold amount")).to_have_value("40.00")
    expect(field(page, "Notification threshold")).to_have_value("1000.00")
    expect(page.get_by_role("region", name="What happens next")).to_contain_text(
        f"When your balance falls below $40.00, we’ll charge $120.50 to {VISA_NAME}"
    )
    kept = stored(world)
    assert (kept.refill_on, kept.threshold, kept.refill_amount) == (
        True,
        micros("40"),
        micros("120.50"),
    )
    assert (kept.notification_on, kept.notification_threshold) == (True, micros("1000"))
    # After a few seconds the message is replaced by the time of saving.
    expect(settings(page)).to_contain_text("Last saved today")

    page.reload()
    expect(refill(page)).to_be_checked()
    expect(field(page, "Refill amount")).to_have_value("120.50")


def test_invalid_fields_are_reported_and_nothing_is_saved(open_page, world):
    """T1."""
    world.cards(VISA)
    page = open_page()
    refill(page).click()
    field(page, "Threshold amount").fill("fifty")
    field(page, "Refill amount").fill("29.99")
    notification(page).click()
    field(page, "Notification threshold").fill("")
    apply(page).click()

    expect(field(page, "Refill amount")).to_have_accessible_description(
        re.compile(r"At least \$30\.00")
    )
    for name in ("Threshold amount", "Refill amount", "Notification threshold"):
        expect(field(page, name)).to_have_attribute("aria-invalid", "true")
    expect(settings(page)).to_contain_text("3 fields to fix")
    expect(field(page, "Threshold amount")).to_be_focused()
    expect(field(page, "Threshold amount")).to_have_value("fifty")
    kept = stored(world)
    assert not kept.refill_on
    assert not kept.notification_on

    field(page, "Threshold amount").fill("20")
    field(page, "Refill amount").fill("30")
    field(page, "Notification threshold").fill("60.5")
    apply(page).click()
    expect(page.get_by_text("Changes applied")).to_be_visible()
    expect(field(page, "Refill amount")).not_to_have_attribute("aria-invalid", "true")
    assert stored(world).refill_amount == micros("30")


def test_an_error_disappears_once_its_field_is_valid(open_page, world):
    """T1, T9: without another press; the remaining errors are counted."""
    world.cards(VISA)
    world.refill()
    page = open_page()
    threshold, amount, limit = (
        field(page, name) for name in ("Threshold amount", "Refill amount", "Daily limit")
    )
    threshold.fill("abc")
    amount.fill("5")
    limit.fill("6")
    apply(page).click()
    expect(settings(page)).to_contain_text("3 fields to fix")

    threshold.fill("50")
    expect(threshold).not_to_have_attribute("aria-invalid", "true")
    expect(threshold).to_have_accessible_description("")
    expect(settings(page)).to_contain_text("2 fields to fix")
    expect(amount).to_have_accessible_description("At least $30.00")
    amount.fill("100")
    expect(settings(page)).to_contain_text("1 field to fix")
    page.get_by_label("No daily limit").check()
    expect(settings(page)).not_to_contain_text("to fix")
    expect(settings(page).locator(".invalid")).to_have_count(0)
    expect(settings(page)).to_contain_text("Refills are not limited per day.")
    assert stored(world).threshold == micros("50"), "nothing is saved yet"


def test_the_missing_method_error_disappears_once_there_is_one(open_page, world):
    """T2: switching auto-charge on beside a refused form clears the error."""
    world.card(VISA, auto_charge=False)
    page = open_page()
    refill(page).click()
    field(page, "Threshold amount").fill("50")
    field(page, "Refill amount").fill("100")
    apply(page).click()
    # By its id, because the preview repeats the sentence, hidden, for the scripts.
    error = settings(page).locator("#refill_on-error")
    expect(error).to_have_text("Needs a payment method with auto-charge on")
    switch(page, VISA_NAME).click()
    expect(error).to_be_hidden()
    expect(settings(page).get_by_text("Turn on auto-charge for a method")).to_be_hidden()
    expect(refill(page)).to_be_checked()


def test_no_daily_limit_shows_no_currency_sign(open_page, world):
    """T10: the disabled field says "No daily limit" without a currency sign."""
    world.cards(VISA)
    world.refill()
    page = open_page()
    sign = settings(page).locator('[data-field="day_limit"]').get_by_text("$")
    expect(sign).to_be_visible()
    page.get_by_label("No daily limit").check()
    expect(field(page, "Daily limit")).to_be_disabled()
    expect(sign).to_be_hidden()


def test_apply_becomes_primary_on_a_change_and_discard_reverts_it(open_page, world):
    world.cards(VISA)
    world.refill()
    page = open_page()
    discard = page.get_by_role("button", name="Discard")
    plain = background_of(apply(page))
    expect(discard).to_have_count(0)

    height = settings(page).bounding_box()["height"]
    field(page, "Threshold amount").fill("75")
    expect(discard).to_be_visible()
    assert settings(page).bounding_box()["height"] == height
    expect(apply(page)).not_to_have_css("background-color", plain)

    field(page, "Threshold amount").fill("50.00")  # the saved value again, so nothing differs
    expect(discard).to_have_count(0)
    expect(apply(page)).to_have_css("background-color", plain)

    field(page, "Threshold amount").fill("75")
    notification(page).click()
    discard.click()
    expect(field(page, "Threshold amount")).to_have_value("50.00")
    expect(notification(page)).not_to_be_checked()
    expect(discard).to_have_count(0)
    expect(apply(page)).to_be_focused()
    assert stored(world).threshold == micros("50")


def test_a_switched_off_group_hides_its_fields_and_keeps_their_values(open_page, world):
    world.cards(VISA)
    world.refill(notification_on=True, notification_threshold="80.00")
    page = open_page()
    refill(page).click()
    expect(field(page, "Threshold amount")).to_be_hidden()
    expect(field(page, "Refill amount")).to_be_hidden()
    expect(field(page, "Notification threshold")).to_be_visible()
    notification(page).click()
    expect(field(page, "Notification threshold")).to_be_hidden()

    apply(page).click()
    expect(page.get_by_text("Changes applied")).to_be_visible()
    kept = stored(world)
    assert (kept.refill_on, kept.threshold) == (False, micros("50"))

    page.reload()
    expect(refill(page)).not_to_be_checked()
    refill(page).click()
    expect(field(page, "Threshold amount")).to_have_value("50.00")
    expect(field(page, "Threshold amount")).to_be_visible()


def test_refill_needs_a_method_with_auto_charge(open_page, world):
    """T2."""
    world.card(VISA, auto_charge=False)
    page = open_page()
    refill(page).click()
    field(page, "Threshold amount").fill("50")
    field(page, "Refill amount").fill("100")
    apply(page).click()

    expect(settings(page)).to_contain_text("Needs a payment method with auto-charge on")
    expect(refill(page)).to_be_checked()
    expect(refill(page)).to_be_focused()
    assert not stored(world).refill_on

    switch(page, VISA_NAME).click()
    expect(switch(page, VISA_NAME)).to_be_checked()
    apply(page).click()
    expect(page.get_by_text("Changes applied")).to_be_visible()
    assert stored(world).refill_on


def test_without_a_method_the_refusal_links_to_the_card_form(open_page):
    """T2."""
    page = open_page()
    refill(page).click()
    field(page, "Threshold amount").fill("50")
    field(page, "Refill amount").fill("100")
    apply(page).click()
    expect(refill(page)).to_be_focused()
    settings(page).get_by_role("link", name="Add a credit card").click()
    expect(page.get_by_role("dialog", name="Add a credit card")).to_be_visible()


def test_settings_applied_in_another_tab_are_shown_beside_the_input(open_page, world):
    """P5: the input stays, Use takes the other value, and nothing is overwritten unseen."""
    world.cards(VISA)
    world.refill()
    page, other = open_page(), open_page()
    field(page, "Threshold amount").fill("60")
    held = Held(page, "**/low-balance-settings")
    apply(page).click()
    held.arrived()

    field(other, "Threshold amount").fill("45")
    apply(other).click()
    expect(other.get_by_text("Changes applied")).to_be_visible()

    held.let_go()
    alert = settings(page).get_by_role("alert")
    expect(alert).to_contain_text("You changed these settings in another tab at")
    expect(alert).to_contain_text("You entered a threshold of $60.00; it is now $45.00.")
    expect(field(page, "Threshold amount")).to_have_value("60")
    assert stored(world).threshold == micros("45")
    expect_no_violations(page, "a conflict of settings")

    use = settings(page).get_by_role("button", name="Use $45.00")
    use.press("Enter")
    expect(field(page, "Threshold amount")).to_be_focused()
    expect(field(page, "Threshold amount")).to_have_value("45.00")
    expect(use).to_be_hidden()
    field(page, "Threshold amount").fill("61")
    field(page, "Threshold amount").press("Enter")
    expect(page.get_by_text("Changes applied")).to_be_visible()
    assert stored(world).threshold == micros("61")


def test_without_a_response_the_input_stays(open_page, world):
    world.cards(VISA)
    world.refill()
    page = open_page()
    page.route("**/low-balance-settings", lambda route: route.abort())
    field(page, "Threshold amount").fill("60")
    apply(page).click()
    expect(page.get_by_text("The server did not respond.")).to_be_visible()
    expect(field(page, "Threshold amount")).to_have_value("60")
    expect(settings(page).get_by_text("Saving")).to_have_count(0)
    assert stored(world).threshold == micros("50")

    page.unroute("**/low-balance-settings")
    apply(page).click()
    expect(page.get_by_text("Changes applied")).to_be_visible()
    assert stored(world).threshold == micros("60")


def test_pressing_apply_while_saving_applies_once(open_page, world):
    world.cards(VISA)
    world.refill()
    page = open_page()
    field(page, "Threshold amount").fill("60")
    held = Held(page, "**/low-balance-settings")
    apply(page).click()
    held.arrived()
    click_anyway(page, apply(page))
    apply(page).press("Enter")
    expect(apply(page)).to_have_attribute("aria-busy", "true")
    held.let_go()
    expect(page.get_by_text("Changes applied")).to_be_visible()
    assert len(held.routes) == 1


def test_more_options_name_the_limits_in_force(open_page, world):
    """T10."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    page = open_page()
    expect(settings(page)).to_contain_text("5 refills a day at most. $0.00 used today.")
    expect(settings(page)).to_contain_text("Fixed amount, no monthly limit")
    settings(page).get_by_text("More options").click()
    field(page, "Monthly limit").fill("10")
    apply(page).click()
    expect(field(page, "Monthly limit")).to_have_accessible_description(
        re.compile(r"At least \$30\.00, or empty for no limit")
    )
    expect(field(page, "Monthly limit")).to_be_visible()

    field(page, "Monthly limit").fill("900")
    apply(page).click()
    expect(settings(page)).to_contain_text("Fixed amount, $900.00 a month")


def test_refill_to_a_target(open_page, world):
    """T9."""
    world.cards(VISA)
    world.refill()
    page = open_page()
    settings(page).get_by_text("More options").click()
    page.get_by_role("radio", name="Refill to a target").check(force=True)
    expect(field(page, "Refill amount")).to_be_hidden()
    field(page, "Target balance").fill("40")
    apply(page).click()
    expect(field(page, "Target balance")).to_have_accessible_description(
        re.compile(r"At least the threshold, \$50\.00")
    )
    assert stored(world).refill_mode == "add"

    field(page, "Target balance").fill("200")
    apply(page).click()
    expect(page.get_by_text("Changes applied")).to_be_visible()
    expect(page.get_by_role("region", name="What happens next")).to_contain_text("$200.00")
    assert stored(world).refill_mode == "target"
