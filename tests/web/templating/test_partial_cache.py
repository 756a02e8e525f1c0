"""Partials of pages that are rendered once per state."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import g
from jinja2 import meta, nodes

from webapp.settings import ROOT
from webapp.web.templating.partial_cache import CSRF_PLACEHOLDER

MAIN = "/billing/payment-methods"
PURE = {"url_for", "icon", "star", "brand", "unbroken", "csrf_token"}
"""Globals that any partial may call: they return the same for everyone at any time."""


def cached_partials(templates) -> Iterator[tuple[Path, str, set[str]]]:
    """Yield the path, partial and arguments of each `cached_partial` call; emails are not pages."""
    folder = ROOT / "templates"
    for path in sorted({*folder.rglob("*.html")} - {*folder.glob("email/**/*")}):
        for call in templates.parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "cached_partial":
                yield path, call.args[0].value, {arguments.key for arguments in call.kwargs}


def names_used(templates, template: str) -> set[str]:
    """Return the names used by the template, its includes and its imports."""
    parsed = templates.parse((ROOT / "templates" / template).read_text())
    names = meta.find_undeclared_variables(parsed)
    for other in meta.find_referenced_templates(parsed):
        names |= names_used(templates, other)
    return names


def test_a_cached_partial_uses_only_its_arguments(app):
    found = list(cached_partials(app.jinja_env))
    assert len({template for _, template, _ in found}) > 5
    for path, template, arguments in found:
        assert names_used(app.jinja_env, template) <= PURE | arguments, (path, template)


def test_each_person_gets_their_own_csrf_token(client, teammate):
    """A cached partial is shown to another person with that person's token."""
    theirs, others = tokens_on(client.get(MAIN)), tokens_on(teammate("billing").get(MAIN))
    assert len(theirs) == len(others) == 1
    assert theirs != others


def tokens_on(page) -> set[str]:
    g.pop("csrf_token", None)  # the context outlives a request in tests
    return set(re.findall(r'name="csrf_token" value="([^"]+)"', page.text))


@pytest.mark.parametrize("page", [MAIN, "/billing/wire-transfers", "/sign-in", "/no-such-page"])
def test_the_csrf_placeholder_is_replaced(client, page):
    assert CSRF_PLACEHOLDER not in client.get(page).text
