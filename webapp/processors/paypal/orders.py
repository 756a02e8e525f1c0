"""PayPal orders and captures, parsed from JSON, and the answers they mean for a charge."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from webapp.domain.payment_methods.declines import declined
from webapp.ports import Declined, Paid, Unknown
from webapp.processors.paypal import amounts
from webapp.processors.paypal.client import NoAnswer

TAKEN = ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")
"""States in which the money was taken; later refunds are separate debits (L7)."""

NOT_TAKEN = ("DECLINED", "FAILED")


@dataclass(frozen=True)
class Capture:
    id: str
    status: str
    why: str
    amount: int
    currency: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Parse a capture. Raises `KeyError`, `TypeError` or `ValueError`."""
        amount, currency = amounts.read(body["amount"])
        created_at = instant(body["create_time"])
        return cls(
            id=str(body["id"]),
            status=str(body["status"]),
            why=str((body.get("status_details") or {}).get("reason", "")),
            amount=amount,
            currency=currency,
            created_at=created_at,
            updated_at=instant(body["update_time"]) if "update_time" in body else created_at,
        )

    def answer(self) -> Paid | Declined | Unknown:
        if self.status in TAKEN:
            return Paid(self.id, self.amount, self.currency, self.created_at)
        if self.status in NOT_TAKEN:
            return declined("generic_decline", self.created_at, self.id)
        return Unknown(f"PayPal holds this payment: {self.status} {self.why}".rstrip())


@dataclass(frozen=True)
class Order:
    id: str
    status: str
    key: str
    """Our key, from the order's custom id."""
    approval: str
    """URL of PayPal's approval page, or an empty string."""
    created_at: datetime
    updated_at: datetime
    capture: Capture | None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Parse an order. Raises `NoAnswer` if the format is unknown."""
        try:
            (unit,) = body["purchase_units"]
            captures = (unit.get("payments") or {}).get("captures") or []
            links = {link["rel"]: link["href"] for link in body.get("links") or ()}
            created_at = instant(body["create_time"])
            return cls(
                id=str(body["id"]),
                status=str(body["status"]),
                key=str(
                    unit.get("custom_id") or (captures[-1] if captures else {}).get("custom_id")
                ),
                approval=str(links.get("payer-action") or links.get("approve") or ""),
                created_at=created_at,
                updated_at=instant(body["update_time"]) if "update_time" in body else created_at,
                capture=Capture.read(captures[-1]) if captures else None,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"PayPal returned an order in an unknown format ({error!r})") from error


def instant(text: str) -> datetime:
    """Parse an ISO 8601 time. Raises `ValueError`."""
    return datetime.fromisoformat(text).astimezone(UTC)
