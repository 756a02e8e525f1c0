"""The steps at which a process can be killed, read from the source code."""

import ast
from collections.abc import Iterator
from pathlib import Path

from webapp.settings import ROOT

ACTIONS = ROOT / "webapp" / "actions"
BOOKS = ROOT / "webapp" / "processors" / "sandbox"

CALLS = (
    "ask",
    "cancel",
    "cancel_saving",
    "charge",
    "link",
    "revoke",
    "save_card",
    "saving",
    "verify",
)
"""Of a processor."""

SEND = "send"
"""Of the mailer's connection."""

DELIVER = "deliver"
"""Of the webhook sender."""

NOT_IN_TRAFFIC = {
    "settle_paid._record_second": "only when a processor has taken twice under one key",
    "settle_paid.keep_late_evidence": "only after an operator has decided wrongly",
    "decide_attempt.decide_attempt": "about such late evidence; other decisions commit in `settle`",
    "close_unmatched_event.close_unmatched_event": "every event of the processor fits a payment",
    "receive_event._settle": "the same; what fits commits in `settle`",
    "receive_event._take_effect": "the same; what fits commits in `apply_reversal`, `sync_method`",
    "catch_up._begin": "real processors are listed; the sandbox's events are all delivered",
    "catch_up._advance": "the same",
    "catch_up._end": "the same",
    "notebook.keep": "a real PayPal's own notes; it is the sandbox that is charged",
    "create_key.create_key": "people make keys, and no money moves",
    "rotate_key.rotate_key": "the same",
    "revoke_key.revoke_key": "the same",
    "rate_limit.hit": "nobody is held up by limits here: there are none",
    "rate_limit.clear": "the same",
    "apply_settings.apply_notification_settings": "which mails go to whom moves no money",
    "unsubscribe.unsubscribe": "the same",
    "set_billing_details.set_billing_details": "names and addresses move no money",
    "operators.create_operator": "the same",
    "operators.remove_operator": "the same",
    "view_account.begin_view": "the same; staff acts by the command line here, without a page",
    "view_account.record_view": "the same",
    "record_email_read.record_email_read": "the same",
    "pause_automatic.pause_automatic": "staff pauses by its page only, and here has none",
    "send_emails._mark_kept": "only without a mail server, and here is one",
    "resend_email.resend_email": "the same; what it owes is sent as any other mail",
    "change_email.ask_for_email": "people and their addresses move no money",
    "change_email.confirm_email": "the same",
    "change_name.change_name": "the same",
    "expire_sign_ups.expire": "the same",
    "passkeys.add_passkey": "the same",
    "passkeys.reauthenticate_with_passkey": "the same",
    "passkeys.remove_passkey": "the same",
    "passkeys.rename_passkey": "the same",
    "passkeys.sign_in_with_passkey": "the same",
    "sessions.end_session": "the same",
    "sessions.record_session_use": "the same",
    "sessions.sign_out": "the same",
    "sessions.sign_out_everywhere": "the same",
    "sessions.start_session": "the same",
    "invitations.accept_as": "the same",
    "invitations.accept_as_new": "the same",
    "invitations.invite": "the same",
    "invitations.invite_again": "the same",
    "invitations.revoke_invitation": "the same",
    "passwords.audit_refusal": "the same",
    "passwords.change_password": "the same",
    "passwords.forget_password": "the same",
    "passwords.reset_password": "the same",
    "members.change_roles": "the same",
    "members.hand_over": "the same",
    "members.remove_person": "the same",
    "second_factor.renew_recovery_codes": "the same",
    "second_factor.require_second_factor": "the same",
    "second_factor.reset_second_factor": "the same",
    "second_factor.turn_off": "the same",
    "second_factor.turn_on": "the same",
    "sign_in.finish_sign_in": "the same",
    "sign_up.send_confirmation_again": "the same",
    "sign_up.sign_up": "the same",
    "endpoints.add_endpoint": "people choose a receiver before the kills begin",
    "endpoints.change_endpoint": "the same",
    "endpoints.switch_endpoint": "the same",
    "endpoints.remove_endpoint": "the same",
    "endpoints.rotate_secret": "the same",
    "endpoints.send_test": "the same",
    "endpoints.send_again": "the same",
    "idempotency.begin_request": "the meter has references; asked in tests/api/test_idempotency",
    "idempotency.keep_answer": "the same",
    "idempotency.release_request": "the same",
    "record_key_use.record_key_use": "in traffic, once an hour; its loss is none",
    "import_usage._begin": "files come from browsers, and post by `post_usage`",
    "import_usage.end": "the same",
    "import_usage.refuse": "the same",
    "import_usage._save": "the same",
    "delete_old_proofs.delete_old_proofs": "files of cancelled requests move no money",
    "record_export.record_export": "an export changes nothing",
    "books: scripted_responses.put": "the run itself tells the sandbox how to misbehave",
    "books: scripted_responses.clear": "the same",
    "books: books.advance_clock": "the run itself moves the clock",
    "books: books.latency": "a switch for tests",
    "books: vault.keep": "the demo's",
    "books: refunds_and_disputes._take_back": "the run itself takes money back, and tells of it",
    "books: refunds_and_disputes.close": "the same",
    "books: refunds_and_disputes.record_delivery": "the same",
    "books: refunds_and_disputes.renew": "the same",
    "books: refunds_and_disputes.take_away": "the same",
    "books: refunds_and_disputes.tell": "the same",
    "books: refunds_and_disputes.tell_of_charge": "the same",
}


def at_books(place: str) -> str:
    return f"books: {place}"


def all_steps() -> set[str]:
    """All steps that the traffic can pass."""
    return {step for step in in_source() if place_of(step) not in NOT_IN_TRAFFIC}


def in_source() -> set[str]:
    found = {step for path in ACTIONS.rglob("*.py") for step in _in_action(path)}
    found |= {step for path in BOOKS.glob("*.py") for step in _in_books(path)}
    return found


def place_of(step: str) -> str:
    return step.rpartition(": ")[0]


def _in_action(path: Path) -> Iterator[str]:
    for function, node in _calls(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node.func, ast.Attribute):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        is_call = (owner, name) in (("outgoing", SEND), ("webhook_sender", DELIVER)) or (
            owner == "processor" and name in CALLS
        )
        if (owner, name) == ("session", "commit") or is_call:
            yield from (f"{path.stem}.{function}: {when} {name}" for when in ("before", "after"))


def _in_books(path: Path) -> Iterator[str]:
    for function, node in _calls(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node.func, ast.Attribute) and node.func.attr == "writing":
            place = at_books(f"{path.stem}.{function}")
            yield from (f"{place}: {when} commit" for when in ("before", "after"))


def _calls(tree: ast.AST, function: str = "") -> Iterator[tuple[str, ast.Call]]:
    """Yield every call with the name of the innermost function that contains it."""
    for node in ast.iter_child_nodes(tree):
        inner = node.name if isinstance(node, ast.FunctionDef) else function
        inner = "<lambda>" if isinstance(node, ast.Lambda) else inner
        if isinstance(node, ast.Call):
            yield inner, node
        yield from _calls(node, inner)
