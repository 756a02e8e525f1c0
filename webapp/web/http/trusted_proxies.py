"""Trusted-proxy handling: the client's address and whether TLS was used."""

import logging

from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.extensions import services

log = logging.getLogger(__name__)

LOOPBACK = ("127.0.0.1", "::1")

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")


def trust(app: Flask, count: int) -> None:
    """Trust the last `count` entries of the X-Forwarded headers, which our proxies have set."""
    if count:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )
    else:
        app.before_request(note_untrusted_proxy)
    app.session_interface = SecureBehindTls()


def note_untrusted_proxy() -> None:
    """Log once that a proxy on this host is untrusted, so all its clients share one address."""
    if "X-Forwarded-For" not in request.headers or request.remote_addr not in LOOPBACK:
        return
    seen = services().sightings
    if not seen.untrusted_proxy:
        seen.untrusted_proxy = True
        log.warning(
            "A request from this host carried X-Forwarded-For, and TRUSTED_PROXIES is 0: "
            "set it to the number of proxies in front, so that clients are told apart."
        )


class SecureBehindTls(SecureCookieSessionInterface):
    """Marks the session cookie Secure over TLS.

    Reads no session from a request without the cookie.
    """

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        # Programs send no cookie whose signature to check.
        if "HTTP_COOKIE" not in request.environ or self.get_cookie_name(app) not in request.cookies:
            return self.session_class()
        return super().open_session(app, request)

    def get_cookie_secure(self, app: Flask) -> bool:
        return super().get_cookie_secure(app) or request.is_secure


def is_from_this_host(asked: Request) -> bool:
    """Whether the client is this host itself, and not a client of an untrusted proxy on it."""
    is_direct = not any(name in asked.headers for name in FORWARDED)
    is_trusted = "werkzeug.proxy_fix.orig" in asked.environ
    return asked.remote_addr in LOOPBACK and (is_direct or is_trusted)
