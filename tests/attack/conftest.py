"""What the attack shares, and the table of what it tried, which `make attack` ends with."""

import os
from collections import Counter

import pytest

INPUTS = int(os.environ.get("ATTACK", "400"))
"""How many the fuzz sends: `make test` a few, `make attack` ten thousand and more."""

TRIED: dict[str, Counter[str]] = {}


@pytest.fixture
def environ():
    """What is throttled would be asked ten times and then no more."""
    return {"RATE_LIMITS": "0"}


@pytest.fixture
def tally():
    """Note what was tried, and what was found by it."""

    def note(what, tried=1, found=0, words=""):
        counted = TRIED.setdefault(what, Counter())
        counted["tried"] += tried
        counted["found"] += found
        if words:
            counted[words] += 0

    return note


def pytest_terminal_summary(terminalreporter):
    if not TRIED or "ATTACK" not in os.environ:
        return
    line = terminalreporter.write_line
    line("")
    line(f"{'what was tried':<58} {'tries':>7} {'found':>6}")
    for what, counted in TRIED.items():
        line(f"{what:<58} {counted['tried']:>7,} {counted['found']:>6}")
        for words in counted.keys() - {"tried", "found"}:
            line(f"  {words}")
