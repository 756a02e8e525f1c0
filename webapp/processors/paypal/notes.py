"""What is kept of a charge or an agreement between two calls to PayPal, as text under our key.

The first to keep something under a key wins, so what two processes do at once is decided here.
"""

import json
from dataclasses import asdict, dataclass

from webapp.ports import ChargeRequest, Notebook


@dataclass(frozen=True)
class Opened:
    """An order was opened for this request. Nothing can be taken for it but through this order."""

    key: str
    order: str
    amount: int
    currency: str
    method: str
    present: bool

    def is_for(self, request: ChargeRequest) -> bool:
        """Another way back is no other request."""
        return (self.amount, self.currency, self.method, self.present) == (
            request.amount,
            request.currency,
            request.method_reference,
            request.customer_present,
        )


class Notes:
    """Raises `ports.CannotKeep`."""

    def __init__(self, notebook: Notebook) -> None:
        self._notebook = notebook

    def opened(self, key: str) -> Opened | None:
        kept = self._notebook.kept(key)
        return None if kept is None else Opened(**json.loads(kept))

    def open(self, opened: Opened) -> Opened:
        return Opened(**json.loads(self._notebook.keep(opened.key, json.dumps(asdict(opened)))))

    def read(self, key: str) -> dict[str, str] | None:
        kept = self._notebook.kept(key)
        return None if kept is None else dict(json.loads(kept))

    def keep(self, key: str, **facts: str) -> dict[str, str]:
        """What is kept now: these facts, or what was there before."""
        return dict(json.loads(self._notebook.keep(key, json.dumps(facts))))
