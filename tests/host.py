"""What a process that a test starts takes over from the host."""

import os

NAMES = ("PATH", "CLOCK", "PYTHONPATH", "PYTHONTZPATH", "TZ", "LANG", "LANGUAGE", "LC_ALL")


def environ() -> dict[str, str]:
    """How to find programs, the clock and the locale; none of the product's own settings."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}
