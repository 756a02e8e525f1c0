"""Wire requests: amounts, states, idempotency and concurrency."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tests import wires
from tests.factories import context, micros
from webapp.actions.wires.complete_wire import complete_wire
from webapp.actions.wires.delete_old_proofs import delete_old_proofs
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments.payment import Attempt, Payment, PaymentKind
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


# Requesting


@pytest.mark.parametrize(
    ("amount", "currency", "fields"),
    [
        ("29.99", "USD", {"amount": "At least $30.00"}),
        ("29.99", "EUR", {"amount": "At least €30.00"}),
        ("10000.01", "USD", {"amount": "At most $10,000.00"}),
        ("100.00", "GBP", {"currency": "Choose USD or EUR"}),
        ("100.00", "", {"currency": "Choose USD or EUR"}),
        ("100.001", "USD", {"amount": "At most 2 decimals"}),
    ],
)
def test_an_invalid_amount_or_currency_is_rejected(world, amount, currency, fields):
    """L4, L5"""
    assert fault(lambda: wires.ask(world, amount, currency)) == fields
    assert world.mails == []


@pytest.mark.parametrize("amount", ["30.00", "10000.00"])
def test_the_minimum_and_maximum_are_allowed(world, amount):
    assert wires.ask(world, amount).amount == micros(amount)


def test_submitting_a_form_twice_creates_one_request(world):
    first = wires.ask(world, key="a" * 32)
    assert wires.ask(world, key="a" * 32).id == first.id
    with pytest.raises(Conflict, match="has been used for another request"):
        wires.ask(world, "500.00", key="a" * 32)
    assert world.mails == ["wire_requested"]


def test_every_request_has_a_unique_reference(world):
    references = {wires.ask(world).reference for _ in range(OPEN_AT_ONCE)}
    assert len(references) == OPEN_AT_ONCE


def test_the_number_of_open_requests_is_limited(world):
    asked = [wires.ask(world) for _ in range(OPEN_AT_ONCE)]
    with pytest.raises(Conflict, match="Cancel one"):
        wires.ask(world)
    wires.cancel(world, asked[0])
    assert wires.ask(world).state == "new"


# Proof


@pytest.mark.parametrize(
    ("content", "kind"), [(wires.PDF, "pdf"), (wires.PNG, "png"), (wires.JPEG, "jpeg")]
)
def test_the_kind_of_a_proof_comes_from_its_content(world, content, kind):
    wire = wires.prove(world, wires.ask(world), content, name="whatever.txt")
    (proof,) = wires.again(world, wire).proofs
    assert (proof.kind, proof.name, proof.size) == (kind, "whatever.txt", len(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "The file is empty"),
        (wires.HTML, "Must be a PDF, PNG or JPEG file"),
        (b" " + wires.PDF, "Must be a PDF, PNG or JPEG file"),
        (wires.PNG[:12], "Must be a PDF, PNG or JPEG file"),
        (b"GIF89a", "Must be a PDF, PNG or JPEG file"),
        (wires.PDF + b"x" * (proofs.LARGEST - len(wires.PDF) + 1), "At most 10 MB"),
    ],
)
def test_an_invalid_proof_is_rejected_and_not_stored(world, content, message):
    wire = wires.ask(world)
    assert fault(lambda: wires.prove(world, wire, content)) == {"proof": message}
    assert wires.again(world, wire).state == "new"
    assert wires.proof_files(world) == []


def test_a_proof_of_exactly_10_mb_is_accepted(world):
    content = wires.PDF + b"x" * (proofs.LARGEST - len(wires.PDF))
    wires.prove(world, wires.ask(world), content)
    assert [path.stat().st_size for path in wires.proof_files(world)] == [10 * 1024 * 1024]


def test_the_same_proof_twice_is_stored_once(world):
    wire = wires.ask(world)
    wires.prove(world, wire)
    wires.prove(world, wire, name="other-name.pdf")
    assert len(wires.again(world, wire).proofs) == 1
    assert len(wires.proof_files(world)) == 1
    assert world.mails.count("wire_proof") == 1


def test_further_proofs_are_accepted_up_to_the_limit(world):
    wire = wires.ask(world)
    for number in range(PROOFS):
        wires.prove(world, wire, wires.PDF + bytes([number]))
    with pytest.raises(Conflict, match=f"at most {PROOFS} files"):
        wires.prove(world, wire, wires.PNG)
    assert len(wires.proof_files(world)) == PROOFS
    assert world.mails.count("wire_proof") == 1


@pytest.mark.parametrize("end", [wires.complete, wires.reject, wires.cancel])
def test_no_proof_is_accepted_for_an_ended_request(world, end):
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
    with pytest.raises(Conflict, match=r"already been completed with \$1,000.00"):
        wires.complete(world, wire, "900.00")
    assert (world.balance, times_credited(world)) == ("1100.00", 1)


@pytest.mark.parametrize("amounts", [("1000.00", "1000.00"), ("1000.00", "900.00")])
def test_two_operators_at_once_credit_once(world, app, amounts):
    """L5: the second one changes nothing."""
    wire_id, now, policy = wires.ask(world).id, world.clock.now(), world.policy
    world.session.rollback()
    engine = db.engine

    def press(amount):
        with Session(engine) as session:
            try:
                return complete_wire(
                    context(session, actor=wires.OPERATOR, now=now, policy=policy),
                    wire_id,
                    micros(amount),
                )
            except Refusal:
                return False

    with ThreadPoolExecutor(2) as operators:
        assert sorted(operators.map(press, amounts)) == [False, True]
    assert times_credited(world) == 1
    assert world.balance in ("1100.00", "1000.00")


def test_completing_and_cancelling_at_once_has_one_outcome(world, app):
    wire_id, now, policy = wires.ask(world).id, world.clock.now(), world.policy
    account_id, owner = world.account_id, world.owner
    world.session.rollback()
    engine = db.engine

    def complete():
        with Session(engine) as session:
            complete_wire(
                context(session, actor=wires.OPERATOR, now=now, policy=policy),
                wire_id,
                micros("1000.00"),
            )

    def cancel():
        with Session(engine) as session:
            wires.cancel_wire(context(session, now, actor=owner), account_id, wire_id)

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
def test_an_ended_request_cannot_be_completed(world, end):
    wire = wires.ask(world)
    end(world, wire)
    with pytest.raises(Conflict, match="already"):
        wires.complete(world, wire)
    assert (world.balance, times_credited(world)) == ("100.00", 0)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"amount": "975.78"}, "received"),
        ({"amount": "975.78", "received": "900.00"}, "rate"),
        ({"amount": "975.78", "rate": "1.0842"}, "received"),
        ({"amount": "975.80", "received": "900.00", "rate": "1.0842"}, "amount"),
        ({"amount": "900.00", "received": "975.78", "rate": "1.0842"}, "amount"),
        ({"amount": "975.781", "received": "900.00", "rate": "1.0842"}, "amount"),
    ],
)
def test_another_currency_needs_amounts_and_a_rate_that_agree(world, given, field):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    assert list(fault(lambda: wires.complete(world, wire, **given))) == [field]
    assert (wires.again(world, wire).state, world.balance) == ("new", "100.00")


@pytest.mark.parametrize("amount", ["975.77", "975.78", "975.79"])
def test_a_rounding_difference_of_one_cent_is_allowed(world, amount):
    """L11"""
    wire = wires.ask(world, "900.00", "EUR")
    assert wires.complete(world, wire, amount, received="900.00", rate="1.0842")


@pytest.mark.parametrize(
    ("given", "field"), [({"received": "999.00"}, "received"), ({"rate": "1.0"}, "rate")]
)
def test_no_conversion_in_the_accounts_own_currency(world, given, field):
    wire = wires.ask(world)
    assert list(fault(lambda: wires.complete(world, wire, **given))) == [field]


def test_dollars_are_converted_for_an_account_in_euros(world):
    """L11"""
    account = Account.locked(world.session, world.account(balance=None).account_id)
    account.currency, world.account_id = "EUR", account.id
    world.session.commit()
    wire = wires.ask(world, "100.00", "USD")
    wires.complete(world, wire, "92.23", received="100.00", rate="0.9223")
    assert world.balance == "92.23"


def test_trailing_zeros_do_not_change_the_rate(world):
    wire = wires.ask(world, "100.00", "EUR")
    wires.complete(world, wire, "110.00", received="100.00", rate="1.10")
    assert not wires.complete(world, wire, "110.00", received="100.00", rate="1.1000")


def test_the_database_credits_a_request_once(world):
    """L2, L5: even if its state has been overwritten."""
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


def test_rejecting_twice_sends_one_email(world):
    wire = wires.ask(world)
    assert [wires.reject(world, wire), wires.reject(world, wire, "Other")] == [True, False]
    assert wires.again(world, wire).reason == "Called back by your bank"
    assert world.mails.count("wire_rejected") == 1


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 301, "a\x00b"])
def test_a_rejection_needs_a_reason(world, reason):
    assert list(fault(lambda: wires.reject(world, wires.ask(world), reason))) == ["reason"]


def test_cancelling_twice_sends_one_email(world):
    wire = wires.ask(world)
    wires.cancel(world, wire)
    assert wires.cancel(world, wire).state == "cancelled"
    assert world.mails.count("wire_cancelled") == 1


@pytest.mark.parametrize(("first", "then"), [("complete", "cancel"), ("complete", "reject")])
def test_a_completed_request_stays_completed(world, first, then):
    wire = wires.ask(world)
    getattr(wires, first)(world, wire)
    with pytest.raises(Conflict):
        getattr(wires, then)(world, wire)
    assert wires.again(world, wire).state == "completed"


def test_another_accounts_request_is_not_found(world):
    """P1"""
    wire = wires.ask(world)
    world.account_id = world.account().account_id
    for act in (wires.prove, wires.cancel):
        with pytest.raises(NotFound):
            act(world, wire)
    assert wires.proof_files(world) == []


@pytest.mark.parametrize("act", [wires.complete, wires.reject])
def test_a_nonexistent_request_is_not_found(world, act):
    with pytest.raises(NotFound):
        act(world, WireRequest(id=999))


def test_proofs_have_a_quota_per_account(world, monkeypatch):
    """Proofs of cancelled requests count, those of completed requests do not."""
    size = len(wires.PDF)
    monkeypatch.setattr("webapp.actions.wires.add_proof.PROOF_BYTES", 3 * size)
    first = wires.prove(world, wires.ask(world))
    for _ in range(2):
        wires.cancel(world, wires.prove(world, wires.ask(world)))
    last = wires.ask(world)
    with pytest.raises(Conflict, match="reached the storage limit"):
        wires.prove(world, last)
    assert len(wires.proof_files(world)) == 3
    wires.complete(world, first)
    wires.prove(world, last)


def test_the_quota_fits_one_full_request_but_not_all():
    """It is far below the total of all requests that may be open."""
    assert PROOFS * proofs.LARGEST <= PROOF_BYTES < OPEN_AT_ONCE * PROOFS * proofs.LARGEST


def delete_proofs(world):
    return delete_old_proofs(world.ctx, world.services.proofs)


def test_proofs_of_cancelled_requests_are_removed(world):
    """L5: after 14 days; proofs of other requests are kept."""
    kept = wires.prove(world, wires.ask(world))
    rejected = wires.prove(world, wires.ask(world))
    wires.reject(world, rejected)
    wires.cancel(world, wires.prove(world, wires.ask(world)))
    world.clock.advance(days=14, seconds=-1)
    assert delete_proofs(world) == 0
    world.clock.advance(seconds=1)
    assert delete_proofs(world) == 1
    assert delete_proofs(world) == 0
    assert len(wires.proof_files(world)) == 2
    assert len(wires.again(world, kept).proofs) == len(wires.again(world, rejected).proofs) == 1
    assert wires.audited(world).count("wire_proof_added") == 3


def test_removing_proofs_resumes_after_a_crash(world):
    """The file was deleted before the commit."""
    wires.cancel(world, wires.prove(world, wires.ask(world)))
    wires.proof_files(world)[0].unlink()
    world.clock.advance(days=14)
    assert delete_proofs(world) == 1
