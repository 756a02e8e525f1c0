"""Parts of pages that are drawn once for each state they show."""

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
"""What every template may call: the same for everybody, at any time."""


def parts_drawn(templates) -> Iterator[tuple[Path, str, set[str]]]:
    """Where each is drawn, its template, and what it is given. Mails are no pages."""
    folder = ROOT / "templates"
    for path in sorted({*folder.rglob("*.html")} - {*folder.glob("email/**/*")}):
        for call in templates.parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "cached_partial":
                yield path, call.args[0].value, {given.key for given in call.kwargs}


def looked_at(templates, template: str) -> set[str]:
    """By the template, what it includes and what it imports."""
    parsed = templates.parse((ROOT / "templates" / template).read_text())
    names = meta.find_undeclared_variables(parsed)
    for other in meta.find_referenced_templates(parsed):
        names |= looked_at(templates, other)
    return names


def test_a_part_looks_at_nothing_but_what_it_is_given(app):
    found = list(parts_drawn(app.jinja_env))
    assert len({template for _, template, _ in found}) > 5
    for path, template, given in found:
        assert looked_at(app.jinja_env, template) <= PURE | given, (path, template)


def test_everybody_gets_their_own_token(client, teammate):
    """What was drawn for one is shown to another with the other's token."""
    theirs, others = tokens_on(client.get(MAIN)), tokens_on(teammate("billing").get(MAIN))
    assert len(theirs) == len(others) == 1
    assert theirs != others


def tokens_on(page) -> set[str]:
    g.pop("csrf_token", None)  # of a request; the tests have one context around several
    return set(re.findall(r'name="csrf_token" value="([^"]+)"', page.text))


@pytest.mark.parametrize("page", [MAIN, "/billing/wire-transfers", "/sign-in", "/no-such-page"])
def test_the_mark_stays_here(client, page):
    assert CSRF_PLACEHOLDER not in client.get(page).text
