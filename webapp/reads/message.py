"""What was just done, or why not: said once, in the page's one live region."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    text: str
    tone: str = "ok"
    """ "ok" or "bad"."""
    undo_order: str = ""
    """A way back for a new order: post this as `order`… """
    undo_seen: str = ""
    """…with this as `seen`."""
