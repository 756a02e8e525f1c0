"""Every recorded kind of change has its plain sentence (P2)."""

import ast

import pytest

from webapp.domain.accounts.account import Account
from webapp.reads.accounts.audit_sentences import KINDS, sentence, title
from webapp.settings import ROOT

RECORDING = ("audit.record", "audit.record_in_each")


def recorded_kinds():
    """Yield the kinds in the source: the third argument of `audit.record`, or the values
    assigned to it.
    """
    for path in (ROOT / "webapp").rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in RECORDING:
                continue
            what = node.args[2]
            if isinstance(what, ast.Constant):
                yield what.value
            elif isinstance(what, ast.Name):
                yield from _assigned(tree, what.id)


def _assigned(tree, name):
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_every_recorded_kind_has_a_sentence():
    """P2: each recorded kind of change has a line in KINDS of `audit_sentences.py`."""
    missing = sorted(set(recorded_kinds()) - set(KINDS))
    assert not missing, (
        f"webapp/reads/accounts/audit_sentences.py, KINDS: no sentence for {', '.join(missing)}"
    )


def test_the_source_search_finds_known_kinds():
    assert {"auto_charge", "signed_in", "sign_in_refused", "wire_completed"} <= set(
        recorded_kinds()
    )


@pytest.fixture
def account():
    return Account(name="Harbour Voice", currency="USD", locale="en_US", time_zone="UTC")


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
    assert sentence(what, details, account) == expected


@pytest.mark.parametrize("what", KINDS)
def test_an_old_line_without_details_has_a_sentence(account, what):
    """P2: lines are kept for ever, and may lack details that a newer sentence uses."""
    assert sentence(what, {}, account)


def test_an_unknown_kind_has_a_title(account):
    assert (title("key_turned"), sentence("key_turned", {"a": 1}, account)) == ("Key turned", "")
