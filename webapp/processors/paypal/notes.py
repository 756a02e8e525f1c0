"""Notes about charges and agreements, stored between calls to PayPal under our key.

The first note under a key wins, which resolves races between processes.
"""

import json
from dataclasses import asdict, dataclass

from webapp.ports import ChargeRequest, Notebook


@dataclass(frozen=True)
class Opened:
    """The order created for a request. Money can be taken for the request only by this order."""

    key: str
    order: str
    amount: int
    currency: str
    method: str
    present: bool

    def is_for(self, request: ChargeRequest) -> bool:
        """Whether the order belongs to this request, whose return address may differ."""
        return (self.amount, self.currency, self.method, self.present) == (
            request.amount,
            request.currency,
            request.method_reference,
            request.customer_present,
        )


class Notes:
    """Typed access to the notebook. Methods raise `ports.CannotKeep`."""

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
        """Store the facts and return them, or the ones stored before."""
        return dict(json.loads(self._notebook.keep(key, json.dumps(facts))))
