"""Each kind of event has a rendering for each of its channels (E1, E2, P2)."""

from datetime import UTC, datetime

import pytest

from tests.factories import context
from webapp.domain.accounts.account import Account
from webapp.domain.events import kinds
from webapp.domain.events.event import Event
from webapp.domain.events.rows import EventRow
from webapp.domain.notifications.outbox import TOPICS, NoticeKind
from webapp.domain.webhooks.endpoint import EventKind
from webapp.settings import ROOT

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
EACH = pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=lambda kind: kind.event_kind)


@EACH
def test_each_kind_has_a_rendering_per_channel(kind):
    """E1, P2: a sentence, a payload and an email's variables where the kind has that channel."""
    if kind.audit:
        assert kind.audit.title
        assert kind.audit.sentence or kind.audited is not Event.audited
    if kind.timeline:
        assert kind.timeline.sentence or kind.line is not Event.line
    if kind.webhook:
        assert kind.payload is not Event.payload
    if kind.email_kind in TOPICS:
        assert kind.once
        assert kind.sample.__func__ is not Event.sample.__func__
    if kind.email_kind:
        folder = ROOT / "templates" / "email" / kind.email_kind
        assert {it.name for it in folder.iterdir()} == {"subject.txt", "body.txt", "body.html"}


def test_each_channel_has_a_kind():
    """E1, P2: no email, webhook type or line code is left without the event that causes it."""
    sent = {kind.email_kind for kind in kinds.KINDS.values()} - {None}
    assert sent == set(NoticeKind)
    assert set(kinds.SAMPLED) == set(TOPICS)
    assert {kind.webhook for kind in kinds.KINDS.values()} - {None} == set(EventKind)


@pytest.mark.parametrize("kind", TOPICS)
def test_a_sample_survives_the_row_and_renders(kind, account):
    """E2: what was written is what is read again, in every channel."""
    event = kinds.sample(kind, account, NOW)
    row = EventRow(
        kind=event.event_kind,
        timeline=event.line_code(),
        audit=event.audit_code,
        webhook=event.webhook,
        **event.columns(),
    )
    assert type(event).of(row).columns() == event.columns()
    if row.timeline:
        assert kinds.line(row, account) == event.line(account)
    if row.audit:
        assert kinds.audited(row, account) == event.audited(account)
    if row.webhook:
        assert kinds.data(row) == event.payload()
    assert event.mailed(context(None, NOW), account)


def row_of(what, facts):
    return EventRow(kind="from before events", audit=what, facts=facts)


@pytest.fixture
def account():
    return Account(
        name="Harbour Voice", currency="USD", locale="en_US", time_zone="UTC", language="en"
    )


@pytest.mark.parametrize(
    ("what", "details", "expected"),
    [
        ("auto_charge", {"method": "Visa •••• 4242", "on": False},
         "Visa •••• 4242: turned off."),
        ("order", {"before": ["Visa", "Amex"], "order": ["Amex", "Visa"]},
         "From Visa, Amex to Amex, Visa."),
        ("order", {"order": ["Amex", "Visa"]}, "New order: Amex, Visa."),
        ("settings", {"changed": {"threshold": [50_000_000, 60_500_000]}},
         "Threshold from $50.00 to $60.50."),
        ("settings", {"changed": {"refill_on": [False, True], "day_limit": [None, 5_000_000]}},
         "Automatic refill from off to on; daily limit from none to $5.00."),
        ("adjusted", {"amount": -2_500_000, "reason": "Goodwill"},
         "$2.50 debited. Reason: Goodwill"),
        ("attempt_decided", {"attempt": 7, "paid": True, "reason": "Seen"},
         "Attempt 7: paid. Reason: Seen"),
        ("payment_requested", {"payment": "P-000001", "kind": "retry", "amount": 30_000_000},
         "Retry of $30.00, P-000001."),
        ("api_key_created", {"name": "Meter", "key": "bk_4fTx2", "scopes": ["usage:write"],
                             "networks": ["203.0.113.0/24"]},
         "Meter (bk_4fTx2…); permissions: usage:write; allowed IP addresses: 203.0.113.0/24."),
        ("wire_requested", {"wire": "W-1", "amount": 9_000_000, "currency": "EUR"},
         "W-1 for €9.00."),
        ("notifications", {"changed": {"time_zone": ["UTC", "Europe/Dublin"],
                                       "language": ["en", "de"]}},
         "Time zone from UTC to Europe/Dublin; email language from English to Deutsch."),
    ],
)  # fmt: skip
def test_sentences_show_the_old_and_the_new_value(account, what, details, expected):
    """P2"""
    assert kinds.audited(row_of(what, details), account) == expected


@pytest.mark.parametrize("what", kinds.AUDITED)
def test_an_old_line_without_details_has_a_sentence(account, what):
    """P2: lines are kept for ever, and may lack details that a newer sentence uses."""
    assert kinds.title(what)
    assert kinds.audited(row_of(what, {}), account)


def test_an_unknown_kind_has_a_title(account):
    assert kinds.title("key_turned") == "Key turned"
    assert kinds.audited(row_of("key_turned", {"a": 1}), account) == ""
