"""Partials of pages that are rendered once per state."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import g
from jinja2 import DictLoader, UndefinedError, meta, nodes

from webapp.settings import ROOT
from webapp.web.templating.partial_cache import PURE, TOKEN, make_cache

MAIN = "/billing/payment-methods"


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
        used = names_used(app.jinja_env, template)
        assert used <= {*PURE, "csrf_token"} | arguments, (path, template)


@pytest.fixture
def render(app):
    """Renders the source of one partial with the given values."""
    with app.test_request_context():
        yield lambda source, **values: make_cache(
            app.jinja_env.overlay(loader=DictLoader({"it": source}))
        )("it", **values)


def test_a_cached_partial_cannot_read_the_request(render):
    with pytest.raises(UndefinedError, match="'request' is undefined"):
        render("{{ request.path }}")


@dataclass
class Changeable:
    amount: int = 1

    __hash__ = object.__hash__


@dataclass(frozen=True)
class Frozen:
    amounts: tuple[int | None, ...]
    more: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Half:
    amounts: list[int] = field(default_factory=list, hash=False)


@dataclass(frozen=True)
class Holder:
    held: tuple[Changeable, ...] = ()


@pytest.mark.parametrize("value", [Changeable(), (1, Changeable()), Half(), Holder()])
def test_a_cached_partial_refuses_a_value_that_could_change(render, value):
    assert render("{{ it.amounts }}", it=Frozen((1, None))) == "(1, None)"
    with pytest.raises(TypeError, match="a cached partial cannot have a"):
        render("{{ it }}", it=value)


def test_each_person_gets_their_own_csrf_token(client, teammate):
    """A cached partial is shown to another person with that person's token."""
    theirs, others = tokens_on(client.get(MAIN)), tokens_on(teammate("billing").get(MAIN))
    assert len(theirs) == len(others) == 1
    assert theirs != others


def tokens_on(page) -> set[str]:
    assert TOKEN not in page.text
    g.pop("csrf_token", None)  # the context outlives a request in tests
    return set(re.findall(r'name="csrf_token" value="([^"]+)"', page.text))
