"""Cache of rendered partials.

A cached partial gets frozen values and reads nothing else, so its output depends only on its
arguments and cannot be out of date. It is rendered without Flask's globals, such as `request`, and
values that could change are refused. Only the CSRF token differs between sessions: it is filled in
whenever the partial is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, lru_cache
from secrets import token_hex
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from flask import Flask, request
from flask_wtf.csrf import generate_csrf
from jinja2 import Environment
from jinja2.defaults import DEFAULT_NAMESPACE
from markupsafe import Markup

from webapp.web.templating.mount_point_cache import ByMountPoint

CAPACITY = 512
"""Number of cached partials. The largest, a row of the payment methods, has 4 KB."""

MOUNT_POINTS = 8
"""Number of mount points with a cache of compiled partials; an installation has one."""

PURE = ("url_for", "icon", "star", "brand", "unbroken")
"""Globals that a cached partial may call: they return the same for everyone at any time."""

TOKEN = f"\0{token_hex()}\0"
"""Place of the CSRF token in a cached partial. Nobody can submit it, and it leaves no process."""


def init_app(app: Flask) -> None:
    """Register after the globals in `PURE`."""
    app.jinja_env.globals["cached_partial"] = make_cache(app.jinja_env)


def make_cache(templates: Environment) -> Callable[..., Markup]:
    """The template function `cached_partial`, which renders a template with the given values."""

    @lru_cache(maxsize=MOUNT_POINTS)
    def pure_at(mount_point: str) -> Environment:
        pure = templates.overlay()
        pure.globals = {**DEFAULT_NAMESPACE, "csrf_token": lambda: TOKEN}
        for name in PURE:
            own = templates.globals[name]
            pure.globals[name] = own.at(mount_point) if isinstance(own, ByMountPoint) else own
        return pure

    @lru_cache(maxsize=CAPACITY)
    def render(mount_point: str, template: str, values: tuple[tuple[str, object], ...]) -> Markup:
        for _, value in values:
            require_frozen(value)
        html = pure_at(mount_point).get_template(template).render(values)
        return Markup(html)  # noqa: S704  # the template has escaped it

    def cached_partial(template: str, **values: object) -> Markup:
        html = render(request.root_path, template, tuple(values.items()))
        return html.replace(TOKEN, generate_csrf()) if TOKEN in html else html

    return cached_partial


def require_frozen(value: object) -> None:
    """Raises `TypeError` if the value could change after it was cached, judged by its type."""
    if isinstance(value, tuple):
        for part in value:
            require_frozen(part)
    else:
        kind: Any = type(value)
        require_frozen_type(kind)


@cache
def require_frozen_type(kind: Any) -> None:
    """Texts, numbers, None, and frozen dataclasses, tuples, unions and mappings of these."""
    if is_dataclass(kind) and getattr(kind, "__dataclass_params__").frozen:  # noqa: B009
        hints = get_type_hints(kind)
        parts = tuple(hints[field.name] for field in fields(kind))
    elif get_origin(kind) in (tuple, Mapping, Union, UnionType):
        parts = get_args(kind)
    elif kind is Ellipsis or issubclass(kind, str | int | NoneType):
        return
    else:
        raise TypeError(f"a cached partial cannot have a {kind.__name__}")
    for part in parts:
        require_frozen_type(part)
