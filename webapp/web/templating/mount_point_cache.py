"""Cache of `url_for` and of what contains URLs, for templates."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Generic, ParamSpec, TypeVar

from flask import Flask, request, url_for

CAPACITY = 2048
"""Number of cached URLs; enough for the pages of some fifty accounts."""

Given = ParamSpec("Given")
Result = TypeVar("Result")


class ByMountPoint(Generic[Given, Result]):
    """A cached template function whose result depends on its arguments and the mount point.

    A page needs about three hundred URLs and a hundred icons, nearly always the same ones.
    """

    def __init__(self, function: Callable[Given, Result], capacity: int) -> None:
        @lru_cache(maxsize=capacity)
        def build(mount_point: str, *given: Given.args, **named: Given.kwargs) -> Result:
            return function(*given, **named)

        self._build: Callable[..., Result] = build

    def __call__(self, *given: Given.args, **named: Given.kwargs) -> Result:
        return self._build(request.root_path, *given, **named)

    def at(self, mount_point: str) -> Callable[..., Result]:
        """Return the function for the requests of one mount point."""
        return partial(self._build, mount_point)


def init_app(app: Flask) -> None:
    app.jinja_env.globals["url_for"] = ByMountPoint(url_for, CAPACITY)
