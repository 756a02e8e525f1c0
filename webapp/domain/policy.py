"""What the installation as a whole allows; the operator sets it in the environment."""

from dataclasses import dataclass
from enum import StrEnum

from webapp.domain.money import MICROS


class Automatic(StrEnum):
    """Whether automatic payments are made at all (T10)."""

    ON = "on"
    OFF = "off"
    DRY_RUN = "dry-run"


@dataclass(frozen=True)
class Policy:
    """Bounds of one payment, in micros, and the installation's switch."""

    payment_min: int = 30 * MICROS
    payment_max: int = 10_000 * MICROS
    automatic: Automatic = Automatic.ON
