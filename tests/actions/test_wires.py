"""What happens to wire requests: amounts, states, once and at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests import wires
from tests.factories import micros
from webapp.actions.wires.complete_wire import complete_wire
from webapp.actions.wires.delete_old_proofs import delete_old_proofs
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments.payment import (
    Attempt,
    Payment,
    PaymentKind,
)
from webapp.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from webapp.domain.wires import proofs
from webapp.domain.wires.wire import OPEN_AT_ONCE, PROOF_BYTES, PROOFS, WireRequest
from webapp.extensions import db


def fault(call):
    with pytest.raises(Invalid) as refused:
        call()
    return refused.value.fields


def times_credited(world):
    world.session.rollback()
    query = (
        select(func.count())
        .select_from(LedgerEntry)
        .join(Attempt, Attempt.id == LedgerEntry.attempt_id)
        .join(Payment, Payment.id == Attempt.payment_id)
        .where(Payment.kind == PaymentKind.WIRE)
    )
    return world.session.scalar(query)


# Asking


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("29.99", "USD", {"amount": "At least $30.00"}),
        ("29.99", "EUR", {"amount": "At least €30.00"}),
        ("10000.01", "USD", {"amount": "At most $10,000.00"}),
        ("100.00", "GBP", {"currency": "Choose USD or EUR"}),
        ("100.00", "", {"currency": "Choose USD or EUR"}),
        ("100.001", "USD", {"amount": "At most 2 decimals"}),
    ],
)
def test_an_amount_that_cannot_be_asked_for(world, amount, currency, told):
    """L4, L5"""
    assert fault(lambda: wires.ask(world, amount, currency)) == told
    assert world.mails == []


@pytest.mark.parametrize("amount", ["30.00", "10000.00"])
def test_the_bounds_themselves_are_allowed(world, amount):
    assert wires.ask(world, amount).amount == micros(amount)


def test_a_form_that_is_sent_twice_asks_once(world):
    first = wires.ask(world, key="a" * 32)
    assert wires.ask(world, key="a" * 32).id == first.id
    with pytest.raises(Conflict, match="has been used for another request"):
        wires.ask(world, "500.00", key="a" * 32)
    assert world.mails == ["wire_requested"]


def test_every_request_has_its_own_reference(world):
    references = {wires.ask(world).reference for _ in range(OPEN_AT_ONCE)}
    assert len(references) == OPEN_AT_ONCE


def test_open_requests_are_not_without_number(world):
    asked = [wires.ask(world) for _ in range(OPEN_AT_ONCE)]
    with pytest.raises(Conflict, match="Cancel one"):
        wires.ask(world)
    wires.cancel(world, asked[0])
    assert wires.ask(world).state == "new"


# Proof


@pytest.mark.parametrize(
    ("content", "kind"), [(wires.PDF, "pdf"), (wires.PNG, "png"), (wires.JPEG, "jpeg")]
)
def test_what_a_proof_is_its_content_says(world, content, kind):
    wire = wires.prove(world, wires.ask(world), content, name="whatever.txt")
    (proof,) = wires.again(world, wire).proofs
    assert (proof.kind, proof.name, proof.size) == (kind, "whatever.txt", len(content))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty"),
        (wires.HTML, "Must be a PDF, PNG or JPEG file"),
        (b" " + wires.PDF, "Must be a PDF, PNG or JPEG file"),
        (wires.PNG[:12], "Must be a PDF, PNG or JPEG file"),
        (b"GIF89a", "Must be a PDF, PNG or JPEG file"),
        (wires.PDF + b"x" * (proofs.LARGEST - len(wires.PDF) + 1), "At most 10 MB"),
    ],
)
def test_a_file_that_is_no_proof_is_kept_nowhere(world, content, told):
    wire = wires.ask(world)
    assert fault(lambda: wires.prove(world, wire, content)) == {"proof": told}
    assert wires.again(world, wire).state == "new"
    assert wires.proof_files(world) == []


def test_exactly_10_mb_is_taken(world):
    content = wires.PDF + b"x" * (proofs.LARGEST - len(wires.PDF))
    wires.prove(world, wires.ask(world), content)
    assert [path.stat().st_size for path in wires.proof_files(world)] == [10 * 1024 * 1024]


def test_the_same_file_twice_is_one_proof(world):
    wire = wires.ask(world)
    wires.prove(world, wire)
    wires.prove(world, wire, name="other-name.pdf")
    assert len(wires.again(world, wire).proofs) == 1
    assert len(wires.proof_files(world)) == 1
    assert world.mails.count("wire_proof") == 1


def test_further_files_join_it_up_to_a_number(world):
    wire = wires.ask(world)
    for number in range(PROOFS):
        wires.prove(world, wire, wires.PDF + bytes([number]))
    with pytest.raises(Conflict, match=f"takes {PROOFS} files"):
        wires.prove(world, wire, wires.PNG)
    assert len(wires.proof_files(world)) == PROOFS
    assert world.mails.count("wire_proof") == 1


@pytest.mark.parametrize("end", [wires.complete, wires.reject, wires.cancel])
def test_nothing_is_uploaded_to_a_request_that_has_ended(world, end):
    wire = wires.ask(world)
    end(world, wire)
    with pytest.raises(Conflict, match="already"):
        wires.prove(world, wire)
    assert wires.proof_files(world) == []


# Completing


def test_completing_twice_credits_once(world):
    """L5"""
    wire = wires.ask(world)
    assert [wires.complete(world, wire), wires.complete(world, wire)] == [True, False]
    assert (world.balance, times_credited(world)) == ("1100.00", 1)
    assert world.mails.count("wire_completed") == 1


def test_completing_again_with_another_amount_is_refused(world):
    wire = wires.ask(world)
    wires.complete(world, wire)
    with pytest.raises(Conflict, match=r"completed already, with \$1,000.00"):
        wires.complete(world, wire, "900.00")
    assert (world.balance, times_credited(world)) == ("1100.00", 1)


@pytest.mark.parametrize("amounts", [("1000.00", "1000.00"), ("1000.00", "900.00")])
def test_two_operators_at_once_credit_once(world, app, amounts):
    """L5: whoever is first; the other changes nothing."""
    wire_id, now, policy = wires.ask(world).id, world.clock.now(), world.policy
    world.session.rollback()
    engine = db.engine

    def press(amount):
        with Session(engine) as session:
            try:
                arguments = (session, wire_id, micros(amount), wires.OPERATOR, now, policy)
                return complete_wire(*arguments)
            except Refusal:
                return False

    with ThreadPoolExecutor(2) as operators:
        assert sorted(operators.map(press, amounts)) == [False, True]
    assert times_credited(world) == 1
    assert world.balance in ("1100.00", "1000.00")


def test_completed_and_cancelled_at_once_is_one_of_them(world, app):
    wire_id, now, policy = wires.ask(world).id, world.clock.now(), world.policy
    account_id, owner = world.account_id, world.owner
    world.session.rollback()
    engine = db.engine

    def complete():
        with Session(engine) as session:
            complete_wire(session, wire_id, micros("1000.00"), wires.OPERATOR, now, policy)

    def cancel():
        with Session(engine) as session:
            wires.cancel_wire(session, account_id, wire_id, owner, now)

    with ThreadPoolExecutor(2) as people:
        ended = [people.submit(complete), people.submit(cancel)]
        refused = [future.exception() for future in ended if future.exception()]
    assert len(refused) == 1
    assert isinstance(refused[0], Conflict)
    state = world.session.get_one(WireRequest, wire_id).state
    assert (world.balance, times_credited(world)) == (
        ("1100.00", 1) if state == "completed" else ("100.00", 0)
    )


@pytest.mark.parametrize("end", [wires.cancel, wires.reject])
def test_one_that_has_ended_is_not_completed(world, end):
    wire = wires.ask(world)
    end(world, wire)
    with pytest.raises(Conflict, match="already"):
        wires.complete(world, wire)
    assert (world.balance, times_credited(world)) == ("100.00", 0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"amount": "975.78"}, "received"),
        ({"amount": "975.78", "received": "900.00"}, "rate"),
        ({"amount": "975.78", "rate": "1.0842"}, "received"),
        ({"amount": "975.80", "received": "900.00", "rate": "1.0842"}, "amount"),
        ({"amount": "900.00", "received": "975.78", "rate": "1.0842"}, "amount"),
        ({"amount": "975.781", "received": "900.00", "rate": "1.0842"}, "amount"),
    ],
)
def test_another_currency_needs_amounts_and_a_rate_that_agree(world, given, told):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    assert list(fault(lambda: wires.complete(world, wire, **given))) == [told]
    assert (wires.again(world, wire).state, world.balance) == ("new", "100.00")


@pytest.mark.parametrize("amount", ["975.77", "975.78", "975.79"])
def test_banks_round_so_a_cent_is_allowed(world, amount):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    assert wires.complete(world, wire, amount, received="900.00", rate="1.0842")


@pytest.mark.parametrize(
    ("given", "told"), [({"received": "999.00"}, "received"), ({"rate": "1.0"}, "rate")]
)
def test_the_accounts_own_currency_is_not_converted(world, given, told):
    wire = wires.ask(world)
    assert list(fault(lambda: wires.complete(world, wire, **given))) == [told]


def test_an_account_in_euros_gets_its_dollars_converted(world):
    """L11"""
    account = Account.locked(world.session, world.account(balance=None).account_id)
    account.currency, world.account_id = "EUR", account.id
    world.session.commit()
    wire = wires.ask(world, "100.00", "USD")
    wires.complete(world, wire, "92.23", received="100.00", rate="0.9223")
    assert world.balance == "92.23"


def test_the_same_rate_written_otherwise_is_the_same(world):
    wire = wires.ask(world, "100.00", "EUR")
    wires.complete(world, wire, "110.00", received="100.00", rate="1.10")
    assert not wires.complete(world, wire, "110.00", received="100.00", rate="1.1000")


def test_the_database_itself_books_a_request_once(world):
    """L2, L5: even if the state had been written over."""
    wire = wires.ask(world)
    wires.complete(world, wire)
    wire = wires.again(world, wire)
    world.session.connection().execute(
        WireRequest.__table__.update().values(state="new", payment_id=None)
    )
    world.session.commit()
    with pytest.raises(IntegrityError):
        wires.complete(world, wire)
    assert world.balance == "1100.00"


# Rejecting and cancelling


def test_rejecting_twice_says_it_once(world):
    wire = wires.ask(world)
    assert [wires.reject(world, wire), wires.reject(world, wire, "Other")] == [True, False]
    assert wires.again(world, wire).reason == "Called back by your bank"
    assert world.mails.count("wire_rejected") == 1


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 301, "a\x00b"])
def test_a_rejection_needs_a_reason(world, reason):
    assert list(fault(lambda: wires.reject(world, wires.ask(world), reason))) == ["reason"]


def test_cancelling_twice_says_it_once(world):
    wire = wires.ask(world)
    wires.cancel(world, wire)
    assert wires.cancel(world, wire).state == "cancelled"
    assert world.mails.count("wire_cancelled") == 1


@pytest.mark.parametrize(("first", "then"), [("complete", "cancel"), ("complete", "reject")])
def test_what_is_completed_stays_so(world, first, then):
    wire = wires.ask(world)
    getattr(wires, first)(world, wire)
    with pytest.raises(Conflict):
        getattr(wires, then)(world, wire)
    assert wires.again(world, wire).state == "completed"


def test_strangers_find_nothing(world):
    """P1"""
    wire = wires.ask(world)
    world.account_id = world.account().account_id
    for act in (wires.prove, wires.cancel):
        with pytest.raises(NotFound):
            act(world, wire)
    assert wires.proof_files(world) == []


@pytest.mark.parametrize("act", [wires.complete, wires.reject])
def test_one_that_never_was(world, act):
    with pytest.raises(NotFound):
        act(world, WireRequest(id=999))


def test_proofs_have_a_quota_for_an_account_f13(world, monkeypatch):
    """F13: cancelling and asking again makes no room; a completed request counts no more."""
    size = len(wires.PDF)
    monkeypatch.setattr("webapp.actions.wires.add_proof.PROOF_BYTES", 3 * size)
    first = wires.prove(world, wires.ask(world))
    for _ in range(2):
        wires.cancel(world, wires.prove(world, wires.ask(world)))
    last = wires.ask(world)
    with pytest.raises(Conflict, match="no room for another file"):
        wires.prove(world, last)
    assert len(wires.proof_files(world)) == 3
    wires.complete(world, first)
    wires.prove(world, last)


def test_the_quota_fits_all_that_may_be_open_at_once_in_part_f13():
    """F13: at least one full request, and far from all that could be sent."""
    assert PROOFS * proofs.LARGEST <= PROOF_BYTES < OPEN_AT_ONCE * PROOFS * proofs.LARGEST


def forgotten(world):
    return delete_old_proofs(world.session, world.services.proofs, world.clock.now())


def test_proofs_of_cancelled_requests_are_removed_f13(world):
    """F13, L5: after 14 days; those of every other request stay."""
    kept = wires.prove(world, wires.ask(world))
    rejected = wires.prove(world, wires.ask(world))
    wires.reject(world, rejected)
    wires.cancel(world, wires.prove(world, wires.ask(world)))
    world.clock.advance(days=14, seconds=-1)
    assert forgotten(world) == 0
    world.clock.advance(seconds=1)
    assert forgotten(world) == 1
    assert forgotten(world) == 0
    assert len(wires.proof_files(world)) == 2
    assert len(wires.again(world, kept).proofs) == len(wires.again(world, rejected).proofs) == 1
    assert wires.audited(world).count("wire_proof_added") == 3


def test_removing_proofs_is_carried_on_after_a_crash_f13(world):
    """F13: the file had gone, and the commit had not come."""
    wires.cancel(world, wires.prove(world, wires.ask(world)))
    wires.proof_files(world)[0].unlink()
    world.clock.advance(days=14)
    assert forgotten(world) == 1
