"""Turn off the controls that a person may not use (P5).

A control that is off stays visible, focusable and described, and does nothing. The rendered markup
is rewritten, so no template can leave a control on, and scripts are not needed. Controls are the
fields and buttons of a posted form, links that open a dialog, and buttons marked `data-changes`.
"""

import re
from collections.abc import Collection

from flask import Flask
from markupsafe import Markup, escape

REASON = "controls-off"
"""The id of the element that says why the controls are off."""

TAG = re.compile(
    r"<(?P<end>/?)(?P<name>form|button|input|select|textarea|a)\b"
    r"(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>"
)
POSTED = re.compile(r"""\smethod=["']post["']""")
ACTION = re.compile(r'\saction="([^"]*)"')
MARKED = re.compile(r'\s(?:form="|data-changes\b)')
OPENS_DIALOG = re.compile(r'\shx-target="#dialog"')
HIDDEN = re.compile(r'\stype="hidden"')
ATTRIBUTE = re.compile(r"""\s+([\w:-]+)(?:=("[^"]*"|'[^']*'))?""")
EFFECTS = {
    *("href", "action", "method", "type", "formaction", "popovertarget", "autofocus", "disabled"),
    *("tabindex", "aria-disabled", "aria-describedby"),
}
"""Attributes that give a form, link or button its effect or its description."""


def init_app(app: Flask) -> None:
    app.jinja_env.filters["off"] = lambda html, why: turn_off(html, why) if why else html


def turn_off(html: str, why: str, *, but: Collection[str] = ()) -> Markup:
    """The markup with its controls off, except in forms whose action is in `but`."""
    in_form = False

    def rewrite(found: re.Match[str]) -> str:
        nonlocal in_form
        name, attributes = found["name"], found["attributes"]
        if name == "form":
            action = ACTION.search(attributes)
            is_kept = action is not None and action[1] in but
            in_form = not found["end"] and bool(POSTED.search(attributes)) and not is_kept
            return f"<form{_without_effect(attributes)}>" if in_form else found[0]
        if found["end"]:
            return found[0]
        if name == "button" and (in_form or MARKED.search(attributes)):
            return f'<button type="button"{_off(attributes, why)}>'
        if name == "a" and OPENS_DIALOG.search(attributes):
            role = "" if " role=" in attributes else ' role="link"'
            return f'<a tabindex="0"{role}{_off(attributes, why)}>'
        if name in ("input", "select", "textarea") and in_form and not HIDDEN.search(attributes):
            return f'<{name} disabled title="{escape(why)}"{attributes.replace(" autofocus", "")}>'
        return found[0]

    return Markup(TAG.sub(rewrite, html))  # noqa: S704  # the templates have escaped it


def _off(attributes: str, why: str) -> str:
    left, reason = _without_effect(attributes), escape(why)
    return f'{left} aria-disabled="true" aria-describedby="{REASON}" data-why="{reason}"'


def _without_effect(attributes: str) -> str:
    def keep(found: re.Match[str]) -> str:
        return "" if found[1] in EFFECTS or found[1].startswith("hx-") else found[0]

    return ATTRIBUTE.sub(keep, attributes)
