"""The walls around every answer: what a browser may do with it."""

from flask import Flask, Response, request

# Pico draws its form icons with data: addresses.
POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)


def framed_by_us() -> str:
    """For the few pages that stand in a frame on our own pages."""
    return POLICY.replace("frame-ancestors 'none'", "frame-ancestors 'self'")


def init_app(app: Flask) -> None:
    app.after_request(wall)


def wall(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if request.endpoint != "static":
        # A balance that the back button brings up again would be an old one.
        response.headers.setdefault("Cache-Control", "no-store")
    return response
