"""What a fragment reads: the parts that it shows, and no more than its budget.

The figures count work, not time, so they are the same on every machine. They exist to be lowered.
"""

import math
import sys
from pathlib import Path

import pytest
from sqlalchemy import event

import webapp
from tests.conftest import on_sqlite
from tests.factories import MASTERCARD, VISA
from webapp.domain.accounts.account import Account
from webapp.extensions import db
from webapp.reads.payment_methods.main_screen import MainScreen

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}
OURS = f"{Path(webapp.__file__).parent}/"

PARTS = {
    "head": "page-head",
    "banner": "banner",
    "methods": "methods",
    "next": "what-happens-next",
    "failed": "failed-payments",
    "settings": "low-balance-settings",
    "chart": "balance-chart",
    "balance": "balance",
}
"""Each part of the main screen, and the id of its element."""

SETTINGS = {
    "refill_on": "1", "refill_mode": "add", "threshold": "40.00", "refill_amount": "90.00",
    "day_limit": "500.00", "seen": "1",
}  # fmt: skip

BUDGETS = {
    "switch off": (54, 335, 19),
    "switch on": (55, 388, 22),
    "reorder": (56, 405, 27),
    "retry": (88, 756, 66),
    "add funds": (85, 715, 56),
    "settings": (65, 683, 25),
    "refresh": (50, 413, 9),
    "poll, changed": (24, 67, 5),
    "poll, unchanged": (18, 42, 2),
}
"""Most files of ours that the request goes through, calls of functions in them, SQL statements."""


@pytest.fixture
def press(client, world):
    """Sends a request of the main screen, of an account with two methods of which one failed."""
    visa, mastercard = (method.id for method in world.cards(VISA, MASTERCARD))
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    failed = next(one.id for one in world.attempts if one.method_id == visa)
    revision = world.session.get_one(Account, world.account_id).revision
    post = {
        "switch off": (f"{MAIN}/{mastercard}/auto-charge", {"on": "0"}),
        "switch on": (f"{MAIN}/{mastercard}/auto-charge", {"on": "1"}),
        "reorder": (
            f"{MAIN}/order",
            {"order": f"{mastercard},{visa}", "seen": f"{visa},{mastercard}"},
        ),
        "retry": (f"/billing/attempts/{failed}/retries", {"request_key": "k" * 32}),
        "add funds": (
            "/billing/funds",
            {"request_key": "k" * 32, "amount": "30.00", "method": mastercard, "kind": "instant"},
        ),
        "settings": ("/billing/low-balance-settings", SETTINGS),
    }
    get = {
        "refresh": f"{MAIN}/refresh",
        "poll, changed": "/billing/balance?seen=0",
        "poll, unchanged": f"/billing/balance?seen={revision}",
    }

    def send(request):
        if request in get:
            return client.get(get[request], headers=HTMX)
        url, form = post[request]
        return client.post(url, data=form, headers=HTMX)

    client.get(MAIN)  # a page fills the caches
    client.get(get["refresh"], headers=HTMX)
    return send


@on_sqlite
@pytest.mark.parametrize("request_name", BUDGETS)
def test_a_fragment_keeps_its_budget(app, press, request_name):
    # On a slow machine the process would check the schema's version again.
    app.extensions["ballast"].schema._trusted_until = math.inf
    if request_name == "switch on":
        press("switch off")
    db.session.rollback()
    db.session.expunge_all()
    statements, calls = [], []

    def note(frame, kind, _):
        code = frame.f_code
        # A comprehension or a generator is part of the function around it.
        if kind == "call" and code.co_filename.startswith(OURS) and code.co_name[0] != "<":
            calls.append(code.co_filename)

    note_statement = lambda *around: statements.append(around[2])  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", note_statement)
    sys.setprofile(note)
    try:
        answer = press(request_name)
    finally:
        sys.setprofile(None)
        event.remove(db.engine, "before_cursor_execute", note_statement)
    assert answer.status_code < 400
    spent = len(set(calls)), len(calls), len(statements)
    over = [used for used, most in zip(spent, BUDGETS[request_name], strict=True) if used > most]
    assert not over, (spent, sorted(set(calls)))


@on_sqlite
@pytest.mark.parametrize("request_name", [name for name in BUDGETS if "poll" not in name])
def test_a_fragment_reads_only_the_parts_that_it_shows(press, monkeypatch, request_name):
    screens = []

    def read(*arguments, **more):
        screens.append(MainScreen(*arguments, **more))
        return screens[-1]

    monkeypatch.setattr("webapp.web.payment_methods.responses.MainScreen", read)
    answer = press(request_name)
    shown = {part for part, element in PARTS.items() if f'id="{element}"' in answer.text}
    assert {*PARTS} & vars(screens[-1]).keys() == shown
