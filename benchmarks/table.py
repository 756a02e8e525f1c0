"""Results as a Markdown table and as JSON."""

import json
import os
import platform
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from benchmarks.rows import Rounds, Row

HEAD = ("figure", "ours", "bound", "ratio", "aim", "met", "")


def lines(rows: Sequence[Row]) -> Iterable[str]:
    """Lines of a Markdown table with aligned columns."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    rule = tuple("-" * width for width in widths)
    for row in (cells[0], rule, *cells[1:]):
        yield "| " + " | ".join(map(str.ljust, row, widths)) + " |"


@dataclass(frozen=True)
class Machine:
    """The machine on which the figures were measured."""

    cores: int = field(default_factory=lambda: os.cpu_count() or 1)
    load_average: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))
    """Load of the minute before the run; above zero, other processes were active."""
    python: str = platform.python_version()
    sqlite: str = sqlite3.sqlite_version

    def __str__(self) -> str:
        return (
            f"{self.cores} cores, load {self.load_average} before the run, "
            f"Python {self.python}, SQLite {self.sqlite}"
        )


def write(path: Path, rows: Sequence[Row], machine: Machine, sizes: str, seconds: float) -> None:
    run = {
        "sizes": sizes,
        "seconds": round(seconds),
        "machine": asdict(machine),
        "rows": [_record(row) for row in rows],
    }
    path.write_text(json.dumps(run, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.figure,
        f"{_short(median(row.ours))} {row.unit}",
        f"{_short(median(row.bound))} {row.unit}, {row.bound_is}" if row.bound else "–",
        _ratio(row),
        row.aim.text if row.aim else "–",
        {True: "yes", False: "NO", None: "–"}[row.met],
        row.note,
    )


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return "–"
    return row.aim.show(row.ratio) if row.aim else f"{row.ratio:.2f} ×"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}"


def _record(row: Row) -> dict[str, object]:
    return {
        "figure": row.figure,
        "unit": row.unit,
        "ours": _rounded(row.ours),
        "bound": _rounded(row.bound),
        "bound_is": row.bound_is,
        "ratio": row.ratio and round(row.ratio, 4),
        "aim": row.aim and row.aim.text,
        "met": row.met,
        "note": row.note,
        "details": row.details,
    }


def _rounded(rounds: Rounds) -> list[float]:
    return [round(value, 2) for value in rounds]
