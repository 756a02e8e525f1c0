"""Where things are: addresses are built once each and remembered."""

from collections.abc import Callable
from functools import lru_cache

from flask import Flask, request, url_for

KEPT = 2048
"""Addresses; the pages of some fifty accounts, whose parts are remembered as well."""


def init_app(app: Flask) -> None:
    app.jinja_env.globals["url_for"] = remembered()


def remembered() -> Callable[..., str]:
    """`url_for`, for templates: drawing a page takes some three hundred, nearly always the same.

    Within one mount point an address depends on nothing but its endpoint and values.
    """

    @lru_cache(maxsize=KEPT)
    def build(mount_point: str, endpoint: str, values: tuple[tuple[str, object], ...]) -> str:
        return url_for(endpoint, **dict(values))  # type: ignore[arg-type]

    def address(endpoint: str, **values: object) -> str:
        return build(request.root_path, endpoint, tuple(values.items()))

    return address
