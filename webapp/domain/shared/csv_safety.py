"""Protection of CSV exports against formula injection in spreadsheets (L13)."""

import re

# Spreadsheets evaluate a cell that begins with one of these (OWASP, "CSV Injection").
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")

AMOUNT = re.compile(r"(?a:-?\d+\.\d{2,6})")
"""An exported amount, whose minus sign must not be escaped."""


def escape_formula(cell: str) -> str:
    """Prefix a cell that looks like a formula with an apostrophe, which spreadsheets hide."""
    if AMOUNT.fullmatch(cell) or not cell.lstrip(" ").startswith(FORMULAS):
        return cell
    return f"'{cell}"
