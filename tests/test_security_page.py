"""docs/security.md names existing tests and files only, and its ASVS table is complete."""

import re
from collections import Counter

from webapp.settings import ROOT

TEXT = (ROOT / "docs" / "security.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| \d+\.\d+\.\d+ \|", line)
]

REQUIREMENTS = {
    1: 27, 2: 11, 3: 19, 4: 10, 5: 9, 6: 35, 7: 18, 8: 7, 9: 7, 10: 29, 11: 14, 12: 9, 13: 13,
    14: 9, 15: 13, 16: 16, 17: 7,
}  # fmt: skip
"""Number of level 1 and 2 requirements by chapter (ASVS 5.0.0)."""


def written_tests():
    for path in (ROOT / "tests").rglob("*.py"):
        yield from re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)


def test_every_named_test_exists():
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 100
    assert named - set(written_tests()) == set()


def test_every_named_file_exists():
    top = "|".join(path.name for path in ROOT.iterdir() if not path.name.startswith("."))
    named = set(re.findall(rf"`((?:{top})(?:/[\w./-]+)?)`", TEXT))
    assert len(named) > 50
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_requirement_has_one_row():
    numbers = [row[0] for row in ROWS]
    assert len(set(numbers)) == len(numbers)
    assert Counter(int(number.split(".")[0]) for number in numbers) == REQUIREMENTS


def test_met_requirements_name_evidence_and_others_an_explanation():
    for number, _, state, how, shown in ROWS:
        assert state in ("met", "not applicable", "yours", "not met"), number
        assert shown if state == "met" else how, number


def test_the_totals_match_the_rows():
    states = re.search(r"^\| met \| not applicable .*\n.*\n\|(.*)\|$", TEXT, re.MULTILINE)
    counted = Counter(row[2] for row in ROWS)
    assert [int(number) for number in states[1].split("|")] == [
        counted[state] for state in ("met", "not applicable", "yours", "not met")
    ]
