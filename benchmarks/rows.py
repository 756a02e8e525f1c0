"""A row of the table: ours, the bound beside it, their ratio, and whether the aim is met."""

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
        """As the aim is written: a fraction, per cent, or times."""
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
    """One for each round; the table shows their median."""
    aim: Aim | None
    """Of the ratio; of ours where there is no bound. None: told for comparison only."""
    bound: Rounds = ()
    bound_is: str = ""
    """What was measured as the bound; empty: there is none."""
    note: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    """What else was seen, for the JSON."""

    @property
    def ratio(self) -> float | None:
        return median(self.ours) / median(self.bound) if self.bound else None

    @property
    def met(self) -> bool | None:
        if self.aim is None:
            return None
        judged = self.ratio if self.ratio is not None else median(self.ours)
        return self.aim.is_met_by(judged)
