"""Browser tests: the real application in its own process, and a real Chromium.

Each pytest worker has one server on a fresh, migrated home, and one browser; each test has its own
account. Tests set up and check data through the product's own actions, in this process, on the same
home.
"""

import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask.sessions import SecureCookieSessionInterface
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, WebError, expect
from playwright.sync_api import Error as PlaywrightError

from tests import host
from tests.browser.screen import MAIN
from tests.conftest import copy_home, settings_in
from tests.factories import World, signed_in_cookie
from webapp.app import create_app
from webapp.extensions import db
from webapp.settings import ROOT

PATIENCE = 20_000
"""Milliseconds. A slow machine makes a test slow but does not fail it."""

expect.set_options(timeout=PATIENCE)

KEPT = 6
"""Contexts kept for later tests, the last used ones; each has a process of about 50 MB."""

# Chromium and htmx log each response that is not 2xx and each network failure. These are expected:
# the page shows refusals, and server errors are in the server's log.
NOISE = re.compile(
    r"Failed to load resource: the server responded with a status of (4(0[0139]|10|22|29)|50[03])"
    r"|Failed to load resource: net::ERR_"
    r"|Failed to load resource: .* 404 .*/billing/nowhere"
    r"|Response Status Error Code (40[0139]|422|429|50[03])|htmx:(afterRequest|sendError)"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Server:
    url: str
    home: Path
    log: Path


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        pytest.fail("No Chromium: set CHROMIUM to the path of one, as `make test` does")
    # Chromium's sandbox does not work for root, the usual user in a container. Pages of one site
    # share a renderer process, because its start takes as long as loading a page.
    return {"executable_path": path, "args": ["--no-sandbox", "--process-per-site"]}


@pytest.fixture(scope="session")
def home(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_home(migrated, tmp_path_factory.mktemp("served") / "home")


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    with serve(home, SIGN_UP="on") as served:
        yield served


@contextmanager
def serve(home: Path, **options: str) -> Iterator[Server]:
    """Serve the application as `make run` does, with these settings, and stop it afterwards."""
    port, log = host.free_port(), home.with_name("server.log")
    environ = {
        **host.environ(),
        "PORT": str(port),
        "HOST": "127.0.0.1",
        "BALLAST_HOME": str(home),
        "SECRET_KEY": "a secret of tests, long enough for a server",
        "RUN_JOBS": "1",
        # Customers open the sandbox's page only in a demo; nothing is seeded.
        "DEMO": "auto",
        # All tests of a worker share one client address.
        "RATE_LIMITS": "0",
        **options,
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "wsgi:app"]
    with log.open("w") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=stream, stderr=stream)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(url, process, log)
        yield Server(url, home, log)
        output = log.read_text()
        assert " ERROR " not in output, output
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_ready(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"The server did not start:\n{log.read_text(encoding='utf-8')}")


@pytest.fixture(scope="session")
def app(server: Server) -> Iterator:
    """The same home in this process; the jobs run in the server process."""
    app = create_app(settings_in(server.home))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def world(app) -> Iterator[World]:
    """The test's own account: $100.00 and no payment method."""
    with app.app_context():
        world = World(app, db.session())
        yield world
        db.session.rollback()
        world.books.clear_answers()
        db.session.remove()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors and policy violations in the browser's console; there must be none."""
    messages: list[str] = []
    yield messages
    assert messages == []


Open = Callable[..., Page]


class Windows:
    """Browser contexts, reused by later tests with the same options.

    Cookies, storage and pages are cleared after each test; the HTTP cache is kept, because loading
    the static files would take most of a short test. So is the first page, because the renderer
    process with the compiled scripts ends with the last page of its site.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self._url = browser, url
        self._idle: dict[str, BrowserContext] = {}
        self._lent: list[tuple[str, BrowserContext]] = []

    def lend(self, **options) -> BrowserContext:
        name = repr(sorted(options.items()))
        context = self._idle.pop(name, None) or self._new(options)
        self._lent.append((name, context))
        return context

    def take_back(self) -> None:
        for name, context in self._lent:
            if name in self._idle or not self._is_cleared(context):
                context.close()
            else:
                self._idle[name] = context
        self._lent.clear()
        while len(self._idle) > KEPT:
            self._idle.pop(next(iter(self._idle))).close()

    def _new(self, options: dict) -> BrowserContext:
        context = self._browser.new_context(base_url=self._url, **options)
        context.set_default_timeout(PATIENCE)
        context.new_page().goto("/healthz")
        return context

    def _is_cleared(self, context: BrowserContext) -> bool:
        """Clear cookies, storage and pages; return False where that fails."""
        try:
            kept = {"origin": self._url, "storageTypes": "cookies,local_storage"}
            first, *opened = context.pages
            context.new_cdp_session(first).send("Storage.clearDataForOrigin", kept)
            for page in opened:
                page.close()
            context.clear_cookies()
        except PlaywrightError:
            return False
        return True


@pytest.fixture(scope="session")
def windows_by_server(browser: Browser) -> dict[str, Windows]:
    """Keyed by server URL, because some test files have their own server."""
    return {}


@pytest.fixture
def windows(server: Server, browser: Browser, windows_by_server: dict[str, Windows]) -> Windows:
    return windows_by_server.setdefault(server.url, Windows(browser, server.url))


@pytest.fixture
def open_signed_out(windows: Windows, complaints: list[str]) -> Iterator[Open]:
    """Open a signed-out page in a clean context; keywords are Playwright's context options."""
    lent: list[BrowserContext] = []

    def note(message: ConsoleMessage) -> None:
        text = f"{message.text} ({message.location['url']})"
        if message.type in ("error", "warning") and not NOISE.match(text):
            complaints.append(text)

    def complain(error: WebError) -> None:
        complaints.append(str(error.error))

    def open_(**options) -> Page:
        context = windows.lend(**{"viewport": {"width": 1440, "height": 960}, **options})
        context.on("console", note)
        context.on("weberror", complain)
        lent.append(context)
        return context.new_page()

    yield open_
    for context in lent:
        context.remove_listener("console", note)
        context.remove_listener("weberror", complain)
    windows.take_back()


@pytest.fixture
def open_page(app, world: World, server: Server, open_signed_out: Open) -> Open:
    """Open `path` in a fresh window, signed in as the account's owner."""

    def open_(path: str | None = MAIN, **options) -> Page:
        page = open_signed_out(**options)
        cookie = {"name": "session", "value": cookie_of(app, world), "url": server.url}
        page.context.add_cookies([cookie])
        if path:
            page.goto(path)
        return page

    return open_


@pytest.fixture
def open_calm(open_page: Open) -> Open:
    """Open pages for axe: without motion, and without the CSP, which forbids its inline styles."""
    return lambda path=MAIN, **options: open_page(
        path, reduced_motion="reduce", bypass_csp=True, **options
    )


def cookie_of(app, world: World) -> str:
    """Return the owner's session cookie, as signing in sets it; test_session.py uses the form."""
    return session_cookie(app, world)


def session_cookie(app, world: World, user_id: int | None = None, *, minutes_ago: int = 0) -> str:
    """Return a session cookie of the owner, or of `user_id`, who signed in `minutes_ago`."""
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    # Signed in earlier, so that the first response does not renew the cookie.
    wall = world.clock.wall() - timedelta(minutes=minutes_ago)
    cookie = signed_in_cookie(world.session, user_id or world.created.user_id, wall)
    return str(serializer.dumps({**cookie, "_permanent": True}))
