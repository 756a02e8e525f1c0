"""`accounts erase`: after it, no file of the installation names the person of a closed account."""

import json

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from tests import wires
from tests.conftest import on_sqlite
from tests.factories import CHALLENGED_ONCE, MASTERCARD, PASSWORD, VISA
from webapp.actions.accounts.change_state import change_state
from webapp.actions.accounts.set_billing_details import set_billing_details
from webapp.actions.api_keys.idempotency import begin_request, keep_answer
from webapp.actions.payment_methods.allow_paypal import allow_paypal
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.usage.post_usage import post_usage
from webapp.actions.users.operators import create_operator, remove_operator
from webapp.actions.users.portal import create_portal_link
from webapp.domain.accounts.account import Account, AccountState
from webapp.domain.accounts.billing_details import BillingDetails
from webapp.domain.accounts.state_change import ClosingBalance, StateChange
from webapp.domain.api_keys.idempotency_keys import StoredAnswer
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import AccountSuspended, PageViewed
from webapp.domain.events.rows import EventRow
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments.payment import Attempt, AttemptState, Payment
from webapp.domain.payments.receipts import Receipt
from webapp.domain.shared.context import COMMAND_LINE, SYSTEM, Actor
from webapp.domain.usage.record import Usage
from webapp.domain.users.portal import PortalChoice
from webapp.domain.users.user import User

PERSONAL = (
    *("Zephyrine", "Quackenbush", "zephyrine", "Wobblington", "Fizzlewick", "Plumbottom"),
    *("ZX99 9QQ", "Snorkelson", "paypal-payer", "+353155501"),
)
"""Parts of names, addresses and numbers that occur nowhere else."""


@pytest.fixture
def lived(app, world):
    """An account whose people left their names wherever the product takes text."""
    session, ctx = world.session, world.ctx
    owner = session.get_one(User, world.created.user_id)
    account = session.get_one(Account, world.account_id)
    owner.email, owner.name = "zephyrine@quackenbush.example", "Zephyrine Quackenbush"
    account.name, account.external_id = "Wobblington Telephony", "zephyrine-42"
    account.details = {"contact": "Zephyrine Quackenbush"}
    account.billing_emails = ["zephyrine@quackenbush.example"]
    session.commit()
    client = app.test_client()
    client.post("/sign-in", data={"email": owner.email, "password": "wrong"})
    signed = client.post("/sign-in", data={"email": owner.email, "password": PASSWORD})
    assert signed.status_code == 303
    details = BillingDetails("Zephyrine Quackenbush", "1 Fizzlewick Lane\nPlumbottom", "TAX-1")
    set_billing_details(ctx, world.account_id, details)
    world.cards(VISA, MASTERCARD)
    named(world)
    world.begin_card(CHALLENGED_ONCE)
    allow_paypal(ctx, world.account_id, True)
    asked = world.begin_paypal()
    payer = "paypal-payer@quackenbush.example"
    world.books.challenges.agree(asked.address.rpartition("/")[2], payer, world.clock.now())
    world.finish(asked)
    world.refill()
    world.next_answer("decline", decline_code="insufficient_funds")
    world.use("60.00", "call-1")
    world.work()
    post(world, "call-2", "Call to +35315550123")
    adjust_balance(ctx, world.account_id, 1_000_000, "Goodwill for Zephyrine", request_key="k" * 32)
    world.invite("friend@quackenbush.example", "billing")
    world.webhook(url="https://quackenbush.example/hooks")
    world.key("usage:write", name="Zephyrine's meter")
    wires.complete(world, wires.prove(world, wires.ask(world), name="Snorkelson.pdf"))
    portal = PortalChoice("billing", "https://portal.example.com/quackenbush")
    create_portal_link(ctx, world.account_id, portal)
    begin_request(ctx, None, "create-1", "hash")
    body = '{"id": 1, "external_id": "zephyrine-42", "name": "Wobblington Telephony"}'
    keep_answer(ctx, None, "create-1", "hash", StoredAnswer(201, "/", body))
    world.import_usage("amount,reference\nx,Zephyrine\n", name="quackenbush.csv")
    world.run()
    return world


def named(world):
    """Give the saved cards a holder and an address, here and in the sandbox's books."""
    values = {
        "holder": "Zephyrine Quackenbush",
        "line": "1 Fizzlewick Lane",
        "city": "Plumbottom",
        "postcode": "ZX99 9QQ",
    }
    columns = (
        "cardholder = :holder, address_line = :line, address_city = :city, "
        "address_postcode = :postcode"
    )
    world.session.execute(text(f"UPDATE payment_method SET {columns}"), values)
    world.session.commit()
    with world.books.store.writing() as session:
        session.execute(text(f"UPDATE card SET {columns}"), values)


def post(world, reference, description):
    record = Usage(2_000_000, reference, world.clock.now(), description)
    post_usage(world.ctx, world.account_id, [record])


def close(world):
    change = StateChange(AccountState.CLOSED, "Zephyrine has left", ClosingBalance.PAYOUT)
    change_state(world.ctx, world.account_id, change)
    world.run()
    world.session.rollback()


def erase(flask, world, *options, code=0):
    result = flask(["accounts", "erase", str(world.account_id), "--yes", "--json", *options])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if code == 0 else result.stderr


def found_in_files(home):
    """Return the personal texts in each file of the installation."""
    files = {it: it.read_bytes() for it in home.rglob("*") if it.is_file()}
    return {
        str(it.relative_to(home)): [word for word in PERSONAL if word.encode() in content]
        for it, content in files.items()
        if any(word.encode() in content for word in PERSONAL)
    }


KEPT_COLUMNS = {
    LedgerEntry: ("id", "kind", "amount", "balance_after", "reference", "posted_at"),
    Payment: ("id", "kind", "state", "amount", "currency", "created_at", "settled_at"),
    Attempt: ("id", "state", "amount", "processor_reference", "answered_at"),
    Receipt: ("id", "payment_id", "number", "issued_at"),
}


def money(world):
    """What accounting needs, by table."""
    world.session.rollback()
    return {
        record: world.session.execute(
            select(*(getattr(record, name) for name in names))
            .where(record.account_id == world.account_id)
            .order_by(record.id)
        ).all()
        for record, names in KEPT_COLUMNS.items()
    }


@on_sqlite
def test_no_file_names_the_person_afterwards(flask, lived, home):
    """V4: the database, its log, the sandbox's books and the proofs; the money stays as it was."""
    close(lived)
    before = money(lived)
    assert all(before.values())
    everywhere = found_in_files(home)
    assert {word for words in everywhere.values() for word in words} == set(PERSONAL)
    proofs = home / "proofs" / str(lived.account_id)
    assert list(proofs.iterdir())

    done = erase(flask, lived, "--keep-years", "0")
    assert done["people"] == 2  # the owner, and the user of the portal
    assert done["receipts_kept"] > 0
    lived.clock.wait(days=400)
    done = erase(flask, lived, "--keep-years", "0")
    assert (done["receipts_kept"], done["proofs_kept"], done["kept_until"]) == (0, 0, None)
    assert found_in_files(home) == {}
    assert list(proofs.iterdir()) == []
    assert money(lived) == before
    check = flask("ledger check")
    assert check.exit_code == 0, check.output


def test_receipts_keep_name_and_address_as_long_as_the_law_asks(flask, lived):
    close(lived)
    done = erase(flask, lived)
    assert done["receipts_kept"] > 0
    assert done["proofs_kept"] == 1
    assert done["kept_until"] == "2037-01-01T00:00:00Z"
    receipt = lived.session.scalars(select(Receipt)).first()
    assert receipt.facts["customer"]["name"] == "Zephyrine Quackenbush"
    assert receipt.facts["customer"]["address"].startswith("1 Fizzlewick Lane")
    lived.session.rollback()
    lived.clock.wait(days=366 * 11)
    assert erase(flask, lived)["receipts_kept"] == 0
    lived.session.rollback()
    receipts = lived.session.scalars(select(Receipt)).all()
    assert receipts
    assert all("customer" not in it.facts for it in receipts)


def test_the_records_of_an_erased_account_can_still_be_read(app, flask, lived, tmp_path):
    """Each rendering of an event gets along without what was erased."""
    lived.provider_webhook()
    key = lived.provider_key("accounts", "events").key
    close(lived)
    erase(flask, lived)
    exported = flask(f"accounts export {lived.account_id} {tmp_path / 'all.zip'}")
    assert exported.exit_code == 0, exported.output
    machine, headers = app.test_client(), {"Authorization": f"Bearer {key}"}
    listed = machine.get("/api/v1/events?limit=100", headers=headers)
    assert listed.status_code == 200, listed.text
    assert listed.json["events"]
    assert not any(word in listed.text for word in PERSONAL)
    shown = machine.get(f"/api/v1/accounts/{lived.account_id}", headers=headers)
    assert (shown.json["name"], shown.json["external_id"]) == ("Erased account", None)
    assert machine.get("/api/v1/accounts/external:zephyrine-42", headers=headers).status_code == 404
    assert flask(f"statement {lived.account_id}").exit_code == 0
    assert flask(f"activity {lived.account_id}").exit_code == 0


def test_a_repeated_request_of_the_provider_has_no_second_effect(flask, lived):
    close(lived)
    erase(flask, lived)
    assert begin_request(lived.ctx, None, "create-1", "hash") == StoredAnswer(201, "/", "{}")


def test_answers_about_other_accounts_stay_as_they_are(flask, lived):
    """Also if they contain the account's name, or are about a record with the same id."""
    account_id = lived.account_id
    lived.session.get_one(Account, account_id).name = "USD"
    lived.session.commit()
    stays = {
        "adjustment": {"id": account_id, "account": account_id + 1, "currency": "USD"},
        "endpoint": {"id": account_id, "url": "https://switch.example.com/in"},
        "account": {"id": account_id + 1, "external_id": None, "name": "USD"},
    }
    funds = {"external_id": "zephyrine-42", "currency": "USD"}
    others = {"external_id": "cust-7", "currency": "USD"}
    bodies = {
        **stays,
        "own": {"id": account_id, "external_id": None, "name": "Its name before"},
        "hold": {"account": account_id, "external_id": "zephyrine-42"},
        "usage": {"posted": 2, "balances": {str(account_id): funds, str(account_id + 1): others}},
    }
    for key, body in bodies.items():
        begin_request(lived.ctx, None, key, "hash")
        keep_answer(lived.ctx, None, key, "hash", StoredAnswer(201, "/", json.dumps(body)))
    begin_request(lived.ctx, None, "secret", "hash")
    keep_answer(lived.ctx, None, "secret", "hash", StoredAnswer(201, "/", ""))
    close(lived)
    erase(flask, lived)
    left = {it: json.loads(begin_request(lived.ctx, None, it, "hash").body) for it in bodies}
    no_id = {**funds, "external_id": None}
    both = {str(account_id): no_id, str(account_id + 1): others}
    usage = {"posted": 2, "balances": both}
    assert left == {**stays, "own": {}, "hold": {}, "usage": usage}


def test_events_of_no_account_lose_the_erased_address_and_no_other(flask, lived):
    """P2: an address is compared as a whole, also one that is not ASCII."""
    ours, theirs = ("vic@münchen.example", "a@bank.te"), "olga@bank.test"
    lived.session.get_one(Account, lived.account_id).billing_emails = [*ours]
    lived.session.commit()
    for text_ in (f"Email to {ours[0].upper()}", f"{theirs}, {ours[1]}", f"Email to {theirs}"):
        events.record(lived.ctx.by(COMMAND_LINE), None, PageViewed(text_))
    lived.session.commit()
    close(lived)
    erase(flask, lived)
    lived.session.rollback()
    kind = EventRow.kind == PageViewed.event_kind
    rows = lived.session.scalars(select(EventRow).where(kind).order_by(EventRow.id)).all()
    assert [row.facts.get("page") for row in rows] == [None, None, f"Email to {theirs}"]


def test_an_erased_account_is_given_no_personal_data_again_v4(app, flask, lived):
    """V4: also not by the provider's portal. A closed account can be changed until then."""
    machine, key = app.test_client(), lived.provider_key("accounts").key
    path = f"/api/v1/accounts/{lived.account_id}"

    def ask(method, to, body):
        headers = {"Authorization": f"Bearer {key}"}
        answer = machine.open(path + to, method=method, json=body, headers=headers)
        return answer.status_code, answer.json.get("code")

    entry = {"role": "billing", "return_url": "https://portal.example.com/"}
    owner = {"owner": {"email": "zephyrine@quackenbush.example"}}
    close(lived)
    assert ask("PATCH", "", {"name": "Wobblington Ltd"}) == (200, None)
    assert ask("POST", "/portal-sessions", entry) == (201, None)
    erase(flask, lived)
    refused = (403, "account_closed")
    for body in ({"name": "Wobblington"}, {"metadata": {"contact": "Zephyrine"}}, owner):
        assert ask("PATCH", "", body) == refused
    assert ask("POST", "/portal-sessions", entry) == refused
    assert ask("PATCH", "", {"state": "closed"}) == (200, None)
    changed = flask(f"accounts update {lived.account_id} --name Wobblington")
    assert (changed.exit_code, "erased" in changed.stderr) == (1, True)
    lived.session.rollback()
    assert lived.session.get_one(Account, lived.account_id).name == "Erased account"


def test_the_person_cannot_sign_in_any_more(app, flask, lived):
    close(lived)
    erase(flask, lived)
    form = {"email": "zephyrine@quackenbush.example", "password": PASSWORD}
    assert app.test_client().post("/sign-in", data=form).status_code == 422
    form["email"] = lived.session.get_one(User, lived.created.user_id).email
    assert app.test_client().post("/sign-in", data=form).status_code == 422


def test_a_person_of_another_account_keeps_their_sign_in(app, flask, lived):
    """P3"""
    other = lived.account(name="Other Ltd")
    statement = text("INSERT INTO membership (user_id, account_id, role) VALUES (:u, :a, 'admin')")
    lived.session.execute(statement, {"u": lived.created.user_id, "a": other.account_id})
    lived.session.commit()
    close(lived)
    assert erase(flask, lived)["people"] == 1  # the user of the portal
    form = {"email": "zephyrine@quackenbush.example", "password": PASSWORD}
    assert app.test_client().post("/sign-in", data=form).status_code == 303
    lived.session.rollback()
    user = lived.session.get_one(User, lived.created.user_id)
    assert [account.name for account in user.accounts] == ["Other Ltd"]


def test_staff_who_have_left_stay_named_p2(flask, lived):
    """P2: a former operator is not one of the account's people."""
    staff = create_operator(
        lived.ctx, name="Sam Staff", email="sam@provider.example", password=PASSWORD
    )
    actor = Actor(staff, "Sam Staff", "203.0.113.9")
    change = StateChange(AccountState.SUSPENDED, "Unpaid")
    change_state(lived.ctx.by(actor), lived.account_id, change)
    remove_operator(lived.ctx, "sam@provider.example")
    close(lived)
    assert erase(flask, lived)["people"] == 2  # the owner, and the user of the portal
    lived.session.rollback()
    assert lived.session.get_one(User, staff).email == "sam@provider.example"
    kind = EventRow.kind == AccountSuspended.event_kind
    [row] = lived.session.scalars(select(EventRow).where(kind))
    assert (row.user_id, row.actor_name, row.address) == (staff, "Sam Staff", "")


def test_what_ballast_did_by_itself_stays_named(flask, lived):
    """P2: "Ballast" is nobody's personal data."""
    by_itself = select(func.count()).where(
        EventRow.account_id == lived.account_id, EventRow.actor_name == SYSTEM.name
    )
    before = lived.session.scalar(by_itself)
    assert before > 0
    close(lived)
    erase(flask, lived)
    lived.session.rollback()
    assert lived.session.scalar(by_itself) >= before


def test_it_is_refused_unless_the_account_is_closed_and_nothing_is_open(flask, lived):
    assert "not closed" in erase(flask, lived, code=1)
    change = StateChange(AccountState.CLOSED, "Contract ended", ClosingBalance.PAYOUT)
    change_state(lived.ctx, lived.account_id, change)
    assert "not revoked" in erase(flask, lived, code=1)
    lived.run()
    lived.session.rollback()
    asked = flask(f"accounts erase {lived.account_id}", input="n\n")
    assert asked.exit_code == 1
    assert "Wobblington Telephony" in asked.stderr
    assert lived.session.get_one(Account, lived.account_id).name == "Wobblington Telephony"
    assert flask("accounts erase 999 --yes").stderr.count("\n") == 1


def test_money_that_comes_after_an_erasure_is_settled_and_the_rest_erased_v4_l7(flask, lived):
    """V4, L7: a refund is booked on a closed account too."""
    close(lived)
    erase(flask, lived)
    charge = next(it for it in lived.attempts if it.state == AttemptState.PAID)
    lived.books.reversals.refund(charge.key, 5_000_000, lived.clock.now())
    lived.deliver()
    lived.run()
    lived.session.rollback()
    assert lived.balance == "-5.00"
    lived.session.rollback()
    lived.clock.wait(days=366 * 11)
    assert erase(flask, lived)["receipts_kept"] == 0
    settle = f"accounts close {lived.account_id} --reason Settled"
    assert flask(settle).exit_code == 0
    assert flask(f"{settle} --balance payout").exit_code == 1
    lived.session.rollback()
    assert lived.balance == "-5.00"
    for _ in range(2):
        assert flask(f"{settle} --balance write_off").exit_code == 0
        lived.session.rollback()
        assert lived.balance == "0.00"
    last = select(LedgerEntry.description).order_by(LedgerEntry.id.desc()).limit(1)
    assert lived.session.scalar(last) == "Balance written off on closing: Settled"


def test_it_is_audited_and_the_account_stays_closed(flask, lived):
    """P2"""
    close(lived)
    erase(flask, lived)
    erase(flask, lived)
    lived.session.rollback()
    rows = lived.session.scalars(select(EventRow).where(EventRow.audit == "account_erased")).all()
    assert [row.actor_name for row in rows] == ["Command line"] * 2
    assert rows[0].facts["people"] == 2
    reopened = flask(f"accounts reopen {lived.account_id} --reason Mistake")
    assert reopened.exit_code == 1
    assert "erased" in reopened.stderr


LONGER = (
    """UPDATE event SET facts = '{"reason": "longer than the facts of this event were before"}' """
    "WHERE kind = 'account_erased'"
)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET description = '' WHERE account_id = {}",
        "UPDATE event SET facts = '{{}}', actor_name = '' WHERE account_id = {}",
    ],
)
def test_only_an_open_erasure_may_redact(flask, lived, statement):
    """L2, P2: also afterwards; and even within one, amounts and dates stay."""
    close(lived)
    erase(flask, lived)
    with pytest.raises(DBAPIError, match="append-only"):
        lived.session.execute(text(statement.format(lived.account_id)))
    lived.session.rollback()
    open_one = text("INSERT INTO erasure (account_id, begun_at) VALUES (:a, :now)")
    for change in (
        "UPDATE ledger_entry SET amount = amount + 1, description = ''",
        "UPDATE ledger_entry SET description = 'Another story'",
        "UPDATE event SET kind = 'nothing'",
        LONGER,
        "DELETE FROM event",
        "DELETE FROM ledger_entry",
    ):
        lived.session.execute(open_one, {"a": lived.account_id, "now": lived.clock.now()})
        with pytest.raises(DBAPIError, match="append-only"):
            lived.session.connection().exec_driver_sql(change)
        lived.session.rollback()
