"""Whom to believe who the client is, and whether it came by TLS."""

from flask import Flask, Request, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip")


def believe(app: Flask, count: int) -> None:
    """The last `count` entries of X-Forwarded-… are by proxies of ours; all others are hearsay."""
    if count:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=count, x_proto=count, x_host=count
        )
    app.session_interface = SecureBehindTls()


class SecureBehindTls(SecureCookieSessionInterface):
    """A cookie that was set over TLS never goes out without."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return super().get_cookie_secure(app) or request.is_secure


def is_from_this_host(asked: Request) -> bool:
    """Directly, that is: a proxy on this host that is not believed speaks for anybody."""
    direct = not any(name in asked.headers for name in FORWARDED)
    believed = "werkzeug.proxy_fix.orig" in asked.environ
    return asked.remote_addr in ("127.0.0.1", "::1") and (direct or believed)
