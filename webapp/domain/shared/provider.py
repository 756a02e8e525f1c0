"""The provider, as shown on receipts (L6); set by the operator in the environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """The company that runs the installation and issues the receipts."""

    name: str = "Ballast"
    address: str = ""
    """One line; on receipts each part between commas is a line of its own."""
    email: str = ""
    tax_number: str = ""
    tax_name: str = "VAT"
    tax_rate: int = 0
    """Thousandths of a percent, included in payments; 0: no tax lines."""

    @property
    def lines(self) -> tuple[str, ...]:
        return tuple(line.strip() for line in self.address.split(",") if line.strip())

    @property
    def tax_label(self) -> str:
        """ "VAT 23 %"."""
        return f"{self.tax_name} {rate_text(self.tax_rate)} %"


def rate_text(rate: int) -> str:
    """ "23", "7.7"."""
    return f"{rate / 1000:.3f}".rstrip("0").rstrip(".")


def without_tax(amount: int, rate: int, minor_unit: int) -> int:
    """Return the net of an amount that includes tax, rounded half up to the minor unit."""
    units, whole = amount // minor_unit, 100_000 + rate
    return (2 * units * 100_000 + whole) // (2 * whole) * minor_unit


NOBODY = Provider()
"""The default if no provider is set."""
