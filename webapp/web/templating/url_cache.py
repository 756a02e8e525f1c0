"""Cache for `url_for` in templates."""

from collections.abc import Callable
from functools import lru_cache

from flask import Flask, request, url_for

CAPACITY = 2048
"""Number of cached URLs; enough for the pages of some fifty accounts."""


def init_app(app: Flask) -> None:
    app.jinja_env.globals["url_for"] = make_cache()


def make_cache() -> Callable[..., str]:
    """A cached `url_for`: a page needs about three hundred URLs, nearly always the same ones.

    Within one mount point a URL depends only on its endpoint and values.
    """

    @lru_cache(maxsize=CAPACITY)
    def build(mount_point: str, endpoint: str, values: tuple[tuple[str, object], ...]) -> str:
        return url_for(endpoint, **dict(values))  # type: ignore[arg-type]

    def address(endpoint: str, **values: object) -> str:
        return build(request.root_path, endpoint, tuple(values.items()))

    return address
