"""What was just done, or why not: said once, in the page's one live region."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    text: str
    tone: str = "ok"
    """ "ok", "bad" or "waiting": no outcome is known yet."""
    heard: str = ""
    """What eyes see on the page anyway; said to screen readers after the text."""
    undo_order: str = ""
    """A way back for a new order: post this as `order`… """
    undo_seen: str = ""
    """…with this as `seen`."""
    payment_id: int | None = None
    """Offer View payment."""
    offers_funds: bool = False
    """Offer Add Funds."""
