"""Cells that are safe to open in a spreadsheet (L13)."""

import re

# What begins so is a formula to a spreadsheet, and worked out (OWASP, "CSV Injection").
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")

AMOUNT = re.compile(r"(?a:-?\d+\.\d{2,6})")
"""As we write them; below zero it begins like a formula and is none."""


def escape_formula(cell: str) -> str:
    """With an apostrophe before what would be taken for a formula; spreadsheets do not show it."""
    if AMOUNT.fullmatch(cell) or not cell.lstrip(" ").startswith(FORMULAS):
        return cell
    return f"'{cell}"
