"""Locators of the main screen, by the names that users and assistive technology see."""

import json
import time
import urllib.request
from collections.abc import Callable

from playwright.sync_api import Locator, Page, Route, expect

from tests.factories import World
from webapp.domain.payment_methods.payment_method import PaymentMethod

MAIN = "/billing/payment-methods"

VISA_NAME = "Visa •••• 4242"
MASTERCARD_NAME = "Mastercard •••• 4444"
AMEX_NAME = "American Express •••• 0005"
DISCOVER_NAME = "Discover •••• 1117"
FOUR = [VISA_NAME, MASTERCARD_NAME, AMEX_NAME, DISCOVER_NAME]


def methods(page: Page) -> Locator:
    return page.get_by_role("list", name="Payment methods")


def rows(page: Page) -> Locator:
    return methods(page).get_by_role("listitem")


def row(page: Page, name: str) -> Locator:
    return rows(page).filter(has=switch(page, name))


def switch(page: Page, name: str) -> Locator:
    return page.get_by_role("switch", name=f"Auto-charge for {name}")


def handle(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=f"Reorder {name}")


def expect_order(page: Page, *names: str) -> None:
    """Expect the rows in this order, with the primary star on the first one only."""
    expect(rows(page)).to_contain_text(list(names))
    expect_primary(page, names[0])


def expect_primary(page: Page, name: str) -> None:
    expect(methods(page).get_by_role("img", name="Primary")).to_have_count(1)
    expect(row(page, name).get_by_role("img", name="Primary")).to_be_visible()


def said(page: Page, text: str) -> Locator:
    """Text in the polite live region."""
    return page.locator("[aria-live=polite]").get_by_text(text)


def settings(page: Page) -> Locator:
    return page.get_by_role("region", name="Low Balance Settings")


def refill(page: Page) -> Locator:
    return page.get_by_role("switch", name="Automatically refill when threshold is reached")


def notification(page: Page) -> Locator:
    return page.get_by_role("switch", name="Low balance notification")


def field(page: Page, name: str) -> Locator:
    return settings(page).get_by_label(name, exact=True)


def apply(page: Page) -> Locator:
    return page.get_by_role("button", name="Apply Changes")


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog")


def press(page: Page, name: str) -> None:
    """Press a button of the dialog, or a link styled as one."""
    dialog(page).get_by_role("button", name=name, exact=True).click()


def more(page: Page, name: str, item: str) -> None:
    """Choose an item of a row's menu."""
    page.get_by_role("button", name=f"More actions for {name}").click()
    page.get_by_role("menuitem", name=item).click()


def balance(page: Page) -> Locator:
    return page.get_by_role("banner").get_by_role("link", name="Balance")


def post_usage(url: str, world: World, amount: str) -> dict:
    """Post usage over HTTP, as a meter does."""
    body = {"amount": amount, "reference": f"call-{next(world.references)}"}
    request = urllib.request.Request(
        f"{url}/api/v1/usage",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {world.created.api_key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 201
        return json.load(answer)


def until(page: Page, holds: Callable[[], object]) -> None:
    """Wait for a condition that only this process can check, while the page keeps running."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "the condition did not become true"
        page.wait_for_timeout(50)


class Held:
    """Holds requests to URLs that match `pattern` until `let_go` is called."""

    def __init__(
        self, page: Page, pattern: str | Callable[[str], bool], *, resource_type: str | None = None
    ) -> None:
        self.page = page
        self.resource_type = resource_type
        self.routes: list[Route] = []
        self.is_open = False
        page.route(pattern, self._take)

    def _take(self, route: Route) -> None:
        if self.resource_type not in (None, route.request.resource_type):
            route.continue_()
            return
        self.routes.append(route)
        if self.is_open:
            route.continue_()

    def arrived(self) -> None:
        until(self.page, lambda: self.routes)

    def let_go(self) -> None:
        self.arrived()
        self.is_open = True
        for route in self.routes:
            route.continue_()


def suspend(world: World, method: PaymentMethod, amount: str = "250.00") -> None:
    """Decline a manual payment, which suspends the method (F1)."""
    world.next_answer("decline", decline_code="insufficient_funds", last4=method.last4)
    world.pay(method, amount)


def click_anyway(page: Page, place: Locator) -> None:
    """Click at the element's position even if it is disabled."""
    page.mouse.click(*middle(place))


def come_to_rest(page: Page) -> None:
    """Wait until all animations have finished."""
    page.evaluate("Promise.all(document.getAnimations().map((it) => it.finished.catch(() => 0)))")


def middle(place: Locator) -> tuple[float, float]:
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
