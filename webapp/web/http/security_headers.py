"""The walls around every answer: what a browser may do with it."""

from collections.abc import Iterable

from flask import Flask, Response, request

from webapp.extensions import services
from webapp.ports import Front

HOLDS_FRONT = "ballast.holds_front"
"""Of the request that is being answered."""

# Pico draws its form icons with data: addresses.
POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)

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
"""What no page of ours asks a browser for, and what nothing that got into one may ask for."""

HSTS = f"max-age={365 * 24 * 3600}"
"""One year. Without subdomains, which may be other people's."""


def opened_for(fronts: Iterable[Front]) -> str:
    """Beside our own host, exactly what the forms and questions of processors are made of."""
    policy = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    for front in fronts:
        for directive, hosts in front.sources.items():
            policy[directive] = " ".join([policy.get(directive, "'self'"), *hosts])
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def open_for_processors() -> None:
    """For the page that is being answered: a card form or a bank's question may open on it."""
    request.environ[HOLDS_FRONT] = True


def framed_by_us() -> str:
    """For the few pages that stand in a frame on our own pages."""
    return POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")


def init_app(app: Flask) -> None:
    app.after_request(set_security_headers)


def set_security_headers(response: Response) -> Response:
    if request.environ.get(HOLDS_FRONT):
        fronts = [processor.front for processor in services().processors.values()]
        response.headers.setdefault("Content-Security-Policy", opened_for(fronts))
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Permissions-Policy", NOT_USED)
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint != "static":
        # A balance that the back button brings up again would be an old one.
        response.headers.setdefault("Cache-Control", "no-store")
    return response
