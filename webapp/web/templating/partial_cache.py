"""Cache of rendered partials.

A cached partial gets frozen values and reads nothing else, so its output depends only on its
arguments and cannot be out of date. It is rendered without Flask's globals, such as `request`, and
values that could change are refused. Only the CSRF token differs between sessions: it is filled in
whenever the partial is used.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache

from flask import Flask, request
from flask_wtf.csrf import generate_csrf
from jinja2 import Environment
from jinja2.defaults import DEFAULT_NAMESPACE
from markupsafe import Markup

CAPACITY = 512
"""Number of cached partials. The largest, a row of the payment methods, has 4 KB."""

PURE = ("url_for", "icon", "star", "brand", "unbroken")
"""Globals that a cached partial may call: they return the same for everyone at any time."""

TOKEN = "\0csrf_token\0"
"""Place of the CSRF token in a cached partial. Texts of users cannot contain NUL."""


def init_app(app: Flask) -> None:
    """Register after the globals in `PURE`."""
    app.jinja_env.globals["cached_partial"] = make_cache(app.jinja_env)


def make_cache(templates: Environment) -> Callable[..., Markup]:
    """The template function `cached_partial`, which renders a template with the given values."""
    pure = templates.overlay()
    own = {name: templates.globals[name] for name in PURE}
    pure.globals = {**DEFAULT_NAMESPACE, **own, "csrf_token": lambda: TOKEN}

    @lru_cache(maxsize=CAPACITY)
    def render(mount_point: str, template: str, values: tuple[tuple[str, object], ...]) -> Markup:
        require_frozen(values)
        return Markup(pure.get_template(template).render(values))  # noqa: S704  # the template has escaped it

    def cached_partial(template: str, **values: object) -> Markup:
        html = render(request.root_path, template, tuple(values.items()))
        return html.replace(TOKEN, generate_csrf()) if TOKEN in html else html

    return cached_partial


def require_frozen(value: object) -> None:
    """Raises `TypeError` if the value, or a part of it, could change after it was cached.

    A mapping is allowed, as a field of a frozen object that is excluded from its hash.
    """
    parts: tuple[object, ...]
    if isinstance(value, tuple):
        parts = value
    elif isinstance(value, Mapping):
        parts = tuple(value.values())
    elif is_dataclass(value) and getattr(type(value), "__dataclass_params__").frozen:  # noqa: B009
        parts = tuple(getattr(value, field.name) for field in fields(value))
    elif value is None or isinstance(value, str | int):
        return
    else:
        raise TypeError(f"a cached partial cannot have a {type(value).__name__}")
    for part in parts:
        require_frozen(part)
