"""A row of the results: ours, the bound, their ratio, and whether the aim is met."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

Rounds = tuple[float, ...]


@dataclass(frozen=True)
class Aim:
    kind: Literal["at least", "at most"]
    value: float
    text: str

    def show(self, ratio: float) -> str:
        """Format a ratio like the aim: as a fraction, percentage or factor."""
        if "%" in self.text:
            return f"{ratio:.0%}".replace("%", " %")
        return f"1/{1 / ratio:.1f}" if "/" in self.text and ratio < 1 else f"{ratio:.2f} ×"

    def is_met_by(self, value: float) -> bool:
        return value >= self.value if self.kind == "at least" else value <= self.value


def at_least(value: float, text: str) -> Aim:
    return Aim("at least", value, f"≥ {text}")


def at_most(value: float, text: str) -> Aim:
    return Aim("at most", value, f"≤ {text}")


@dataclass(frozen=True)
class Row:
    figure: str
    unit: str
    ours: Rounds
    """One value per round; the table shows the median."""
    aim: Aim | None
    """Aim for the ratio, or for ours without a bound; None for comparison only."""
    bound: Rounds = ()
    bound_is: str = ""
    """Description of the bound; empty without one."""
    note: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    """Further measurements, for the JSON."""

    @property
    def ratio(self) -> float | None:
        return median(self.ours) / median(self.bound) if self.bound else None

    @property
    def met(self) -> bool | None:
        if self.aim is None:
            return None
        judged = self.ratio if self.ratio is not None else median(self.ours)
        return self.aim.is_met_by(judged)
