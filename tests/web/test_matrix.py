"""Every address and method, asked as everybody who may come (P1): `matrix.txt` holds the answers.

Whoever adds a route adds a line there; `test_every_route_has_its_line` prints it. What stands for
the arguments of an address, and for {names} in a form, is in `records` below.
"""

import re
import sqlite3
from contextlib import closing
from io import BytesIO
from secrets import token_hex

import pytest

from tests import wires
from tests.conftest import on_sqlite
from tests.factories import AMEX, CHALLENGED_ONCE, MASTERCARD, VISA
from tests.web import matrix
from webapp.actions.allow_paypal import allow_paypal
from webapp.actions.webhook_endpoints import send_test
from webapp.domain import links
from webapp.domain.api_keys import Scope
from webapp.domain.base import Base
from webapp.domain.low_balance import LowBalanceSettings
from webapp.domain.method_setups import MethodSetup
from webapp.domain.money import MICROS
from webapp.domain.notices import Notice
from webapp.domain.payments import AttemptState
from webapp.domain.users import Membership, Role, User
from webapp.web.access import resume_token

# Who may do what does not depend on the database: those that ask for one are on SQLite alone.

ROLES = ("owner", "admin", "commercial", "billing", "technical")


def rule_of(rule):
    """The static files' address has a digest in it that changes with them."""
    return re.sub(r"^/static/[0-9a-f]+/", "/static/<digest>/", rule.rule)


def routes(app):
    """HEAD is answered as GET, and OPTIONS only tells the methods."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or {"ANY"}) - {"HEAD", "OPTIONS"}:
            yield method, rule_of(rule)


@pytest.fixture
def held_account(world):
    """Harbour Voice with one of everything that an address can name."""
    world.cards(VISA, MASTERCARD, AMEX)
    world.pay(world.methods[1], "30.00")
    world.refill(notification_on=True, notification_threshold="75.00")
    # All fail, so that what the bank wants confirmed still can be.
    for code in ("authentication_required", "insufficient_funds", "insufficient_funds"):
        world.next_answer("decline", decline_code=code)
    world.use("90.00")
    world.work()
    allow_paypal(world.session, world.account_id, True, world.owner, world.clock.now())
    linked = world.begin_paypal()
    world.books.desk.agree(linked.address.rpartition("/")[2], "ana@example.com", world.clock.now())
    world.finish(linked)
    return world


def teammate_of(world):
    """Somebody of Harbour Voice who is not its owner."""
    user = User(email="mate@example.com", name="Cy", password_hash="", created_at=world.clock.now())
    world.session.add(user)
    world.session.flush()
    role = Membership(user_id=user.id, account_id=world.account_id, role=Role.BILLING)
    world.session.add(role)
    world.session.commit()
    return user.id


@pytest.fixture
def records(app, held_account):
    """What stands for each argument of an address, and for each {name} in a form."""
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
    delivery_id = send_test(world.session, world.account_id, endpoint_id, world.clock.now()).id
    return {
        "account_id": str(world.account_id),
        "method_id": methods[0],
        "turned": ",".join(reversed(methods)),
        "seen": ",".join(methods),
        "attempt_id": str(declined.id),
        "payment_id": str(paid.id),
        "token": resume_token(app.secret_key, declined.id),
        "/unsubscribe/<token> token": links.sign(
            app.secret_key, links.STOP, world.mails_of("low_balance")[0].id
        ),
        "kind": "receipt",
        "setup_id": str(world.session.query(MethodSetup).filter_by(state="open").first().id),
        "wire_id": str(wire_id),
        "proof_id": str(proof_id),
        "notice_id": str(world.session.query(Notice).first().id),
        "reference": agreement.processor_reference,
        "/sandbox/challenges/<challenge_id> challenge_id": bank.address.rpartition("/")[2],
        "charge": paid_key,
        "/sandbox/taken-back/<reference> reference": world.books.afterwards.refund(
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
        "digest": app.static_url_path.rpartition("/")[2],
        "filename": "favicon.svg",
        "rest": "nowhere",
    }


@pytest.fixture
def visitor(app, records, teammate, stranger, sign_in, operator):
    """A fresh browser of whoever the table names."""

    def person(client):
        with client.session_transaction() as cookie:
            return int(cookie["_user_id"])

    people = {
        "stranger": person(stranger),
        "operator": operator,
        **{role: person(teammate(role)) for role in ROLES},
    }

    def fresh(who):
        return sign_in(people[who]) if who != "nobody" else app.test_client()

    return fresh


# That a try was counted is its own business: who guesses at others' ids is slowed down, too.
TABLES = sorted(Base.metadata.tables.keys() - {"throttle_try"})


@pytest.fixture
def rewind(world, home, tmp_path):
    """Puts everything back as it was; tells which tables the last question has changed."""
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
        # The version counts what others write; our own writing starts a new count.
        seen[0] = version()
        return changed

    yield back
    live.close()
    kept.close()


def address_of(rule, records):
    def value(match):
        name = match[1].rpartition(":")[2]
        known = records.get(f"{rule} {name}", records.get(name))
        assert known, f"{rule}: tests/web/test_matrix.py, `records`, says nothing for {name}"
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


def ask(client, row, records):
    method = "GET" if row.method == "ANY" else row.method
    sent = {"data": form_of(row, records)} if row.sends or method != "GET" else {}
    address = address_of(row.rule, records)
    return client.open(address, method=method, buffered=True, **sent)


@on_sqlite
def test_every_route_has_its_line(app):
    """P1: who adds a route says here who may do what with it."""
    there = {(row.method, row.rule) for row in matrix.read()}
    missing = sorted(set(routes(app)) - there)
    lines = "\n".join(matrix.suggestion(*route) for route in missing)
    assert not missing, f"add to tests/web/matrix.txt, with an answer for each ?:\n{lines}"
    gone = sorted(there - set(routes(app)))
    assert not gone, f"tests/web/matrix.txt has lines for routes that are not there: {gone}"


def test_no_route_has_two_lines():
    lines = [(row.method, row.rule) for row in matrix.read()]
    assert len(lines) == len(set(lines))


@on_sqlite
def test_everyone_is_answered_as_the_table_says(records, visitor, rewind):
    """P1: and who may not has changed nothing."""
    wrong = []
    for row in matrix.read():
        for who, expected in row.answers.items():
            answer = ask(visitor(who), row, records)
            changed = rewind()
            if not matrix.is_as_told(expected, answer.status_code, answer.location or ""):
                got = f"{answer.status_code} {answer.location or ''}"
                wrong.append(f"{row.method} {row.rule} as {who}: {expected} expected, got {got}")
            if changed and expected in ("in", "no", "none") and "/sign-out" not in row.rule:
                wrong.append(f"{row.method} {row.rule} as {who}: refused, and yet it changed rows")
    assert not wrong, "\n" + "\n".join(wrong)


KEYED = {"/api/v1/": ("Authorization", "Bearer {}"), "/v3/": ("Api-Key", "{}")}


@on_sqlite
def test_keys_of_others(app, world, records):
    """P1: a key speaks for its own account; one that is unknown for none."""
    other = world.account(name="Other Ltd", balance="7.00").api_key
    machine = app.test_client()
    for row in matrix.read():
        prefix = next((p for p in KEYED if row.rule.startswith(p)), None)
        if prefix is None or row.answers["nobody"] != "401":
            continue
        header, shape = KEYED[prefix]
        address = address_of(row.rule, records)
        for key, statuses in (("bk_forged", {401}), (other, set(range(200, 300)) | {404, 415})):
            headers = {header: shape.format(key)}
            answer = machine.open(address, method=row.method, headers=headers)
            assert answer.status_code in statuses, (row.rule, key, answer.status_code)
            assert "Harbour Voice" not in answer.text


@on_sqlite
def test_nothing_is_posted_without_the_forms_own_token(app, records, visitor, rewind):
    """P1: by the owner's browser, from another site. What is signed by other means is exempt."""
    app.config["WTF_CSRF_ENABLED"] = True
    exempt = re.compile(r"/sandbox/(cards|challenges|paypal)\b|/api/v1/|/v3/|/unsubscribe/")
    for row in matrix.read():
        if row.method not in ("POST", "PUT", "PATCH", "DELETE") or exempt.match(row.rule):
            continue
        answer = ask(visitor("owner"), row, records)
        assert answer.status_code == 400, row
        assert not rewind(), f"{row.method} {row.rule} changed rows without a token"


@pytest.mark.parametrize(
    ("expected", "status", "location", "told"),
    [
        ("yes", 200, "", True), ("yes", 303, "/billing/payments", True),
        ("yes", 404, "", False), ("yes", 303, "/sign-in?next=/", False),
        ("in", 303, "/sign-in", True), ("in", 200, "", False),
        ("no", 403, "", True), ("no", 200, "", False),
        ("none", 404, "", True), ("none", 403, "", False),
        ("409", 409, "", True), ("409", 404, "", False),
    ],
)  # fmt: skip
def test_the_words_have_teeth(expected, status, location, told):
    assert matrix.is_as_told(expected, status, location) is told
