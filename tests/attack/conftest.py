"""Fixtures of the attack tests, and the summary table that `make attack` prints."""

import os
from collections import Counter

import pytest

INPUTS = int(os.environ.get("ATTACK", "400"))
"""Number of fuzzed requests: 400 in `make test`, ten thousand and more in `make attack`."""

TRIED: dict[str, Counter[str]] = {}


@pytest.fixture
def environ():
    """Rate limits would stop the requests after ten."""
    return {"RATE_LIMITS": "0"}


@pytest.fixture
def tally():
    """Record a kind of attack: its tries, its findings and a remark."""

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
