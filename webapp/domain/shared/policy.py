"""Installation-wide bounds and switches, set by the operator in the environment."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.domain.shared.money import MICROS
from webapp.domain.shared.provider import NOBODY, Provider


class Automatic(StrEnum):
    """Whether automatic refills are made at all (T10)."""

    ON = "on"
    OFF = "off"
    DRY_RUN = "dry-run"


@dataclass(frozen=True)
class Policy:
    """Bounds of payments and usage records in micros, and the switch of automatic refills."""

    payment_min: int = 30 * MICROS
    payment_max: int = 10_000 * MICROS
    automatic: Automatic = Automatic.ON
    provider: Provider = NOBODY
    usage_max: int = 1_000 * MICROS
    """Largest usage record that is accepted (L14)."""
