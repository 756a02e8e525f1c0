"""What was just done, or why not: said once, in the page's one live region."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Message:
    text: str
    tone: str = "ok"
    """ "ok" or "bad"."""
    heard: str = ""
    """What eyes see on the page anyway; said to screen readers after the text."""
    undo_order: str = ""
    """A way back for a new order: post this as `order`… """
    undo_seen: str = ""
    """…with this as `seen`."""
