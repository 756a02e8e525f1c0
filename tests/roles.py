"""Fixtures: an installation with one record of every kind, and clients of every role."""

import re
import sqlite3
from contextlib import closing
from io import BytesIO
from secrets import token_hex

import pytest

from tests import wires
from tests.factories import (
    AMEX,
    CHALLENGED_ONCE,
    MASTERCARD,
    PASSWORD,
    VISA,
    passkey_of,
    resume_token,
    signed_in_cookie,
)
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.users.operators import create_operator
from webapp.actions.webhooks.endpoints import send_test
from webapp.database.base import Base
from webapp.database.transactions import begin_writing
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payment_methods.method_setups import MethodSetup
from webapp.domain.payments.payment import AttemptState
from webapp.domain.shared import signed_links
from webapp.domain.shared.context import Actor
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users import second_factor
from webapp.domain.users.sessions import UserSession
from webapp.domain.users.user import Membership, Role, User
from webapp.extensions import db

ROLES = ("owner", "admin", "commercial", "billing", "technical")


@pytest.fixture
def sign_in(app, clock):
    """A test client signed in as the user with this id."""

    def visit(user_id):
        client = app.test_client()
        with client.session_transaction() as cookie:
            cookie.update(signed_in_cookie(db.session(), user_id, clock.wall()))
        return client

    return visit


@pytest.fixture
def teammate(world, sign_in):
    """A test client of another member of the account who has only these roles."""

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
    """The id of an operator whose second factor is set up."""
    return hire(world, "pat@provider.example")


def hire(world, email):
    made = create_operator(
        world.ctx.by(Actor(name="Test")), name="Pat Noor", email=email, password=PASSWORD
    )
    begin_writing(world.session)
    world.session.get_one(User, made).totp_secret = second_factor.new_secret()
    world.session.commit()
    return made


@pytest.fixture
def stranger(world, sign_in):
    """A test client of another account's owner; that account has a card too."""
    other = world.account(name="Other Ltd", balance="500.00")
    world.card(VISA, account_id=other.account_id)
    return sign_in(other.user_id)


@pytest.fixture
def held_account(world):
    """Harbour Voice with one record of every kind that a URL can name."""
    world.cards(VISA, MASTERCARD, AMEX)
    world.pay(world.methods[1], "30.00")
    world.refill(notification_on=True, notification_threshold="75.00")
    # All fail, so the attempt that needs authentication can still be resumed.
    for code in ("authentication_required", "insufficient_funds", "insufficient_funds"):
        world.next_answer("decline", decline_code=code)
    world.use("90.00")
    world.work()
    allow_paypal(world.ctx, world.account_id, True)
    linked = world.begin_paypal()
    challenge = linked.address.rpartition("/")[2]
    world.books.challenges.agree(challenge, "ana@example.com", world.clock.now())
    world.finish(linked)
    return world


def session_of(session, user_id, wall):
    """Start another session of this user and return its id."""
    signed_in_cookie(session, user_id, wall)
    return UserSession.listed(session, user_id, wall)[-1].id


def teammate_of(world):
    """Add a member of Harbour Voice who is not its owner, and return the user's id."""
    user = User(email="mate@example.com", name="Cy", password_hash="", created_at=world.clock.now())
    world.session.add(user)
    world.session.flush()
    role = Membership(user_id=user.id, account_id=world.account_id, role=Role.BILLING)
    world.session.add(role)
    world.session.commit()
    return user.id


@pytest.fixture
def records(app, held_account):
    """Values for each URL argument and for each {name} in a form."""
    world = held_account
    declined = next(a for a in world.attempts if a.state == AttemptState.DECLINED)
    wire = wires.prove(world, wires.ask(world))
    wire_id, proof_id = wire.id, wire.proofs[0].id
    bank = world.begin_card(CHALLENGED_ONCE)
    paypal = world.begin_paypal()
    methods = [str(m.id) for m in world.methods]
    agreement = next(m for m in world.methods if m.kind == "paypal")
    paid = next(a.payment for a in world.attempts if a.state == AttemptState.PAID)
    paid_key = world.books.paid_charges()[-1][0]
    import_id = world.import_usage("amount,reference\n1.00,imported-1\n")
    endpoint_id = world.webhook(events=["balance.low"]).endpoint_id
    delivery_id = send_test(world.ctx, world.account_id, endpoint_id).id
    return {
        "account_id": str(world.account_id),
        "account": str(world.account_id),
        "challenge": "none",
        "method_id": methods[0],
        "turned": ",".join(reversed(methods)),
        "seen": ",".join(methods),
        "attempt_id": str(declined.id),
        "payment_id": str(paid.id),
        "token": resume_token(app.secret_key, declined.id),
        "/unsubscribe/<token> token": signed_links.sign(
            app.secret_key, signed_links.STOP, world.mails_of("low_balance")[0].id
        ),
        "kind": "receipt",
        "setup_id": str(world.session.query(MethodSetup).filter_by(state="open").first().id),
        "wire_id": str(wire_id),
        "proof_id": str(proof_id),
        "notice_id": str(world.session.query(Notice).first().id),
        "reference": agreement.processor_reference,
        "/sandbox/challenges/<challenge_id> challenge_id": bank.address.rpartition("/")[2],
        "charge": paid_key,
        "/sandbox/taken-back/<reference> reference": world.books.reversals.refund(
            paid_key, MICROS, world.clock.now()
        ),
        "name": "sandbox",
        "/sandbox/paypal/<challenge_id> challenge_id": paypal.address.rpartition("/")[2],
        "/billing/payments/returned ?": f"key={paid.request_key}",
        "import_id": str(import_id),
        "endpoint_id": str(endpoint_id),
        "delivery_id": str(delivery_id),
        "user_id": str(teammate_of(world)),
        "invitation_id": str(world.invite("bo@example.com").id),
        "key_id": str(world.key(Scope.USAGE_WRITE).id),
        "version": str(LowBalanceSettings.of(world.session, world.account_id).version),
        "passkey_id": str(passkey_of(world.session, world.created.user_id, world.clock.now())),
        "session_id": str(session_of(world.session, world.created.user_id, world.clock.wall())),
        "digest": app.static_url_path.rpartition("/")[2],
        "filename": "favicon.svg",
        "rest": "nowhere",
    }


@pytest.fixture
def visitor(app, records, teammate, stranger, sign_in, operator):
    """Return a function that makes a signed-in client of a role in the access matrix.

    Each role signs in once. Each client is new, since a response may change its cookie.
    """
    clients = {"stranger": stranger, "operator": sign_in(operator)}
    clients |= {role: teammate(role) for role in ROLES}
    cookies = {who: client.get_cookie("session").value for who, client in clients.items()}

    def fresh(who):
        client = app.test_client()
        if who != "nobody":
            client.set_cookie("session", cookies[who])
        return client

    return fresh


# Rate-limit counters and sessions change whatever the response is, so they are not compared.
TABLES = sorted(Base.metadata.tables.keys() - {"throttle_try", "user_session"})


@pytest.fixture
def rewind(world, home, tmp_path, visitor):
    """Restore the database and return the names of the tables that the last request changed.

    The restored database contains the sessions of `visitor`.
    """
    world.session.rollback()
    live = sqlite3.connect(home / "ballast.db")
    kept = sqlite3.connect(":memory:")
    live.backup(kept)
    with world.books.view() as view, closing(sqlite3.connect(tmp_path / "sandbox.db")) as copy:
        view.backup(copy)

    def version():
        return live.execute("PRAGMA data_version").fetchone()[0]

    seen = [version()]

    def rows(connection):
        return {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in TABLES}

    def back():
        if version() == seen[0]:
            return []
        now, before = rows(live), rows(kept)
        changed = [name for name in TABLES if now[name] != before[name]]
        world.session.rollback()
        kept.backup(live)
        world.books.replace_by(tmp_path / "sandbox.db")
        world.session.expire_all()
        # PRAGMA data_version counts writes of other connections; our own restore needs a new
        # baseline.
        seen[0] = version()
        return changed

    yield back
    live.close()
    kept.close()


def address_of(rule, records):
    def value(match):
        name = match[1].rpartition(":")[2]
        known = records.get(f"{rule} {name}", records.get(name))
        assert known, f"{rule}: `records` in tests/roles.py, has no value for {name}"
        return known

    path = re.sub(r"<([^>]+)>", value, rule)
    query = records.get(f"{rule} ?")
    return f"{path}?{query}" if query else path


def form_of(row, records):
    values = {**records, "fresh_key": token_hex(16)}
    form = {name: text.format(**values) for name, text in row.sends.items()}
    for name, text in form.items():
        if text.startswith("@"):
            form[name] = (BytesIO(wires.PDF), text[1:])
    return form
