"""The result message of a request, shown once in the page's live region."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    text: str
    tone: str = "ok"
    """ "ok", "bad" or "waiting" (outcome unknown)."""
    heard: str = ""
    """Text for screen readers only: changes that are visible on the page."""
    undo_order: str = ""
    """To undo a reorder: the value to post as `order`."""
    undo_seen: str = ""
    """To undo a reorder: the value to post as `seen`."""
    payment_id: int | None = None
    """Shows a "View payment" link."""
    offers_funds: bool = False
    """Shows an "Add Funds" button."""
