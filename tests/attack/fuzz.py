"""Sends what nobody should to every address, and says what should not have come of it."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from tests.attack.payloads import Dice

TRACES = ("Traceback (most recent", "sqlalchemy.exc", "werkzeug.exceptions", 'File "/')

LEADING = ("href", "src", "action", "formaction", "xlink:href")

NOTED = frozenset(("audit_entry", "api_key"))
"""By design, when something is refused: a wrong password, and that a key was used."""


GIVEN_UP = re.compile(r"/setups/\d+/conclusion$")
"""Giving up a card is what was asked there; that it was not saved is told as a refusal."""


@dataclass(frozen=True)
class Hit:
    """One thing that should not have been."""

    kind: str
    request: str


@dataclass(frozen=True)
class Door:
    """One address and method, and a form that is good for it."""

    method: str
    address: str
    form: dict[str, str]
    headers: dict[str, str]
    """By which it is authorised."""
    json: bool = False
    who: str = "owner"


class Scripts(HTMLParser):
    """Whether markup that somebody has typed has become markup of the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            leads = name in LEADING and (value or "").strip().lower().startswith("javascript:")
            runs = name.startswith("on") or leads
            if runs and "xss" in (value or ""):
                self.found.append(f"<{tag} {name}={value}>")

    def handle_data(self, data):
        if self.lasttag == "script" and "xss(" in data:
            self.found.append(f"<script>{data[:40]}")


def fuzz(doors, browser, rewind, count, seed=1):
    """Yields each `Hit`. `browser` makes a fresh client; `rewind` undoes and tells a change."""
    dice = Dice(seed)
    for number in range(count):
        door = doors[number % len(doors)]
        form = dice.form(door.form)
        headers = {**dice.headers(), **door.headers}
        if door.json:
            sent = {"data": dice.json(), "content_type": "application/json"}
        elif door.method == "GET":
            sent = {"query_string": form}
        else:
            sent = {"data": form}
        answer = browser(door.who).open(
            door.address if "data" in sent else door.address.split("?")[0],
            method=door.method,
            headers=headers,
            buffered=True,
            **sent,
        )
        changed = rewind()
        request = f"{door.method} {door.address} {sent} {dict(headers)}"[:600]
        yield from _judge(answer, changed, door, request)


def _judge(answer, changed, door, request):
    if answer.status_code >= 500:
        yield Hit(f"status {answer.status_code}", request)
    page = answer.get_data(as_text=True) if answer.mimetype.startswith("text/") else ""
    if any(trace in page for trace in TRACES):
        yield Hit("stack trace", request)
    half = set() if GIVEN_UP.search(door.address) else set(changed) - NOTED
    if answer.status_code >= 400 and half:
        yield Hit(f"partial write: {sorted(half)}", request)
    if answer.mimetype == "text/html" and (scripts := Scripts(page).found):
        yield Hit(f"script in the page: {scripts[0]}", request)
    if (location := answer.headers.get("Location", "")) and "evil" in location.split("?")[0]:
        yield Hit(f"open redirect to {location}", request)
