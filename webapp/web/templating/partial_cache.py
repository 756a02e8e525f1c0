"""Parts of pages that are drawn once for each state they show.

Such a part is given frozen values and looks at nothing else, so equal values look alike, to whoever
and at any time, and what is kept cannot be out of date. Only the token against forged posts is a
session's own: templates write a mark in its place, and it is put in when the page leaves.
"""

from collections.abc import Callable
from functools import lru_cache
from secrets import token_hex

from flask import Flask, Response, request
from flask_wtf.csrf import generate_csrf
from jinja2 import Environment
from markupsafe import Markup

KEPT = 512
"""Parts. The largest, a row of the list of payment methods, has 4 KB."""

CSRF_PLACEHOLDER = token_hex()
"""Nobody knows it: in no text of anybody's can it stand."""


def init_app(app: Flask) -> None:
    """After compression's: what is done to an answer is done in the opposite order."""
    marked = {"csrf_token": lambda: CSRF_PLACEHOLDER}
    app.jinja_env.globals.update(marked, cached_partial=remembered(app.jinja_env))
    app.context_processor(lambda: marked)
    app.after_request(put_token_in)


def remembered(templates: Environment) -> Callable[..., Markup]:
    """`drawn`, for templates: a part of a page by its template's name, and what it shows."""

    @lru_cache(maxsize=KEPT)
    def draw(mount_point: str, template: str, values: tuple[tuple[str, object], ...]) -> Markup:
        return Markup(templates.get_template(template).render(values))  # noqa: S704  # escaped there

    def cached_partial(template: str, **values: object) -> Markup:
        return draw(request.root_path, template, tuple(values.items()))

    return cached_partial


def put_token_in(response: Response) -> Response:
    if response.mimetype == "text/html" and not response.direct_passthrough:
        page, mark = response.get_data(), CSRF_PLACEHOLDER.encode()
        if mark in page:
            response.set_data(page.replace(mark, generate_csrf().encode()))
    return response
