"""Ordering the methods: by mouse, touch, buttons and arrow keys."""

import pytest
from playwright.sync_api import expect

from tests.browser.screen import (
    AMEX_NAME,
    DISCOVER_NAME,
    FOUR,
    MASTERCARD_NAME,
    VISA_NAME,
    Held,
    come_to_rest,
    expect_order,
    expect_primary,
    handle,
    middle,
    row,
    rows,
    said,
)
from tests.factories import AMEX, DISCOVER, MASTERCARD, VISA

POSTS = "**/order*"
MASTERCARD_FIRST = [MASTERCARD_NAME, VISA_NAME, AMEX_NAME, DISCOVER_NAME]


@pytest.fixture(autouse=True)
def four(world):
    return world.cards(VISA, MASTERCARD, AMEX, DISCOVER)


def order_of(world):
    return [method.label for method in world.methods]


def drag(page, name, onto):
    """Lift a row by its handle and drag it to another row; the mouse button stays down."""
    come_to_rest(page)
    x, y = middle(handle(page, name))
    to = row(page, onto).bounding_box()
    end = to["y"] + (4 if to["y"] < y else to["height"] - 4)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y + (-6 if end < y else 6), steps=3)
    page.mouse.move(x, end, steps=15)


def test_dragging_by_mouse_moves_the_star_after_the_response(open_page, world):
    """M2, M5."""
    page = open_page()
    held = Held(page, POSTS)
    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)
    assert held.routes == [], "nothing is sent during the drag"

    page.mouse.up()
    held.arrived()
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)
    expect_primary(page, VISA_NAME)
    assert order_of(world) == FOUR

    held.let_go()
    expect_order(page, *MASTERCARD_FIRST)
    expect(said(page, f"Order saved. {MASTERCARD_NAME} is now primary.")).to_be_visible()
    assert order_of(world) == MASTERCARD_FIRST


def test_undo_restores_the_old_order(open_page, world):
    page = open_page()
    drag(page, VISA_NAME, DISCOVER_NAME)
    expect(rows(page).last).to_contain_text(VISA_NAME)
    page.mouse.up()
    expect_order(page, MASTERCARD_NAME, AMEX_NAME, DISCOVER_NAME, VISA_NAME)
    expect(said(page, f"{VISA_NAME} moved to position 4 of 4")).to_have_count(1)
    assert order_of(world) == [MASTERCARD_NAME, AMEX_NAME, DISCOVER_NAME, VISA_NAME]

    page.get_by_role("button", name="Undo").click()
    expect_order(page, *FOUR)
    assert order_of(world) == FOUR


def test_escape_cancels_a_drag(open_page, world):
    page = open_page()
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)

    # A refresh that was held back during the drag runs now.
    with page.expect_response("**/billing/payment-methods/refresh"):
        page.keyboard.press("Escape")
    expect_order(page, *FOUR)
    page.mouse.up()
    expect_order(page, *FOUR)
    assert sent == []
    assert order_of(world) == FOUR

    # The next drag works.
    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)
    page.mouse.up()
    expect_order(page, *MASTERCARD_FIRST)


def test_dragging_by_touch_after_a_long_press(open_page, world):
    page = open_page(has_touch=True, viewport={"width": 820, "height": 1180})
    finger = page.context.new_cdp_session(page)

    def touch(kind, *point):
        points = [dict(zip("xy", point, strict=True))] if point else []
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    x, y = middle(handle(page, MASTERCARD_NAME))
    end = row(page, VISA_NAME).bounding_box()["y"] + 4
    touch("touchStart", x, y)
    page.wait_for_timeout(400)  # the long press that starts a drag, not a wait for a result
    for step in range(1, 16):
        touch("touchMove", x, y + (end - y) * step / 15)
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)
    expect_primary(page, VISA_NAME)
    touch("touchEnd")

    expect_order(page, *MASTERCARD_FIRST)
    assert order_of(world) == MASTERCARD_FIRST


def test_a_swipe_without_a_long_press_scrolls(open_page, world):
    page = open_page(has_touch=True, viewport={"width": 820, "height": 600})
    finger = page.context.new_cdp_session(page)
    x, y = middle(handle(page, AMEX_NAME))
    finger.send("Input.synthesizeScrollGesture", {"x": x, "y": y, "yDistance": -120, "speed": 2000})
    expect_order(page, *FOUR)
    assert order_of(world) == FOUR


def test_an_order_changed_meanwhile_is_refused(open_page, world):
    """M5."""
    page, other = open_page(), open_page()
    held = Held(page, POSTS)
    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)
    page.mouse.up()
    held.arrived()

    handle(other, DISCOVER_NAME).press("ArrowUp")
    expect_order(other, VISA_NAME, MASTERCARD_NAME, DISCOVER_NAME, AMEX_NAME)

    held.let_go()
    expect(said(page, "The list has changed meanwhile.")).to_be_visible()
    expect_order(page, VISA_NAME, MASTERCARD_NAME, DISCOVER_NAME, AMEX_NAME)
    assert order_of(world) == [VISA_NAME, MASTERCARD_NAME, DISCOVER_NAME, AMEX_NAME]
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)

    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect(rows(page).first).to_contain_text(MASTERCARD_NAME)
    page.mouse.up()
    expect_order(page, MASTERCARD_NAME, VISA_NAME, DISCOVER_NAME, AMEX_NAME)


def test_a_move_without_a_response_is_reported(open_page, world):
    page = open_page()
    page.route(POSTS, lambda route: route.abort())
    page.get_by_role("button", name=f"Move {MASTERCARD_NAME} up").press("Enter")
    expect(said(page, "The server did not respond.")).to_be_visible()
    expect_order(page, *FOUR)


def test_a_dropped_row_without_a_response_goes_back(open_page, world):
    page = open_page()
    page.route(POSTS, lambda route: route.abort())
    drag(page, MASTERCARD_NAME, VISA_NAME)
    expect(rows(page)).to_contain_text(MASTERCARD_FIRST)
    page.mouse.up()
    expect(said(page, "The server did not respond.")).to_be_visible()
    expect_order(page, *FOUR)


def test_reordering_by_arrow_keys(open_page, world):
    page = open_page()
    mastercard = handle(page, MASTERCARD_NAME)
    mastercard.focus()
    page.keyboard.press("ArrowUp")
    expect_order(page, *MASTERCARD_FIRST)
    expect(mastercard).to_be_focused()
    expect(said(page, f"{MASTERCARD_NAME} moved to position 1 of 4")).to_have_count(1)

    page.keyboard.press("ArrowUp")  # it is the first row already
    page.keyboard.press("ArrowDown")
    expect_order(page, *FOUR)
    page.keyboard.press("ArrowDown")
    expect_order(page, VISA_NAME, AMEX_NAME, MASTERCARD_NAME, DISCOVER_NAME)
    expect(mastercard).to_be_focused()
    expect(said(page, f"{MASTERCARD_NAME} moved to position 3 of 4")).to_have_count(1)
    assert order_of(world) == [VISA_NAME, AMEX_NAME, MASTERCARD_NAME, DISCOVER_NAME]


def test_reordering_by_buttons_keeps_the_focus(open_page, world):
    page = open_page()
    up = page.get_by_role("button", name=f"Move {AMEX_NAME} up")
    up.focus()
    page.keyboard.press("Enter")
    expect_order(page, VISA_NAME, AMEX_NAME, MASTERCARD_NAME, DISCOVER_NAME)
    expect(said(page, f"{AMEX_NAME} moved to position 2 of 4")).to_have_count(1)
    expect(up).to_be_focused()

    page.keyboard.press("Space")
    expect_order(page, AMEX_NAME, VISA_NAME, MASTERCARD_NAME, DISCOVER_NAME)
    expect(said(page, f"{AMEX_NAME} moved to position 1 of 4")).to_have_count(1)
    expect(up).to_be_focused()
    expect(up).to_be_disabled()

    page.get_by_role("button", name=f"Move {VISA_NAME} down").press("Enter")
    expect_order(page, AMEX_NAME, MASTERCARD_NAME, VISA_NAME, DISCOVER_NAME)
    expect(said(page, f"{VISA_NAME} moved to position 3 of 4")).to_have_count(1)


def test_the_move_buttons_appear_on_hover(open_page):
    page = open_page()
    row(page, MASTERCARD_NAME).hover()
    page.get_by_role("button", name=f"Move {MASTERCARD_NAME} up").click()
    expect_order(page, *MASTERCARD_FIRST)
