"""Installation-wide bounds and switches, set by the operator in the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from webapp import currencies
from webapp.currencies import Bounds
from webapp.domain.shared.errors import Conflict
from webapp.domain.shared.provider import NOBODY, Provider


class Automatic(StrEnum):
    """Whether automatic refills are made at all (T10)."""

    ON = "on"
    OFF = "off"
    DRY_RUN = "dry-run"


@dataclass(frozen=True)
class Policy:
    """The offered currencies with their bounds, and the switch of automatic refills."""

    offered: Mapping[str, Bounds] = field(default_factory=lambda: {"USD": Bounds.default("USD")})
    """By currency; the first one is the default of new accounts (L1)."""
    automatic: Automatic = Automatic.ON
    provider: Provider = NOBODY
    webhook_networks: tuple[str, ...] = ()
    """Private networks that webhooks can reach. With any, their addresses may begin with http://"""

    @property
    def currency(self) -> str:
        """The currency of new accounts, unless another is chosen."""
        return next(iter(self.offered))

    def bounds(self, currency: str) -> Bounds:
        """Return the bounds of amounts in an account's currency.

        Raises `Conflict` if it is not offered any more; the server does not start in that case.
        """
        if currency not in self.offered:
            raise Conflict(
                f"{currency} is not offered: the operator has set no amounts of it.",
                code="currency_not_offered",
            )
        return self.offered[currency]

    def currency_fault(self, currency: str) -> str:
        """Return why a new account cannot have this currency; empty if it can (L1)."""
        if currency in self.offered:
            return ""
        offered = ", ".join(self.offered)
        if currency in currencies.DECIMALS:
            return f"{currency} is not offered: use one of {offered}, or set amounts of it"
        if currency in currencies.REFUSED:
            return currencies.fault(currency)
        return f"Use one of {offered}"
