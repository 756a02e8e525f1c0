"""Text that people write and a database keeps."""

NAME_LENGTH = 120
"""Of a person, and of an account."""


def fault(text: str, longest: int) -> str:
    """Why it cannot be kept; empty if it can.

    SQLite would keep it at any length; PostgreSQL would not, and a NUL not at all.
    """
    if len(text) <= longest and text.isprintable():
        return ""
    return f"At most {longest} characters, without control characters"
