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
"""Methods of a processor."""

SEND = "send"
"""Method of the mailer's connection."""

DELIVER = "deliver"
"""Method of the webhook sender."""

EVENTS_MATCH = "each event matches a payment and commits in that payment's action"
NOT_LISTED = "only real processors list their events; the sandbox delivers all of its own"
NO_MONEY = "moves no money"
NO_RATE_LIMITS = "the run has no rate limits"
NO_OPERATOR_PAGES = "the run's staff uses the command line, not the operator's pages"
BEFORE_THE_KILLS = "endpoints are only added, before the kills begin"
NO_IDEMPOTENCY_KEYS = "usage has references instead; see tests/api/test_idempotency.py"
NO_UPLOADS = "only for files uploaded by browsers; the run imports files by command"
BY_THE_RUN = "done by the run itself, which is not killed"

NOT_IN_TRAFFIC = {
    "settle_paid._record_second": "only when a processor charges twice under one key",
    "settle_paid.record_payment_after_settlement": "only after a wrong decision by an operator",
    "decide_attempt.decide_attempt": "only with late evidence; other decisions commit in `settle`",
    "close_unmatched_event.close_unmatched_event": EVENTS_MATCH,
    "receive_event._settle": EVENTS_MATCH,
    "receive_event._take_effect": EVENTS_MATCH,
    "catch_up._begin": NOT_LISTED,
    "catch_up._advance": NOT_LISTED,
    "catch_up._end": NOT_LISTED,
    "notebook.keep": "only with the real PayPal; the run uses the sandbox",
    "create_key.create_key": NO_MONEY,
    "rotate_key.rotate_key": NO_MONEY,
    "revoke_key.revoke_key": NO_MONEY,
    "rate_limit.hit": NO_RATE_LIMITS,
    "rate_limit.clear": NO_RATE_LIMITS,
    "apply_settings.apply_notification_settings": NO_MONEY,
    "unsubscribe.unsubscribe": NO_MONEY,
    "set_billing_details.set_billing_details": NO_MONEY,
    "operators.create_operator": NO_MONEY,
    "operators.remove_operator": NO_MONEY,
    "view_account.begin_view": NO_OPERATOR_PAGES,
    "view_account.record_view": NO_OPERATOR_PAGES,
    "record_email_read.record_email_read": NO_OPERATOR_PAGES,
    "pause_automatic.pause_automatic": NO_OPERATOR_PAGES,
    "send_emails._mark_kept": "only without a mail server; the run has one",
    "resend_email.resend_email": NO_MONEY,
    "change_email.ask_for_email": NO_MONEY,
    "change_email.confirm_email": NO_MONEY,
    "change_name.change_name": NO_MONEY,
    "expire_sign_ups.expire": NO_MONEY,
    "passkeys.add_passkey": NO_MONEY,
    "passkeys.reauthenticate_with_passkey": NO_MONEY,
    "passkeys.remove_passkey": NO_MONEY,
    "passkeys.rename_passkey": NO_MONEY,
    "passkeys.sign_in_with_passkey": NO_MONEY,
    "sessions.end_session": NO_MONEY,
    "sessions.record_session_use": NO_MONEY,
    "sessions.sign_out": NO_MONEY,
    "sessions.sign_out_everywhere": NO_MONEY,
    "sessions.start_session": NO_MONEY,
    "invitations.accept_as": NO_MONEY,
    "invitations.accept_as_new": NO_MONEY,
    "invitations.invite": NO_MONEY,
    "invitations.invite_again": NO_MONEY,
    "invitations.revoke_invitation": NO_MONEY,
    "passwords.audit_refusal": NO_MONEY,
    "passwords.change_password": NO_MONEY,
    "passwords.forget_password": NO_MONEY,
    "passwords.reset_password": NO_MONEY,
    "members.change_roles": NO_MONEY,
    "members.hand_over": NO_MONEY,
    "members.remove_person": NO_MONEY,
    "second_factor.renew_recovery_codes": NO_MONEY,
    "second_factor.require_second_factor": NO_MONEY,
    "second_factor.reset_second_factor": NO_MONEY,
    "second_factor.turn_off": NO_MONEY,
    "second_factor.turn_on": NO_MONEY,
    "sign_in.finish_sign_in": NO_MONEY,
    "sign_up.send_confirmation_again": NO_MONEY,
    "sign_up.sign_up": NO_MONEY,
    "endpoints.add_endpoint": BEFORE_THE_KILLS,
    "endpoints.change_endpoint": BEFORE_THE_KILLS,
    "endpoints.switch_endpoint": BEFORE_THE_KILLS,
    "endpoints.remove_endpoint": BEFORE_THE_KILLS,
    "endpoints.rotate_secret": BEFORE_THE_KILLS,
    "endpoints.send_test": BEFORE_THE_KILLS,
    "endpoints.send_again": BEFORE_THE_KILLS,
    "idempotency.begin_request": NO_IDEMPOTENCY_KEYS,
    "idempotency.keep_answer": NO_IDEMPOTENCY_KEYS,
    "idempotency.release_request": NO_IDEMPOTENCY_KEYS,
    "record_key_use.record_key_use": "at most once an hour; losing it does no harm",
    "import_usage._begin": NO_UPLOADS,
    "import_usage.end": NO_UPLOADS,
    "import_usage.refuse": NO_UPLOADS,
    "import_usage._save": NO_UPLOADS,
    "delete_old_proofs.delete_old_proofs": NO_MONEY,
    "record_export.record_export": NO_MONEY,
    "books: books.queue_answer": BY_THE_RUN,
    "books: books.clear_answers": BY_THE_RUN,
    "books: books.advance_clock": BY_THE_RUN,
    "books: books.latency": BY_THE_RUN,
    "books: methods.keep": "only in the demo",
    "books: reversals._reverse": BY_THE_RUN,
    "books: reversals.close": BY_THE_RUN,
    "books: reversals.record_delivery": BY_THE_RUN,
    "books: reversals.renew": BY_THE_RUN,
    "books: reversals.take_away": BY_THE_RUN,
    "books: reversals.tell": BY_THE_RUN,
    "books: reversals.tell_of_charge": BY_THE_RUN,
    "books: store._create_tables": BY_THE_RUN,
}
"""Places that are not counted as steps, with the reason."""


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
        is_commit = name == "commit" and owner.endswith("session")
        if is_commit or is_call:
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
