"""Icons and payment marks by name, so that templates need no file paths.

Functions rather than macros, for speed: the main screen has a hundred of them.
"""

from functools import partial
from re import compile as pattern

import segno
from flask import Flask, url_for
from markupsafe import Markup

from webapp.domain.payment_methods.payment_method import BRANDS
from webapp.web.templating.mount_point_cache import ByMountPoint

SPRITE = "vendor/tabler-icons-3.51.0/sprite.svg"
MARKS = "vendor/tabler-brands-1.6.1"
MARKED = frozenset(
    ("visa", "mastercard", "amex", "discover", "diners", "jcb", "unionpay", "maestro", "paypal")
)

CARD = rf"(?:(?:{'|'.join(BRANDS.values())}|Card) )?•••• [0-9]{{4}}"
DATE = "[A-Z][a-z]{2} [0-9]{1,2} [A-Z][a-z]{2}(?:, [0-9:]{5})?"
TOGETHER = pattern(f"{CARD}|{DATE}")


def init_app(app: Flask) -> None:
    cached = partial(ByMountPoint, capacity=512)
    app.jinja_env.globals.update(
        icon=cached(icon), star=cached(star), brand=cached(brand), unbroken=unbroken
    )


def icon(name: str, size: int = 18, more: str = "") -> Markup:
    """An icon of the sprite. `more` is an additional class."""
    classes = " ".join(filter(None, ("icon", "" if size == 18 else f"icon-{size}", more)))
    return Markup(
        '<svg class="{}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>'
    ).format(classes, url_for("static", filename=SPRITE), name)


def star(label: str) -> Markup:
    """The filled star. `label` is its accessible name."""
    return Markup(
        '<svg class="icon icon-12 icon-filled" role="img" aria-label="{}">'
        '<use href="{}#star-filled"/></svg>'
    ).format(label, url_for("static", filename=SPRITE))


def qr_code(text: str) -> Markup:
    """A QR code, black on white in both themes so that cameras can read it."""
    code = segno.make(text, error="m")
    drawn = code.svg_inline(border=3, light="#ffffff", omitsize=True, svgclass=None, lineclass=None)
    return Markup(drawn)  # noqa: S704  # an image; it does not contain the text


def brand(key: str) -> Markup:
    """A payment mark, 40 by 24 px. It has no alt text: the method's name is always beside it."""
    if key not in MARKED:
        return Markup('<span class="brand">{}</span>').format(icon("credit-card", 16))
    return Markup(
        '<span class="brand brand-{}">'
        '<img class="light" src="{}" width="40" height="24" alt="" loading="lazy">'
        '<img class="dark" src="{}" width="40" height="24" alt="" loading="lazy"></span>'
    ).format(
        key,
        url_for("static", filename=f"{MARKS}/{key}.svg"),
        url_for("static", filename=f"{MARKS}/{key}-dark.svg"),
    )


def unbroken(text: str) -> str:
    """The sentence with card names and dates kept on one line."""
    return TOGETHER.sub(lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
