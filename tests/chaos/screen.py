"""What a person reads off a page, by its HTML alone."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Screen:
    csrf: str
    methods: list[int]
    """In the customer's order."""
    version: str
    """Of the low-balance settings that the form showed."""
    failed: list[str]
    """Paths of the Retry dialogs."""
    paused: bool


def read_screen(html: str) -> Screen:
    settings = html.partition('id="settings-form"')[2]
    return Screen(
        csrf=hidden(html, "csrf_token"),
        methods=[int(number) for number in re.findall(r'<li [^>]*id="method-(\d+)"', html)],
        version=hidden(settings, "seen"),
        failed=re.findall(r'href="(/billing/attempts/\d+/retry)"', html),
        paused="/billing/automatic-payments/resumptions" in html,
    )


def hidden(html: str, name: str) -> str:
    """A hidden field's value; empty where there is none."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    return found[1] if found else ""
