"""One word for one thing in what people read."""

import re

from webapp.settings import ROOT

PAYPALS_WORDS = {"templates/sandbox/paypal.html", "templates/payment_methods/_paypal_dialog.html"}
"""PayPal calls what its customers agree to automatic payments."""


def test_people_read_automatic_refill():
    sources = [
        path
        for folder, kind in (("templates", "*"), ("translations", "*.po"), ("webapp", "*.py"))
        for path in (ROOT / folder).rglob(kind)
        if path.is_file()
    ]
    # Also where a line of text or a literal ends between the words.
    words = re.compile(r"automatic[\s\"]+payment", re.IGNORECASE)
    found = {
        str(path.relative_to(ROOT))
        for path in sources
        if words.search(path.read_text(encoding="utf-8"))
    }
    assert found == PAYPALS_WORDS
