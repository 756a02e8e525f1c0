"""Rate limits per API key and minute, reported in the headers of every response.

Counters are in memory, one set per process. Headers follow the IETF draft
"RateLimit header fields for HTTP".
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import TooManyRequests

from webapp.api.openapi.operations import operation_of
from webapp.domain.api_keys.api_key import Scope
from webapp.extensions import services

RATES = "api_rates"
"""Key of the application's `Rates` in `app.extensions`."""

MINUTE = 60

METERING = frozenset({Scope.USAGE_WRITE, Scope.USAGE, Scope.HOLDS})
"""Scopes with a quota of their own, because every call needs them."""
MOST_KEYS = 20_000
"""Maximum number of windows in memory; only a flood of made-up keys needs more."""


@dataclass
class Window:
    ends_at: float
    used: int = 0


@dataclass
class Rates:
    """Rate-limit counters of one process."""

    clock: Callable[[], float] = time.monotonic
    windows: dict[tuple[str, str], Window] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def count(self, who: tuple[str, str], quota: int) -> tuple[int, int]:
        """Count a request; return the remaining quota (negative if exceeded) and seconds left."""
        now = self.clock()
        with self.lock:
            window = self.windows.get(who)
            if window is None or window.ends_at <= now:
                if len(self.windows) >= MOST_KEYS:
                    self.windows = {k: w for k, w in self.windows.items() if w.ends_at > now}
                if len(self.windows) >= MOST_KEYS:
                    self.windows.clear()
                window = self.windows[who] = Window(now + MINUTE)
            window.used += 1
            return quota - window.used, max(1, round(window.ends_at - now))


def init_blueprint(blueprint: Blueprint) -> None:
    blueprint.before_request(count)
    blueprint.after_request(add_headers)


def count() -> None:
    """Count the current request. Raises `TooManyRequests`."""
    settings, rates = services().settings, current_app.extensions[RATES]
    operation = operation_of(current_app.view_functions[request.endpoint or ""])
    if operation is not None and METERING.intersection(operation.scopes):
        name, quota = "usage", settings.api_usage_per_minute
    else:
        name, quota = "requests", settings.api_requests_per_minute
    key = request.headers.get("Authorization") or request.headers.get("Api-Key")
    left, seconds = rates.count((name, key or request.remote_addr or ""), quota)
    g.rate = (name, quota, left, seconds)
    if left < 0:
        raise TooManyRequests(f"Too many requests. Wait {seconds} seconds.", retry_after=seconds)


def add_headers(response: Response) -> Response:
    if "rate" in g:
        name, quota, left, seconds = g.rate
        response.headers["RateLimit-Policy"] = f'"{name}";q={quota};w={MINUTE}'
        response.headers["RateLimit"] = f'"{name}";r={max(left, 0)};t={seconds}'
    return response
