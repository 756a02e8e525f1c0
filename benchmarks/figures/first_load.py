"""Bytes that Chromium receives for the first and second load of the main screen, with headers."""

import os
import re
import shutil
import time
from typing import Any

import requests
from playwright.sync_api import BrowserContext, Page, sync_playwright

from benchmarks.bench import Bench
from benchmarks.customers import PAGE
from benchmarks.rows import Row, at_most

Event = dict[str, Any]

SOON = 90
"""Seconds: resources cached for at most this long have expired at the second load."""


def measure(bench: Bench) -> list[Row]:
    installation = bench.default
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        raise RuntimeError("No Chromium: set CHROMIUM to the path of one, as `make bench` does")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        context = browser.new_context()
        _sign_in(context, installation.browser, installation.server.url)
        page = context.new_page()
        wire = Wire(page)
        first = wire.load(f"{installation.server.url}{PAGE}")
        time.sleep(wire.wait)
        again = wire.load(f"{installation.server.url}{PAGE}")
        browser.close()
    return [
        _row("First load of the main screen, font included", first, 125),
        _row("Second load of the main screen", again, 10),
    ]


def _row(figure: str, got: dict[str, float], aim: int) -> Row:
    return Row(
        figure=figure,
        unit="KB",
        ours=(sum(got.values()) / 1000,),
        aim=at_most(aim, f"{aim} KB"),
        note=f"{sum(size > 0 for size in got.values())} responses over the network",
        details={address: int(size) for address, size in sorted(got.items())},
    )


def _sign_in(context: BrowserContext, browser: requests.Session, url: str) -> None:
    """Sign in by cookie only, so that the sign-in page does not fill the cache."""
    for cookie in browser.cookies:
        context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": url}])


class Wire:
    """Counts the bytes received for a page, without cached resources."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._addresses: dict[str, str] = {}
        self._got: dict[str, float] = {}
        self.wait = 0
        """Seconds until all resources that are cached only briefly have expired."""
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.responseReceived", self._answered)
        session.on("Network.loadingFinished", self._finished)

    def load(self, address: str) -> dict[str, float]:
        """Load the page and return received bytes by URL."""
        self._page.goto("about:blank")
        self._got = {}
        answer = self._page.goto(address, wait_until="networkidle")
        if answer is None or answer.status != 200 or self._page.url != address:
            raise RuntimeError(f"the main screen was expected, not {self._page.url}")
        return dict(self._got)

    def _asked(self, event: Event) -> None:
        self._addresses[event["requestId"]] = event["request"]["url"]

    def _answered(self, event: Event) -> None:
        """Note short cache lifetimes: a second load at once would find those resources cached."""
        kept = re.search(r"max-age=(\d+)", str(event["response"]["headers"]))
        if kept and int(kept[1]) <= SOON:
            self.wait = max(self.wait, int(kept[1]) + 1)

    def _finished(self, event: Event) -> None:
        address = self._addresses[event["requestId"]]
        self._got[address] = self._got.get(address, 0) + event["encodedDataLength"]
