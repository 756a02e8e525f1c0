"""Fuzzing: sends malformed requests to every route and reports wrong outcomes."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from tests.attack.payloads import Dice

TRACES = ("Traceback (most recent", "sqlalchemy.exc", "werkzeug.exceptions", 'File "/')

LEADING = ("href", "src", "action", "formaction", "xlink:href")

ALWAYS_WRITTEN = frozenset(("event", "api_key"))
"""Tables written by design on a refusal: wrong passwords and the last use of a key."""


SETUP_CONCLUSION = re.compile(r"/setups/\d+/conclusion$")
"""Giving up a card is the request's purpose here; the refusal reports that no card was saved."""


@dataclass(frozen=True)
class Finding:
    """A wrong outcome."""

    kind: str
    request: str


@dataclass(frozen=True)
class Route:
    """A route with its method and a form that it accepts."""

    method: str
    address: str
    form: dict[str, str]
    headers: dict[str, str]
    """Authentication headers."""
    json: bool = False
    who: str = "owner"


class Scripts(HTMLParser):
    """Finds user input that has become markup of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            is_script_url = name in LEADING and (value or "").strip().lower().startswith(
                "javascript:"
            )
            executes = name.startswith("on") or is_script_url
            if executes and "xss" in (value or ""):
                self.found.append(f"<{tag} {name}={value}>")

    def handle_data(self, data):
        if self.lasttag == "script" and "xss(" in data:
            self.found.append(f"<script>{data[:40]}")


def fuzz(routes, browser, rewind, count, seed=1):
    """Yield each `Finding`. `browser` makes a client; `rewind` undoes changes and names them."""
    dice = Dice(seed)
    for number in range(count):
        route = routes[number % len(routes)]
        form = dice.form(route.form)
        headers = {**dice.headers(), **route.headers}
        if route.json:
            sent = {"data": dice.json(), "content_type": "application/json"}
        elif route.method == "GET":
            sent = {"query_string": form}
        else:
            sent = {"data": form}
        answer = browser(route.who).open(
            route.address if "data" in sent else route.address.split("?")[0],
            method=route.method,
            headers=headers,
            buffered=True,
            **sent,
        )
        changed = rewind()
        request = f"{route.method} {route.address} {sent} {dict(headers)}"[:600]
        yield from _judge(answer, changed, route, request)


def _judge(answer, changed, route, request):
    if answer.status_code >= 500:
        yield Finding(f"status {answer.status_code}", request)
    page = answer.get_data(as_text=True) if answer.mimetype.startswith("text/") else ""
    if any(trace in page for trace in TRACES):
        yield Finding("stack trace", request)
    partial = set() if SETUP_CONCLUSION.search(route.address) else set(changed) - ALWAYS_WRITTEN
    if answer.status_code >= 400 and partial:
        yield Finding(f"partial write: {sorted(partial)}", request)
    if answer.mimetype == "text/html" and (scripts := Scripts(page).found):
        yield Finding(f"script in the page: {scripts[0]}", request)
    if (location := answer.headers.get("Location", "")) and "evil" in location.split("?")[0]:
        yield Finding(f"open redirect to {location}", request)
