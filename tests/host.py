"""The host environment that a test's child process inherits."""

import os
import socket

NAMES = ("PATH", "CLOCK", "PYTHONPATH", "PYTHONTZPATH", "TZ", "LANG", "LANGUAGE", "LC_ALL")


def environ() -> dict[str, str]:
    """Variables to find programs, the clock and the locale; none of the product's own settings."""
    return {name: os.environ[name] for name in NAMES if name in os.environ}


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]
