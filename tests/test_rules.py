"""Every product rule is named by at least one test."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent

RULES = [
    *[f"L{number}" for number in range(1, 18)],
    *[f"M{number}" for number in range(1, 15)],
    *[f"T{number}" for number in range(1, 19)],
    *["N1", "N2", "N3", "N4", "N5"],
    *[f"F{number}" for number in range(1, 13)],
    *["E1", "E2", "P1", "P2", "P3", "P4", "P5"],
]

NAMED = re.compile(r"(?<![A-Za-z0-9])([LMTNFEP])(\d{1,2})(?!\d)")


def rule_texts(path):
    """Yield the file's docstring, and the name and docstring of each of its tests."""
    tree = ast.parse(path.read_text())
    yield ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield f"{node.name.replace('_', ' ').upper()} {ast.get_docstring(node) or ''}"


def ranges(text):
    """Yield the rules inside a range: "T5–T9" also names T6, T7 and T8."""
    for letter, first, last in re.findall(r"([LMTNFEP])(\d+)–[LMTNFEP]?(\d+)", text):
        yield from (f"{letter}{number}" for number in range(int(first), int(last) + 1))


def test_every_rule_is_named():
    named = set()
    for path in TESTS.rglob("test_*.py"):
        for text in rule_texts(path):
            named |= {letter + number for letter, number in NAMED.findall(text)}
            named |= set(ranges(text))
    missing = [rule for rule in RULES if rule not in named]
    assert not missing, f"no test names {', '.join(missing)}"


def test_no_rule_is_listed_twice():
    assert len(RULES) == len(set(RULES))
