"""What settling writes, to the last column: the attempt, its records, the ledger, events (L3)."""

from datetime import timedelta
from secrets import token_hex

import pytest
from sqlalchemy import select

from tests.factories import micros
from webapp.actions.payments.payment_requests import new_payment
from webapp.actions.payments.settle import settle
from webapp.actions.top_ups.top_up import start_attempt
from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.rows import ABOUT, EventRow
from webapp.domain.ledger import LedgerEntry
from webapp.domain.payments import unmatched_events
from webapp.domain.payments.payment import Attempt, AttemptState, PaymentKind
from webapp.domain.payments.receipts import Receipt
from webapp.domain.top_ups.charge_now import ChargeUnconfirmed
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.top_ups.top_up import TopUp, open_top_up
from webapp.ports import (
    Cancelled,
    DeclineClass,
    Declined,
    MethodGone,
    NeedsCustomer,
    Paid,
    RequestRejected,
    Unknown,
)

SOON = timedelta(seconds=3)
"""From an attempt's start to the processor's answer; `NOW` is two seconds later."""
NOW = timedelta(seconds=5)

FUNDS = "insufficient_funds"
FAILED = {"failed_at": SOON, "failure_code": FUNDS, "suspended_until": SOON + timedelta(hours=48)}
"""Changes of a method by a decline."""
CLOSED = {"trouble": None, "needs_operator": False, "next_check_at": None, "answered_at": NOW}
"""Changes of an attempt by a conclusive answer."""


class Settling:
    """An attempt that has troubles behind it, and what an answer changes."""

    def __init__(self, world, attempt):
        self.world, self.id = world, attempt.id
        attempt.trouble, attempt.needs_operator = "Timeout", True
        self.started_at, self.amount = attempt.started_at, attempt.amount
        self.reference, self.payment_id = attempt.method_reference, attempt.payment_id
        world.session.commit()
        world.clock.advance(seconds=NOW.seconds)

    def at(self, span=SOON):
        return self.started_at + span

    def paid(self, span=SOON, **other):
        facts = {"reference": "ch_1", "amount": self.amount, "currency": "USD", "at": self.at(span)}
        return Paid(**facts | other)

    def declined(self, code=FUNDS, kind=DeclineClass.CUSTOMER, span=SOON, **more):
        return Declined(code, kind, self.at(span), **more)

    def take(self, answer, **more):
        """Settle, and return the changes by record; instants are relative to the start."""
        session = self.world.session
        session.rollback()
        self.last_event = session.scalars(select(EventRow.id).order_by(EventRow.id.desc())).first()
        before = self._columns()
        assert settle(self.world.ctx, self.id, answer, **more)
        session.rollback()
        changes = {}
        for name, columns in self._columns().items():
            new = {
                key: value - self.started_at if hasattr(value, "tzinfo") else value
                for key, value in columns.items()
                if value != before[name][key]
            }
            if new:
                changes[name] = new
        return changes

    def attempt_is(self, **values):
        """Change what the attempt has behind it."""
        self._set(self.attempt, values)

    def method_is(self, **values):
        self._set(self.attempt.method, values)

    def _set(self, record, values):
        for name, value in values.items():
            setattr(record, name, value)
        self.world.session.commit()

    @property
    def attempt(self):
        return self.world.session.get_one(Attempt, self.id, populate_existing=True)

    @property
    def events(self):
        """The events since: the kind, what it is about, and its line on the timeline."""
        session, account = self.world.session, self.world.account_id
        rows = session.scalars(
            select(EventRow).where(EventRow.id > self.last_event).order_by(EventRow.id)
        )
        found = []
        for row in rows:
            assert (row.account_id, row.at) == (account, self.at(NOW))
            about = {name.removesuffix("_id") for name in ABOUT if getattr(row, name) is not None}
            assert row.attempt_id in (None, self.id)
            assert row.payment_id in (None, self.payment_id)
            line = kinds.line(row, session.get_one(Account, account)) if row.timeline else ""
            found.append((row.kind, about, line))
        return found

    def _columns(self):
        attempt = self.attempt
        payment = attempt.payment
        top_up = payment.top_up_id and self.world.session.get_one(TopUp, payment.top_up_id)
        records = {"attempt": attempt, "payment": payment, "method": attempt.method}
        return {
            name: {it.key: getattr(record, it.key) for it in record.__table__.columns}
            for name, record in (records | {"top_up": top_up}).items()
            if record
        }


@pytest.fixture
def refill(covered):
    """An automatic refill of 100.00 with Visa that was written and is not answered."""
    covered.use("60.00")
    top_up = open_top_up(covered.session, covered.account_id)
    start_attempt(covered.ctx, top_up.id)
    return Settling(covered, covered.attempts[0])


def begin(world, kind=PaymentKind.INSTANT, last4="4242", amount="30.00"):
    """Write a payment by a person, whose attempt is not answered."""
    method = world.method(last4)
    account = Account.locked(world.session, world.account_id)
    payment = new_payment(world.ctx, account, kind, micros(amount), token_hex(16))
    attempt = Attempt.start(payment, method, world.clock.now())
    world.session.add(attempt)
    world.session.flush()
    return Settling(world, attempt)


def credit(settling):
    """The ledger's entry of the attempt."""
    session = settling.world.session
    entry = session.scalar(select(LedgerEntry).where(LedgerEntry.attempt_id == settling.id))
    assert entry.posted_at == settling.at(NOW)
    return entry.kind, entry.amount, entry.description, entry.occurred_at - settling.started_at


def test_a_paid_refill(refill):
    """L3, L6, T11: it is credited and receipted; the chain and the alarm end."""
    world = refill.world
    LowBalanceSettings.of(world.session, world.account_id).all_failed_mailed = True
    world.session.commit()
    assert refill.take(refill.paid()) == {
        "attempt": {**CLOSED, "state": "paid", "processor_reference": "ch_1"},
        "payment": {"state": "paid", "settled_at": NOW},
        "method": {"restored_at": timedelta()},
        "top_up": {"state": "paid", "closed_at": NOW},
    }
    assert refill.events == [
        (
            "payment_paid",
            {"attempt", "payment", "top_up"},
            "$100.00 paid with Visa •••• 4242. The balance is $140.00.",
        ),
        ("refill_succeeded", {"top_up"}, ""),
        ("balance_recovered", set(), ""),
    ]
    succeeded = world.events(EventRow.webhook)[-2]
    assert succeeded.facts == {"amount": 100_000_000, "balance": 140_000_000, "currency": "USD"}
    assert credit(refill) == ("payment", 100_000_000, "Automatic refill, Visa •••• 4242", SOON)
    assert world.balance == "140.00"
    assert not LowBalanceSettings.of(world.session, world.account_id).all_failed_mailed
    (receipt,) = world.session.scalars(select(Receipt))
    assert (receipt.payment_id, receipt.facts["method"]) == (refill.payment_id, "Visa •••• 4242")
    assert receipt.facts["provider"]["name"] == world.policy.provider.name
    assert world.notices[-1].facts["receipt"] == receipt.label


@pytest.mark.parametrize(("said", "booked"), [(-SOON, timedelta()), (SOON, SOON), (2 * NOW, NOW)])
def test_the_time_of_a_payment_is_between_its_start_and_now(refill, said, booked):
    """L3: the processor's clock may be wrong."""
    refill.take(refill.paid(said))
    assert credit(refill)[-1] == booked


def test_a_payment_ends_the_links_of_earlier_ones(refill):
    """F10: the first method's decline has sent a link; the second one pays."""
    world, link = refill.world, refill.id
    refill.take(NeedsCustomer("pi_1", refill.at()))
    assert start_attempt(world.ctx, refill.attempt.payment.top_up_id)
    second = Settling(world, world.attempts[-1])
    second.take(second.paid())
    assert world.session.get_one(Attempt, link).link_ended_at == world.clock.now()


@pytest.mark.parametrize("on", [True, False])
def test_a_payment_brings_a_suspended_method_back(covered, on):
    """F5, F1: what is not charged automatically was not shown as suspended."""
    first = begin(covered)
    first.take(first.declined())
    if not on:
        covered.consent(covered.method("4242"), False)
    retry = begin(covered)
    retry.take(retry.paid())
    line = "Visa •••• 4242 is back in use."
    assert retry.events[1:] == [("method_restored_by_payment", {"attempt", "method"}, line)] * on
    assert covered.method("4242").suspended_until is None


def test_a_refill_brings_a_method_back_whose_suspension_was_not_ended(covered):
    """F6: the job that records the end has not run."""
    first = begin(covered)
    first.take(first.declined())
    covered.clock.advance(hours=49)
    covered.use("60.00")
    top_up = open_top_up(covered.session, covered.account_id)
    start_attempt(covered.ctx, top_up.id)
    refill = Settling(covered, covered.attempts[-1])
    refill.take(refill.paid())
    kind, about, _ = refill.events[-1]
    assert (kind, about) == ("method_restored_by_payment", {"attempt", "method", "top_up"})


OTHER = {
    "amount": (
        {"amount": 99_000_000},
        ("99000000 USD (micros) as paid, reference ch_1; requested was 100000000 USD."),
    ),
    "currency": (
        {"currency": "EUR"},
        ("100000000 EUR (micros) as paid, reference ch_1; requested was 100000000 USD."),
    ),
}
REVIEWED = (
    "evidence_mismatched",
    {"attempt", "top_up"},
    (
        "The processor's record of this payment does not match the request. Nothing was credited. "
        "Your provider will review it."
    ),
)


@pytest.mark.parametrize("what", OTHER)
def test_evidence_that_does_not_match(refill, what):
    """L9: nothing is credited; the first evidence is kept."""
    other, mismatch = OTHER[what]
    refill.attempt_is(needs_operator=False, refusals=2)
    assert refill.take(refill.paid(**other)) == {
        "attempt": {
            "state": "unknown",
            "mismatch": f"The processor reports {mismatch}",
            "needs_operator": True,
            "refusals": 0,
        }
    }
    assert refill.events == [REVIEWED]
    assert refill.take(refill.paid(amount=1)) == {}
    assert refill.events == []
    assert refill.world.balance == "40.00"


def test_a_payment_with_another_method_does_not_match(refill):
    """L9"""
    refill.take(refill.paid(method_reference="pm_other"))
    assert refill.attempt.mismatch.endswith(
        f"requested was 100000000 USD. It was paid with pm_other, not {refill.reference}."
    )


def test_a_payment_with_the_named_method_matches(refill):
    refill.take(refill.paid(method_reference=refill.reference))
    assert refill.attempt.state == "paid"


def test_another_amount_with_the_named_method_names_no_method(refill):
    refill.take(refill.paid(amount=1, method_reference=refill.reference))
    assert refill.attempt.mismatch.endswith("requested was 100000000 USD.")


def test_a_declined_refill(refill):
    """F1, F8: the method is suspended from the processor's time; the payment continues."""
    changes = refill.take(refill.declined(reference="ch_9"))
    assert changes == {
        "attempt": {
            **CLOSED,
            "state": "declined",
            "declined_at": SOON,
            "decline_code": FUNDS,
            "decline_class": "customer",
            "processor_reference": "ch_9",
            "suspended_method": True,
        },
        "method": {**FAILED, "declines_in_a_row": 1},
    }
    assert refill.events == [
        ("method_suspended", {"method"}, ""),
        (
            "attempt_declined",
            {"attempt", "top_up"},
            (
                "$100.00 to Visa •••• 4242 was declined: Insufficient funds. It is suspended until "
                "Tue 24 Nov, 10:00."
            ),
        ),
    ]


@pytest.mark.parametrize(("said", "stored"), [(-SOON, timedelta()), (2 * NOW, NOW)])
def test_the_time_of_a_decline_is_between_the_start_and_now(refill, said, stored):
    """F8: the processor's clock may be wrong."""
    refill.take(refill.declined(span=said))
    assert refill.attempt.declined_at - refill.started_at == stored
    assert refill.attempt.method.failed_at - refill.started_at == stored
    assert refill.attempt.processor_reference is None


def test_a_declined_payment_by_a_person(covered):
    """F1, F11: it has no other method, so it fails, and the suspension is emailed."""
    paying = begin(covered)
    changes = paying.take(paying.declined())
    assert changes["payment"] == {"state": "failed", "settled_at": NOW}
    assert changes["method"] == FAILED
    kinds_and_ids = [(kind, about) for kind, about, _ in paying.events]
    assert kinds_and_ids == [
        ("method_suspended", {"method"}),
        ("attempt_declined", {"attempt"}),
        ("payment_failed", {"payment"}),
        ("method_failed", {"attempt"}),
    ]


def test_a_chain_by_a_person_continues_after_a_decline(covered):
    """L4: only its end fails the payment."""
    paying = begin(covered, PaymentKind.AUTO_CHARGE)
    assert "payment" not in paying.take(paying.declined())
    assert [kind for kind, _, _ in paying.events] == ["method_suspended", "attempt_declined"]


def test_the_network_may_ask_for_more_than_48_hours(covered):
    """F1"""
    paying = begin(covered)
    paying.take(paying.declined(again_at=paying.at(timedelta(days=9))))
    assert covered.method("4242").suspended_until == paying.at(timedelta(days=9))


@pytest.mark.parametrize(
    ("on", "code", "kind", "line"),
    [
        (False, FUNDS, DeclineClass.CUSTOMER, "Insufficient funds."),
        (
            True,
            "stolen_card",
            DeclineClass.HARD,
            "Declined by the bank. It is out of use until you retry or replace it.",
        ),
    ],
)
def test_the_line_of_a_decline_tells_what_follows(covered, on, code, kind, line):
    """F1, F3: a method that is not charged automatically is not shown as suspended."""
    if not on:
        covered.consent(covered.method("4242"), False)
    paying = begin(covered)
    paying.take(paying.declined(code, kind))
    lines = [sentence for _, _, sentence in paying.events if sentence]
    assert lines == [f"$30.00 to Visa •••• 4242 was declined: {line}"]
    assert paying.attempt.suspended_method == on


def test_the_line_of_the_fifth_decline_in_a_row(refill):
    """T16"""
    refill.method_is(declines_in_a_row=4)
    refill.take(refill.declined())
    assert refill.events[-1][2].endswith("funds. It is out of use until you retry or replace it.")


def test_the_line_of_a_decline_that_is_learned_after_its_48_hours(refill):
    """F8"""
    refill.world.clock.advance(hours=48)
    at = refill.at()
    settle(refill.world.ctx, refill.id, Declined(FUNDS, DeclineClass.CUSTOMER, at))
    assert refill.world.lines[-1].sentence.endswith("funds. Its 48 hours have already passed.")


def test_a_decline_after_consent_was_withdrawn_suspends_the_method(refill):
    """F1, F11: consent was withdrawn during the automatic charge."""
    world = refill.world
    world.consent(world.method("4242"), False)
    refill.take(refill.declined())
    assert refill.attempt.suspended_method


def test_a_method_that_was_suspended_before_is_not_suspended_again(covered):
    """F11: one email per suspension."""
    first = begin(covered)
    first.take(first.declined())
    second = begin(covered)
    second.take(second.declined())
    assert not second.attempt.suspended_method
    assert [kind for kind, _, _ in second.events] == ["attempt_declined", "payment_failed"]


def test_a_method_that_the_processor_no_longer_has(refill):
    """M13: it is not suspended, and the next one is charged."""
    assert refill.take(MethodGone(refill.reference, refill.at())) == {
        "attempt": {
            **CLOSED,
            "state": "declined",
            "declined_at": NOW,
            "decline_code": "method_gone",
            "decline_class": "customer",
        },
        "method": {"gone_at": SOON},
    }
    assert refill.events == [
        (
            "method_lost",
            {"method"},
            (
                "Visa •••• 4242 can no longer be charged: it was removed at the processor, or its "
                "agreement was cancelled there. It is skipped until it is added again."
            ),
        ),
        (
            "attempt_without_method",
            {"attempt", "top_up"},
            "$100.00 was not charged to Visa •••• 4242: the processor no longer has it.",
        ),
    ]


def test_a_payment_with_a_method_that_is_gone_fails(covered):
    """M13"""
    paying = begin(covered)
    changes = paying.take(MethodGone(paying.reference, paying.at()))
    assert changes["payment"] == {"state": "failed", "settled_at": NOW}
    assert paying.events[-1][:2] == ("payment_failed", {"payment"})


def test_a_challenge_of_a_person(covered):
    """F9: there are 15 minutes to answer it."""
    paying = begin(covered)
    changes = paying.take(NeedsCustomer("pi_1", paying.at(), "/bank"))
    due = timedelta(minutes=15)
    assert changes == {"attempt": {"state": "challenged", "next_check_at": due}}
    assert paying.events == []
    # An unknown answer leaves it to the customer, who can still answer it.
    paying.attempt_is(refusals=2)
    assert paying.take(Unknown("Gateway"))["attempt"] == {
        "trouble": "Gateway",
        "refusals": 0,
        "needs_operator": False,
    }
    assert paying.events == []
    assert paying.attempt.state == "challenged"


def test_a_challenge_without_a_person_is_a_decline(refill):
    """F7"""
    changes = refill.take(NeedsCustomer("pi_1", refill.at()))["attempt"]
    assert changes == {
        **CLOSED,
        "state": "declined",
        "declined_at": SOON,
        "decline_code": "authentication_required",
        "decline_class": "customer",
        "processor_reference": "pi_1",
        "suspended_method": True,
    }


def test_a_refill_that_was_given_up(refill):
    """F9: nothing was declined, so the method is not suspended."""
    assert refill.take(Cancelled(refill.at())) == {
        "attempt": {**CLOSED, "state": "abandoned"},
        "payment": {"state": "abandoned", "settled_at": NOW},
        "top_up": {"state": "dropped", "closed_at": NOW},
    }
    line = "$100.00 to Visa •••• 4242 was given up. Nothing was charged."
    assert refill.events[0] == ("payment_abandoned", {"attempt", "payment", "top_up"}, line)


LONG = "x" * 600


def test_an_unknown_outcome(refill):
    """L10: the attempt stays open, and the timeline says once that it waits."""
    changes = refill.take(Unknown(LONG))
    assert changes == {"attempt": {"state": "unknown", "trouble": LONG[:500]}}
    assert refill.events == [
        (
            "outcome_unknown",
            {"attempt", "top_up"},
            (
                "The outcome of $100.00 to Visa •••• 4242 is not known yet. Nothing else is "
                "charged until the bank answers."
            ),
        ),
    ]
    assert refill.take(Unknown("")) == {"attempt": {"trouble": ""}}
    assert refill.events == []


def test_a_rejected_refill(refill, caplog):
    """L8: it is repeated; the third rejection in a row is left to the operator."""
    refill.attempt_is(needs_operator=False)
    assert refill.take(RequestRejected("Bad key")) == {
        "attempt": {"state": "refused", "trouble": "Bad key", "refusals": 1}
    }
    assert f"attempt {refill.id} was refused by its processor: Bad key" in caplog.messages
    assert refill.events == [
        (
            "request_refused",
            {"attempt", "top_up"},
            (
                "The processor refused the request to charge $100.00 to Visa •••• 4242. Nothing "
                "was charged. The request is repeated; nothing else is charged meanwhile."
            ),
        ),
    ]
    assert refill.take(RequestRejected(LONG))["attempt"] == {"trouble": LONG[:500], "refusals": 2}
    assert refill.events == []
    assert refill.take(RequestRejected("Bad key"))["attempt"] == {
        "trouble": "Refused 3 times: Bad key",
        "refusals": 3,
        "needs_operator": True,
    }
    assert refill.events == [
        (
            "request_refused_repeatedly",
            {"attempt", "top_up"},
            (
                "The processor has refused the request to charge $100.00 to Visa •••• 4242 3 "
                "times. Nothing was charged. Your provider has to review this. The request is "
                "still being repeated."
            ),
        ),
    ]
    assert refill.take(RequestRejected("Bad key"))["attempt"]["refusals"] == 4
    assert refill.events == []
    # The request is accepted, so it is no longer the operator's.
    assert refill.take(Unknown("Timeout"))["attempt"] == {
        "state": "unknown",
        "trouble": "Timeout",
        "refusals": 0,
        "needs_operator": False,
    }


def test_a_rejected_payment_of_a_person(covered, caplog):
    """L8: the person sees it, so it is not repeated."""
    paying = begin(covered)
    assert paying.take(RequestRejected(LONG)) == {
        "attempt": {**CLOSED, "state": "abandoned", "trouble": LONG[:500]},
        "payment": {"state": "abandoned", "settled_at": NOW},
    }
    assert paying.events == [
        (
            "payment_abandoned",
            {"attempt", "payment"},
            "$30.00 to Visa •••• 4242 could not be sent. Nothing was charged.",
        ),
    ]
    assert caplog.messages == [f"attempt {paying.id} was refused by its processor: {LONG}"]


@pytest.mark.parametrize("answer", [RequestRejected("Bad key"), Unknown("Timeout")], ids=type)
def test_an_open_answer_sends_the_suspension_emails_of_the_chain(refill, answer):
    """F11: the first method was declined, and the second one's outcome is not known."""
    world = refill.world
    refill.take(refill.declined())
    start_attempt(world.ctx, refill.attempt.payment.top_up_id)
    second = Settling(world, world.attempts[-1])
    second.take(answer)
    assert world.mails == ["method_suspended"]


def test_an_answer_takes_effect_once(refill):
    """L3: each answer after the first one changes nothing and says so."""
    refill.take(refill.paid())
    events = refill.events
    again = [
        refill.paid(),
        refill.declined(),
        MethodGone(refill.reference, refill.at()),
        NeedsCustomer("pi_1", refill.at()),
        Cancelled(refill.at()),
        Unknown("Timeout"),
        RequestRejected("Bad key"),
    ]
    for answer in again:
        before = refill._columns()
        assert settle(refill.world.ctx, refill.id, answer) is False
        assert refill.world.session.in_transaction() is False
        assert refill._columns() == before
    assert refill.events == events
    assert refill.world.balance == "140.00"


def test_a_payment_after_a_decline(refill):
    """L9: it is not credited, and the operator gets one entry to review."""
    refill.take(refill.declined())
    assert settle(refill.world.ctx, refill.id, refill.paid(amount=90_000_000)) is False
    refill.world.session.rollback()
    at = refill.at().isoformat()
    assert refill.attempt.needs_operator
    assert refill.attempt.mismatch == (
        "Settled as declined; then the processor reported 90000000 USD (micros) as paid at "
        f"{at}, reference ch_1."
    )
    assert refill.events[2:] == [
        (
            "evidence_mismatched",
            {"attempt", "top_up"},
            (
                "The processor reports $90.00 from Visa •••• 4242 after that payment was settled "
                "as not paid. Nothing was credited. Your provider will review it."
            ),
        ),
    ]
    recorded = len(refill.events)
    assert settle(refill.world.ctx, refill.id, refill.paid()) is False
    assert len(refill.events) == recorded
    assert unmatched_events.waiting(refill.world.session) == []


def test_a_second_payment_under_one_key(refill):
    """L9: the operator gets one entry to review, however often it is reported."""
    refill.take(refill.paid())
    known = len(refill.events)
    second = refill.paid(reference="ch_2", amount=90_000_000, currency="EUR")
    for _ in range(2):
        assert settle(refill.world.ctx, refill.id, second) is False
        refill.world.session.rollback()
    (found,) = unmatched_events.waiting(refill.world.session)
    reference = refill.attempt.payment.reference
    assert (found.processor, found.reference, found.amount, found.currency, found.at) == (
        "sandbox",
        "ch_2",
        90_000_000,
        "EUR",
        refill.at(),
    )
    assert found.what == (
        f"Attempt {refill.id} ({reference}) is paid, with ch_1; then the processor reported a "
        "payment under this reference too. Nothing was credited for it."
    )
    assert refill.events[known:] == [
        (
            "evidence_mismatched",
            {"attempt", "top_up"},
            (
                f"The processor reports another $90.00 for {reference}. Nothing was credited for "
                "it. Your provider will review it."
            ),
        ),
    ]


def test_a_second_payment_after_one_that_did_not_match(refill):
    """L9"""
    refill.take(refill.declined())
    settle(refill.world.ctx, refill.id, refill.paid())
    settle(refill.world.ctx, refill.id, refill.paid(reference="ch_2"))
    (found,) = unmatched_events.waiting(refill.world.session)
    assert f"is declined, with {refill.attempt.mismatch}; then" in found.what


@pytest.mark.parametrize("known", [None, "decided by an operator"])
def test_the_reference_of_a_payment_by_the_operators_word_is_no_second_one(refill, known):
    """L9"""
    refill.take(refill.paid())
    refill.attempt_is(processor_reference=known)
    assert settle(refill.world.ctx, refill.id, refill.paid(reference="ch_2")) is False
    assert unmatched_events.waiting(refill.world.session) == []


def test_a_decision_is_written_with_the_outcome(refill):
    """L3: in one transaction."""
    world = refill.world

    def record():
        refill.attempt.payment.note = "Seen"

    changes = refill.take(refill.paid(), record=record)
    assert changes["payment"]["note"] == "Seen"
    assert world.balance == "140.00"


def test_a_settled_payment_checks_the_balance(covered):
    """T4, T15: the refill waited for the payment; its outcome starts it."""
    paying = begin(covered)
    covered.use("60.00")
    assert open_top_up(covered.session, covered.account_id) is None
    paying.take(paying.declined())
    top_up = open_top_up(covered.session, covered.account_id)
    assert top_up.cause == "payment settled"


def test_a_settled_payment_charges_no_more_than_was_confirmed(covered):
    """T18"""
    paying = begin(covered)
    covered.use("60.00")
    with pytest.raises(ChargeUnconfirmed):
        paying.take(paying.declined(), confirmed=0)
    covered.session.rollback()
    assert paying.attempt.state == AttemptState.STARTED
    paying.take(paying.declined(), confirmed=micros("100.00"))
    assert open_top_up(covered.session, covered.account_id)
