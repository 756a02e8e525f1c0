"""From each kind of event one reaches what it is about, and from there the event (E2)."""

import re
from html import unescape

import pytest

from tests import wires
from tests.factories import DISCOVER, VISA
from tests.web.conftest import words
from webapp.domain.events import kinds
from webapp.domain.events.event import Subject
from webapp.domain.events.rows import EventRow
from webapp.domain.events.timeline import Code
from webapp.reads.accounts.subjects import PAGES, SubjectId

AUDIT, ACTIVITY = "/settings/audit-log", "/billing/activity"

ABOUT_NO_RECORD = {
    # The whole account.
    "account_created", "account_updated", "account_suspended", "account_closed",
    "account_reactivated", "account_exported", "account_erased", "view_begun", "page_viewed",
    "secret_key_rotated", "refill_held", "low_balance", "refill_blocked",
    # The person in the line, whose sessions nobody else sees.
    "signed_in", "portal_link_created", "signed_in_by_portal", "password_accepted", "code_refused",
    "sign_in_refused", "proof_refused", "signed_out_everywhere", "session_ended",
    "password_forgotten", "portal_access_ended",
    # The provider's staff; customers do not see these events.
    "operator_created", "operator_removed",
    # Usage that was not posted.
    "usage_too_large", "usage_after_closing",
}  # fmt: skip
"""Kinds that are about nothing that has a page."""

ONE_WAY = {"limits_set"}
"""A default that was set once, by an upgrade; only Activity lists it."""

SHOWN = {name: it for name, it in kinds.KINDS.items() if it.audit or it.timeline}
CODES = {"answered": Code.ALL_FAILED, "paused_at_check": Code.PAUSED}
"""Lines whose code is a fact."""


@pytest.fixture
def events(world):
    """Writes an event of each kind, about a refill, its method, and a wire transfer."""
    world.cards(VISA)
    world.refill()
    world.use("60.00")
    world.work()
    (attempt,) = world.attempts
    about = {
        "attempt_id": attempt.id,
        "payment_id": attempt.payment_id,
        "top_up_id": attempt.payment.top_up_id,
        "method_id": attempt.method_id,
        "wire_id": wires.ask(world, "500.00").id,
    }
    rows = {}
    for name, kind in {**SHOWN, **{name: kinds.KINDS[name] for name in CODES}}.items():
        fields = {field.name for field in kind._all()}
        facts = {"version": 1} if "version" in fields else {}
        rows[name] = EventRow(
            account_id=world.account_id,
            kind=name,
            at=world.clock.now(),
            actor_name="Ana Ruiz",
            address="",
            # A line that facts of every type fit into is not what is tested here.
            facts={"sentence": "It happened.", **facts},
            timeline=CODES.get(name) or (kind.timeline and kind.timeline.code),
            audit=kind.audit_code,
            **{key: value for key, value in about.items() if key in fields},
        )
        world.session.add(rows[name])
    world.session.commit()
    return {name: (row.id, row.audit, row.timeline) for name, row in rows.items()}


def links(text):
    return [unescape(address) for address in re.findall(r'<a\b[^>]*\bhref="(/[^"]+)"', text)]


def line(client, path, anchor, number):
    """The line of a list that begins with this event."""
    joint = "&" if "?" in path else "?"
    text = client.get(f"{path}{joint}before={number + 1}").text
    found = re.search(rf'<li [^>]*id="{anchor}-{number}".*?</li>', text, re.DOTALL)
    return found[0] if found else ""


def ways_back(client, path):
    """The lists of events to which a page leads; the activity of a method is one."""
    pages = {AUDIT: "change", ACTIVITY: "line"}
    found = [path, *links(client.get(path).text)]
    return [
        (address, pages[address.partition("?")[0]])
        for address in found
        if address.partition("?")[0] in pages and re.search(r"[?&](subject|method)=", address)
    ]


def test_each_event_leads_to_what_it_is_about_and_back(client, events):
    """E2: wherever the event is listed."""
    astray = {}
    for name, (number, audit, timeline) in events.items():
        shown = [(AUDIT, "change")] * bool(audit) + [(ACTIVITY, "line")] * bool(timeline)
        for path, anchor in shown:
            there = links(line(client, path, anchor, number))
            if name in ABOUT_NO_RECORD:
                assert there == [], name
                continue
            back = [
                (address, way)
                for address in there
                for way, what in ways_back(client, address)
                if line(client, way, what, number)
            ]
            decided = [it for it in there if f"#line-{number}" in client.get(it).text]
            if not there or not (back or decided or name in ONE_WAY):
                astray[name, path] = there
    assert astray == {}


def test_a_method_has_a_list_of_its_events(client, events, account_with_history):
    """E2: of each of its charges too, and no other method's."""
    visa = account_with_history.method("4242").id
    amex = account_with_history.method("0005").id
    address = f"{ACTIVITY}?method={visa}"
    menu = client.get("/billing/payment-methods").text
    assert f'href="{address}"' in menu
    shown = client.get(address)
    assert "Charging $100.00 to Visa" in words(shown)
    assert "Mastercard •••• 4444 is" not in words(shown)
    assert f'<option value="{visa}" selected' in shown.text
    assert f'href="{AUDIT}?subject=method-{visa}"' in shown.text
    assert "No activity matches" in words(client.get(f"{ACTIVITY}?method={amex}"))
    log = client.get(f"{AUDIT}?subject=method-{visa}")
    assert "Only changes of Visa •••• 4242" in words(log)
    assert 'name="subject"' in log.text


def test_who_may_not_read_the_audit_log_gets_no_link_to_it(client, teammate, world):
    """P1, E2"""
    visa = world.card(VISA).id
    billing = teammate("billing")
    for path in (f"{ACTIVITY}?method={visa}", "/settings/notifications", "/billing/statement"):
        assert f"{AUDIT}?subject" in client.get(path).text
        answer = billing.get(path)
        assert answer.status_code == 200
        assert AUDIT not in answer.text


def test_another_accounts_record_is_not_named(client, world, stranger):
    """P1"""
    card = world.card(DISCOVER).id
    for path in (f"{AUDIT}?subject=method-{card}", f"{ACTIVITY}?method={card}"):
        assert "1117" in client.get(path).text
        assert "1117" not in stranger.get(path).text


@pytest.mark.parametrize(
    "text", ["", "method", "method-", "method-x", "users-3", "method-9999999999"]
)
def test_an_invalid_subject_is_ignored(text):
    assert SubjectId.parse(text) is None


@pytest.mark.parametrize("subject", [*PAGES, SubjectId(Subject.WIRE, 3)])
def test_a_subject_in_an_address_is_read_again(subject):
    wanted = subject if isinstance(subject, SubjectId) else SubjectId(subject)
    assert SubjectId.parse(str(subject)) == wanted
