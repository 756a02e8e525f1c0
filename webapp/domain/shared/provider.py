"""Who runs the installation, as receipts name it (L6); the operator sets it in the environment."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    name: str = "Ballast"
    address: str = ""
    """One line; commas part what stands on lines of its own."""
    email: str = ""
    tax_number: str = ""
    tax_name: str = "VAT"
    tax_rate: int = 0
    """Thousandths of a percent, included in what is paid; 0: no tax lines."""

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


def without_tax(amount: int, rate: int, cent: int) -> int:
    """The net of an amount that includes the tax: to the nearest cent, half a cent up."""
    cents, whole = amount // cent, 100_000 + rate
    return (2 * cents * 100_000 + whole) // (2 * whole) * cent


NOBODY = Provider()
"""Where nothing is set."""
