"""Fixtures and helpers for the tests of the pages."""

import math
import re
from html import unescape

import pytest
from sqlalchemy import event, text

from tests.factories import AMEX, MASTERCARD, VISA
from webapp.extensions import db

TABLES = (
    "payment_method", "low_balance_settings", "top_up", "payment", "attempt", "ledger_entry",
    "event", "event_repeat", "notice", "membership", "user",
)  # fmt: skip


@pytest.fixture
def database_rows(world):
    """Reads all rows of the database, to check that nothing has changed.

    An account's revision may grow when its lock was taken; its balance may not.
    """

    def read():
        world.session.rollback()
        rows = {t: world.session.execute(text(f'SELECT * FROM "{t}"')).all() for t in TABLES}
        rows["account"] = world.session.execute(text("SELECT id, balance FROM account")).all()
        return rows

    return read


@pytest.fixture
def account_with_history(world):
    """A suspended method before two good ones, a failed payment, history and settings."""
    world.cards(VISA, MASTERCARD, AMEX)
    world.refill(notification_on=True, notification_threshold="75.00")
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    return world


def errors(answer):
    """Return the errors by field."""
    found = re.findall(r'id="(\w+)-error">([^<]*)<', answer.text)
    return {field: unescape(error) for field, error in found if error}


def words(answer):
    """Return the response's visible text."""
    whole = answer.text.replace("<wbr>", "")
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", whole, flags=re.DOTALL)
    return " ".join(unescape(text).split())


@pytest.fixture
def count_sql(app):
    """Counts the SQL statements of an action."""

    # On a slow machine the process would check the schema's version again.
    app.extensions["ballast"].schema._trusted_until = math.inf

    def count(action):
        db.session.rollback()
        db.session.expunge_all()  # a request starts with an empty session
        statements = []
        note = lambda *around: statements.append(around[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            action()
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(statements)

    return count
