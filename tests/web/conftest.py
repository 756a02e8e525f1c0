"""What the tests of the pages share: other people, and what the database holds."""

import re
from html import unescape

import pytest
from sqlalchemy import event, text

from tests.conftest import proved_at
from tests.factories import AMEX, MASTERCARD, PASSWORD, VISA
from webapp.actions.operators import create_operator
from webapp.domain import second_factor
from webapp.domain.audit import Actor
from webapp.domain.users import Membership, Role, User
from webapp.extensions import db

TABLES = (
    "payment_method", "low_balance_settings", "top_up", "payment", "attempt", "ledger_entry",
    "decision", "notice", "audit_entry", "membership", "user",
)  # fmt: skip


@pytest.fixture
def held(world):
    """Everything the database holds, to see that nothing has changed.

    An account's revision may grow when a lock was taken; its balance may not.
    """

    def read():
        world.session.rollback()
        rows = {t: world.session.execute(text(f'SELECT * FROM "{t}"')).all() for t in TABLES}
        rows["account"] = world.session.execute(text("SELECT id, balance FROM account")).all()
        return rows

    return read


@pytest.fixture
def busy(world):
    """Two good methods and a suspended one in front, a failed payment, history and settings."""
    world.cards(VISA, MASTERCARD, AMEX)
    world.refill(notification_on=True, notification_threshold="75.00")
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00")
    world.work()
    return world


@pytest.fixture
def sign_in(app, clock):
    """A browser of the person with this id."""

    def visit(user_id):
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie["_user_id"], cookie["_fresh"] = str(user_id), True
            cookie["proved"] = proved_at(clock.now())
        return client

    return visit


@pytest.fixture
def teammate(world, sign_in):
    """A browser of someone in the same account who holds only these roles."""

    def visit(*roles):
        user = User(
            email=f"{'-'.join(roles)}@example.com",
            name="Bo Lind",
            password_hash="",
            created_at=world.clock.now(),
        )
        world.session.add(user)
        world.session.flush()
        for role in roles:
            world.session.add(
                Membership(user_id=user.id, account_id=world.account_id, role=Role(role))
            )
        world.session.commit()
        return sign_in(user.id)

    return visit


@pytest.fixture
def operator(world):
    """The id of somebody of the provider's staff, whose second factor is set up."""
    made = create_operator(
        world.session,
        name="Pat Noor",
        email="pat@provider.example",
        password=PASSWORD,
        actor=Actor(name="Test"),
        now=world.clock.now(),
    )
    world.session.get_one(User, made).totp_secret = second_factor.new_secret()
    world.session.commit()
    return made


@pytest.fixture
def stranger(world, sign_in):
    """A browser of another account's owner, who has a card as well."""
    other = world.account(name="Other Ltd", balance="500.00")
    world.card(VISA, account_id=other.account_id)
    return sign_in(other.user_id)


def errors(answer):
    """What stands beside each field."""
    found = re.findall(r'id="(\w+)-error">([^<]*)<', answer.text)
    return {field: unescape(error) for field, error in found if error}


def words(answer):
    """The answer's visible text."""
    whole = answer.text.replace("<wbr>", "")
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", whole, flags=re.DOTALL)
    return " ".join(unescape(text).split())


@pytest.fixture
def count_sql(app):
    """How many statements something takes."""

    def count(deed):
        db.session.rollback()
        db.session.expunge_all()  # a request begins with nothing in its hands
        told = []
        note = lambda *around: told.append(around[2])  # noqa: E731
        event.listen(db.engine, "before_cursor_execute", note)
        try:
            deed()
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        return len(told)

    return count
