"""Security headers."""

import re
from collections.abc import Iterable

from flask import Flask, Response, request

from webapp.extensions import services
from webapp.ports import Front

HOLDS_FRONT = "ballast.holds_front"
"""Key in the request's environment: the page embeds the front ends of processors."""

POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)

FOR_PROGRAMS = re.compile("/api(?!/docs$)(/|$)|/v3(/|$)")
"""Paths whose answers no browser shows as a page: the policies of pages do not matter there."""

NOT_USED = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "magnetometer",
        "microphone",
        "midi",
        "serial",
        "usb",
    )
)
"""Browser features that no page uses, denied to injected code as well."""

HSTS = f"max-age={365 * 24 * 3600}"
"""One year. Without subdomains, which may belong to other parties."""


def opened_for(fronts: Iterable[Front]) -> str:
    """The policy, extended by the sources of the processors' forms and challenges."""
    policy = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    for front in fronts:
        for directive, hosts in front.sources.items():
            policy[directive] = " ".join([policy.get(directive, "'self'"), *hosts])
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def open_for_processors() -> None:
    """Allow a processor's card form or challenge on the current page."""
    request.environ[HOLDS_FRONT] = True


def frameable_policy() -> str:
    """The policy for pages that are shown in a frame on this host's pages."""
    return POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")


def init_app(app: Flask) -> None:
    app.after_request(set_security_headers)


def set_security_headers(response: Response) -> Response:
    if request.environ.get(HOLDS_FRONT):
        fronts = [processor.front for processor in services().processors.values()]
        response.headers.setdefault("Content-Security-Policy", opened_for(fronts))
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if not FOR_PROGRAMS.match(request.path):
        response.headers.setdefault("Content-Security-Policy", POLICY)
        response.headers.setdefault("X-Frame-Options", "DENY")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", NOT_USED)
        response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint != "static":
        # Otherwise the back button would show an outdated balance.
        response.headers.setdefault("Cache-Control", "no-store")
    return response
