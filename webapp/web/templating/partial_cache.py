"""Cache of rendered partials.

A cached partial gets frozen values and reads nothing else, so its output depends only on its
arguments and cannot be out of date. Only the CSRF token differs between sessions: templates write
a placeholder, which the response replaces.
"""

from collections.abc import Callable
from functools import lru_cache
from secrets import token_hex

from flask import Flask, Response, request
from flask_wtf.csrf import generate_csrf
from jinja2 import Environment
from markupsafe import Markup

CAPACITY = 512
"""Number of cached partials. The largest, a row of the payment methods, has 4 KB."""

CSRF_PLACEHOLDER = token_hex()
"""Secret and random, so that no text of a user can contain it."""


def init_app(app: Flask) -> None:
    """Register after `compression`: `after_request` hooks run in reverse order."""
    placeholders = {"csrf_token": lambda: CSRF_PLACEHOLDER}
    app.jinja_env.globals.update(placeholders, cached_partial=make_cache(app.jinja_env))
    app.context_processor(lambda: placeholders)
    app.after_request(insert_token)


def make_cache(templates: Environment) -> Callable[..., Markup]:
    """The template function `cached_partial`, which renders a template with the given values."""

    @lru_cache(maxsize=CAPACITY)
    def render(mount_point: str, template: str, values: tuple[tuple[str, object], ...]) -> Markup:
        return Markup(templates.get_template(template).render(values))  # noqa: S704  # the template has escaped it

    def cached_partial(template: str, **values: object) -> Markup:
        return render(request.root_path, template, tuple(values.items()))

    return cached_partial


def insert_token(response: Response) -> Response:
    if response.mimetype == "text/html" and not response.direct_passthrough:
        page, placeholder = response.get_data(), CSRF_PLACEHOLDER.encode()
        if placeholder in page:
            response.set_data(page.replace(placeholder, generate_csrf().encode()))
    return response
