"""Emails at the widths of phones and desktops, in light and dark themes, in each language.

No server is involved: the rendered email is the page, and nothing in it loads or runs.
"""

import pytest

from tests.factories import START, context
from webapp.delivery.mailer import OutboxMailer
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import TOPICS
from webapp.reads.notifications.email_samples import facts
from webapp.settings import ROOT

OVERFLOWS = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
# The contrast formula of WCAG 2.2; our emails have no translucent surfaces.
FAINT = """() => {
  const linear = (share) => share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  const channel = (value) => linear(value / 255);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour[3] !== 0) return light(colour);
    }
    return 1;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { textContent, parentElement } = texts.currentNode;
    if (!textContent.trim() || !parentElement.getClientRects().length) continue;
    const ink = light(parts(getComputedStyle(parentElement).color));
    const [low, high] = [ink, behind(parentElement)].sort((one, other) => one - other);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(textContent.trim());
  }
  return faint;
}"""


def emails(language):
    """Yield the kind and the HTML of each email."""
    account = Account(
        name="Harbour Voice",
        currency="USD",
        locale="en_US",
        time_zone="Europe/Dublin",
        language=language,
    )
    mailer = OutboxMailer(
        ROOT / "templates", "https://billing.example.com", lambda *about: "signed"
    )
    for kind in TOPICS:
        values = {"account_name": account.name, **facts(context(None, START), kind, account)}
        yield kind, mailer.render(kind, values | {"stop_link": mailer.stop_link(1)}, language).html


@pytest.mark.parametrize("language", ["en", "de", "es", "fr"])
def test_every_email_fits_phones_and_desktops(browser, language):
    """Phones have a layout of their own; from 560 pixels an email does not grow."""
    with browser.new_page() as page:
        for kind, html in emails(language):
            page.set_content(html)
            for width in (360, 640):
                page.set_viewport_size({"width": width, "height": 800})
                assert not page.evaluate(OVERFLOWS), f"{kind} is wider than {width}"


def test_every_email_has_enough_contrast_in_both_themes(browser):
    with browser.new_page() as page:
        for kind, html in emails("en"):
            page.set_content(html)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate(FAINT) == [], f"{kind}, {scheme}"
