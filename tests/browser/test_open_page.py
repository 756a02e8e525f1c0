"""An open page updates itself: usage, automatic refills, and changes made elsewhere."""

import re

from playwright.sync_api import expect

from tests.browser.screen import (
    MAIN,
    MASTERCARD_NAME,
    VISA_NAME,
    apply,
    balance,
    expect_order,
    field,
    handle,
    post_usage,
    row,
    rows,
    settings,
    suspend,
    switch,
)
from tests.factories import MASTERCARD, VISA, micros
from webapp.domain.top_ups.settings import LowBalanceSettings


def never_reloaded(page):
    """Return whether the page is still the document that was opened."""
    return page.evaluate("window.opened === true")


def opened(open_page, path=MAIN):
    page = open_page(path)
    page.evaluate("window.opened = true")
    return page


def test_a_debit_is_followed_by_the_credit(open_page, server, world):
    """T4: the usage is posted over HTTP, and the page updates without a reload."""
    world.cards(VISA)
    world.refill()
    page = opened(open_page)
    answer = post_usage(server.url, world, "60.00")
    assert answer["balance"] in ("40.00", "140.00")

    expect(balance(page)).to_contain_text("$140.00")
    expect(page.get_by_role("img", name=re.compile("1 refill, "))).to_be_visible()
    assert never_reloaded(page)
    assert world.charges == [("4242", "100.00")]


def test_a_debit_to_the_threshold_starts_no_refill(open_page, server, world):
    """T3: a balance equal to the threshold is not below it."""
    world.cards(VISA)
    world.refill()
    page = opened(open_page)
    post_usage(server.url, world, "50.00")
    expect(balance(page)).to_contain_text("$50.00")
    assert world.attempts == []


def test_a_decline_and_its_fallback_are_shown(open_page, server, world):
    """T7, F1."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds", last4="4242")
    page = opened(open_page)
    post_usage(server.url, world, "60.00")

    expect(row(page, VISA_NAME)).to_contain_text(
        re.compile(r"Suspended until .*Insufficient funds")
    )
    expect(row(page, VISA_NAME).get_by_role("button", name="Retry")).to_be_visible()
    expect(balance(page)).to_contain_text("$140.00")
    failures = page.get_by_role("region", name="Recent failed payments")
    expect(failures).to_contain_text(f"Paid by {MASTERCARD_NAME}")
    expect(switch(page, VISA_NAME)).to_be_checked()  # M3: only the customer changes consent
    expect(page.get_by_role("region", name="What happens next")).to_contain_text(
        f"we’ll charge $100.00 to {MASTERCARD_NAME}"
    )
    assert never_reloaded(page)


def test_the_page_shows_that_every_method_failed(open_page, server, world):
    """T11."""
    world.cards(VISA, MASTERCARD)
    world.refill()
    for last4 in ("4242", "4444"):
        world.next_answer("decline", decline_code="insufficient_funds", last4=last4)
    page = opened(open_page)
    post_usage(server.url, world, "60.00")
    for name in (VISA_NAME, MASTERCARD_NAME):
        expect(row(page, name)).to_contain_text("Suspended until")
    expect(page.get_by_role("region", name="What happens next")).to_contain_text(
        "Nothing can be charged until"
    )
    expect(balance(page)).to_contain_text("$40.00")


def test_changes_in_one_page_appear_in_the_other(open_page, world):
    visa, _ = world.cards(VISA, MASTERCARD)
    here, there = opened(open_page), opened(open_page)

    switch(here, MASTERCARD_NAME).click()
    expect(switch(there, MASTERCARD_NAME)).not_to_be_checked()

    handle(there, MASTERCARD_NAME).press("ArrowUp")
    expect_order(here, MASTERCARD_NAME, VISA_NAME)

    suspend(world, visa)
    for page in (here, there):
        expect(row(page, VISA_NAME)).to_contain_text("Suspended until")

    here.get_by_role("switch", name="Low balance notification").click()
    field(here, "Notification threshold").fill("66")
    apply(here).click()
    expect(here.get_by_text("Changes applied")).to_be_visible()
    expect(field(there, "Notification threshold")).to_have_value("66.00")
    assert never_reloaded(here)
    assert never_reloaded(there)


def test_unsaved_edits_survive_changes_made_elsewhere(open_page, world):
    world.cards(VISA, MASTERCARD)
    world.refill()
    here, there = opened(open_page), opened(open_page)
    field(here, "Threshold amount").fill("61")
    field(here, "Threshold amount").focus()

    field(there, "Refill amount").fill("200")
    apply(there).click()
    expect(there.get_by_text("Changes applied")).to_be_visible()
    handle(there, MASTERCARD_NAME).press("ArrowUp")

    # The rest of the page shows both changes; the panel being edited is not replaced.
    expect_order(here, MASTERCARD_NAME, VISA_NAME)
    expect(here.get_by_role("region", name="What happens next")).to_contain_text("$200.00")
    expect(field(here, "Threshold amount")).to_have_value("61")
    expect(field(here, "Threshold amount")).to_be_focused()
    expect(here.get_by_role("button", name="Discard")).to_be_visible()

    apply(here).click()
    expect(settings(here)).to_contain_text("You changed these settings in another tab at")
    expect(field(here, "Threshold amount")).to_have_value("61")
    expect(field(here, "Refill amount")).to_have_value("200.00")
    world.session.rollback()
    kept = LowBalanceSettings.of(world.session, world.account_id)
    assert (kept.threshold, kept.refill_amount) == (micros("50"), micros("200"))


def test_a_refresh_keeps_the_focus_and_an_open_dialog(open_page, server, world):
    world.cards(VISA, MASTERCARD)
    page = opened(open_page)
    handle(page, MASTERCARD_NAME).focus()
    post_usage(server.url, world, "1.00")
    expect(balance(page)).to_contain_text("$99.00")
    expect(handle(page, MASTERCARD_NAME)).to_be_focused()

    page.get_by_role("main").get_by_role("button", name="Add Funds").click()
    amount = page.get_by_role("dialog").get_by_label("Amount", exact=True)
    amount.fill("77")
    post_usage(server.url, world, "1.00")
    expect(page.locator("header")).to_contain_text("$98.00")
    expect(amount).to_have_value("77")
    expect(amount).to_be_focused()


def test_a_refresh_does_not_disturb_a_dragged_row(open_page, server, world):
    world.cards(VISA, MASTERCARD)
    page = opened(open_page)
    box = handle(page, MASTERCARD_NAME).bounding_box()
    top = row(page, VISA_NAME).bounding_box()["y"] + 4
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 6, steps=3)
    page.mouse.move(x, top, steps=12)
    expect(rows(page)).to_contain_text([MASTERCARD_NAME, VISA_NAME])

    post_usage(server.url, world, "1.00")
    expect(balance(page)).to_contain_text("$99.00")
    expect(rows(page)).to_contain_text([MASTERCARD_NAME, VISA_NAME])
    page.mouse.up()
    expect_order(page, MASTERCARD_NAME, VISA_NAME)


def test_the_other_pages_update_too(open_page, server, world):
    world.cards(VISA)
    world.refill()
    statement = opened(open_page, "/billing/statement")
    payments = opened(open_page, "/billing/payments")
    activity = opened(open_page, "/billing/activity")
    post_usage(server.url, world, "60.00")
    expect(statement.get_by_role("table")).to_contain_text("140.00")
    expect(payments.get_by_role("listitem").filter(has_text=VISA_NAME)).to_contain_text("Paid")
    expect(activity.get_by_role("main")).to_contain_text(VISA_NAME)
    for page in (statement, payments, activity):
        assert never_reloaded(page)
