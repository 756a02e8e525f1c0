"""Every API operation has a command with output for scripts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.factories import DECLINING, MASTERCARD, VISA
from webapp.actions.accounts.change_account import change_account
from webapp.api import OPERATIONS
from webapp.api.openapi.operations import Group
from webapp.cli.shared.arguments import AccountId
from webapp.settings import ROOT

COMMANDS = {
    "create_account": "accounts create",
    "list_accounts": "accounts list",
    "read_account": "accounts show",
    "change_account": "accounts update",
    "adjust_balance": "accounts adjust",
    "create_portal_session": "accounts portal-link",
    "post_usage": "usage post",
    "reverse_usage": "usage reverse",
    "read_balance": "accounts show",
    "read_account_balance": "accounts show",
    "list_balances": "accounts list",
    "list_holds": "holds list",
    "read_hold": "holds show",
    "open_hold": "holds open",
    "change_hold": "holds change",
    "release_hold": "holds release",
    "list_payment_methods": "methods list",
    "read_payment_method": "methods show",
    "read_order": "methods order",
    "replace_order": "methods order",
    "remove_payment_method": "methods remove",
    "read_low_balance_settings": "low-balance show",
    "replace_low_balance_settings": "low-balance set",
    "list_payments": "payments list",
    "read_payment": "payments show",
    "create_payment": "payments add",
    "retry_payment": "payments retry",
    "read_the_statement": "statement",
    "read_account_statement": "statement",
    "read_the_activity": "activity",
    "list_webhook_endpoints": "webhooks list",
    "read_webhook_endpoint": "webhooks list",
    "add_webhook_endpoint": "webhooks add",
    "replace_webhook_endpoint": "webhooks update",
    "switch_webhook_endpoint": "webhooks switch",
    "remove_webhook_endpoint": "webhooks remove",
    "rotate_webhook_secret": "webhooks rotate",
    "send_test_webhook": "webhooks test",
    "list_webhook_deliveries": "webhooks deliveries",
    "resend_webhook": "webhooks resend",
    "list_events": "events list",
}
OTHER_COMMANDS = {Group.SANDBOX}
"""The sandbox is for programs (V10) and has a page."""
CUSTOMER_ONLY = {"set_auto_charge"}
"""M3: only the customer changes consent."""


@pytest.fixture
def run_json(flask, world):
    """Return a function that runs a command for the account and parses its JSON."""

    def run(command, *arguments, code=0):
        result = flask([*command.split(), str(world.account_id), *map(str, arguments), "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return run


def test_each_operation_has_a_command(flask):
    for it in OPERATIONS:
        if it.group in OTHER_COMMANDS or it.name in CUSTOMER_ONLY:
            continue
        result = flask(f"{COMMANDS[it.name]} --help")
        assert result.exit_code == 0, it.name
        assert "--json" in result.output


def test_every_command_of_every_group_has_help(app):
    def walk(command, path):
        assert command.help, path
        for name, part in getattr(command, "commands", {}).items():
            if path or name not in ("run", "shell", "routes", "db"):  # Flask's own commands
                walk(part, [*path, name])

    walk(click.Group(commands=app.cli.commands, help="all"), [])


def test_usage_is_posted_once(run_json, world):
    assert run_json("usage post", "12.34", "call-981") == {"status": "posted", "balance": "87.66"}
    assert run_json("usage post", "12.34", "call-981")["status"] == "duplicate"
    assert run_json("usage post", "1.00", "call-981", code=1)["status"] == "conflict"
    assert world.balance == "87.66"


def test_t12_a_hold_is_opened_changed_and_released(run_json):
    assert run_json("holds open", "call-7", "3.20", "--expires-in", 60)["state"] == "open"
    assert run_json("holds change", "call-7", "--amount", "4.80")["amount"] == "4.80"
    [held] = run_json("holds list")
    assert held == run_json("holds show", "call-7")
    assert run_json("holds release", "call-7")["state"] == "released"
    assert run_json("holds list") == []


def test_methods_are_listed_ordered_and_removed(run_json, world):
    visa, mastercard = world.cards(VISA, MASTERCARD)
    first, second = visa.id, mastercard.id
    assert run_json("methods order", second, first) == {"order": [second, first]}
    names = [method["name"] for method in run_json("methods list")["payment_methods"]]
    assert names == ["Mastercard •••• 4444", "Visa •••• 4242"]
    assert run_json("methods show", first)["position"] == 2
    assert run_json("methods remove", second)["removed"] == second
    assert run_json("methods order") == {"order": [first]}


def test_t1_settings_are_changed_together_or_not_at_all(run_json, flask, world):
    world.card(VISA)
    changed = run_json("low-balance set", "--refill", "--threshold", "50", "--refill-amount", "100")
    assert (changed["refill_on"], changed["threshold"]) == (True, "50.00")
    assert run_json("low-balance set", "--day-limit", "300.00")["threshold"] == "50.00"
    assert run_json("low-balance set", "--empty", "day-limit")["day_limit"] == "500.00"
    unlimited = run_json("low-balance set", "--no-day-limit")
    assert (unlimited["day_limit"], unlimited["no_day_limit"]) == (None, True)
    limited = run_json("low-balance set", "--day-limit", "300.00")
    assert (limited["day_limit"], limited["no_day_limit"]) == ("300.00", False)
    both = flask(f"low-balance set {world.account_id} --no-day-limit --day-limit 300.00")
    assert "day_limit: Leave this empty to have no daily limit" in both.stderr

    refused = flask(f"low-balance set {world.account_id} --notification --refill-amount 5.00")
    assert refused.exit_code == 1
    assert "refill_amount: At least $30.00" in refused.stderr
    assert run_json("low-balance show")["notification_on"] is False


def test_payments_exit_with_the_outcome(run_json, world):
    """L4, F4: exit codes are 0 for paid, 1 for declined and 3 for an unknown outcome."""
    world.cards(VISA)
    assert run_json("payments add", "30.00", "--key", "one")["state"] == "paid"
    assert run_json("payments add", "30.00", "--key", "one")["id"] == 2
    world.next_answer("decline", decline_code="insufficient_funds")
    failed = run_json("payments add", "40.00", code=1)
    assert run_json("payments retry", failed["id"])["state"] == "paid"
    world.next_answer("timeout_after_charge")
    unknown = run_json("payments add", "50.00", code=3)
    world.pass_time(seconds=11)
    assert run_json("payments show", unknown["id"])["state"] == "paid"
    assert world.charges == [("4242", "30.00"), ("4242", "40.00"), ("4242", "50.00")]

    listed = run_json("payments list", "--state", "failed")["payments"]
    assert [payment["id"] for payment in listed] == [failed["id"]]


def test_statement_and_activity_are_printed(run_json, world):
    world.card(DECLINING)
    world.use("12.5", "call-1")
    assert [entry["amount"] for entry in run_json("statement")["entries"]] == ["-12.50", "100.00"]
    assert run_json("activity")["next"].startswith("Nothing is charged")


def test_without_json_the_output_is_text(flask, world):
    world.cards(VISA)
    world.pay_by_chain("30.00")
    for line in ("payments list", "statement", "activity", "methods list", "holds list"):
        result = flask(f"{line} {world.account_id}")
        assert result.exit_code == 0, result.output
        assert "{" not in result.output
    assert "Visa •••• 4242, paid" in flask(f"payments show {world.account_id} 2").output


@pytest.mark.parametrize(
    "line",
    [
        "low-balance show",
        "statement",
        "activity",
        "usage post",
        "payments add",
        "payments list",
        "holds open",
        "holds list",
        "methods list",
        "methods order",
    ],
)
def test_an_unknown_account_is_reported_in_one_line(flask, line):
    arguments = {"usage post": "1.00 x", "payments add": "30.00", "holds open": "x 1.00"}.get(
        line, ""
    )
    result = flask(f"{line} 999 {arguments}")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "was not found" in result.stderr


def test_every_account_is_also_named_by_the_providers_own_id_v2(app, flask, world):
    """V2: as in the API."""

    def kinds(command):
        parts = getattr(command, "commands", {}).values()
        own = [it.type for it in command.params if it.name == "account"]
        return own + [it for part in parts for it in kinds(part)]

    found = [it for command in app.cli.commands.values() for it in kinds(command)]
    assert len(found) > 30
    assert {type(it) for it in found} == {AccountId}

    change_account(world.ctx, world.account_id, {"external_id": "cust-7"})
    shown = flask("accounts show external:cust-7 --json")
    assert json.loads(shown.stdout)["id"] == world.account_id
    posted = flask("usage post external:cust-7 1.00 call-1 --json")
    assert json.loads(posted.stdout)["balance"] == "99.00"
    assert flask("keys list external:cust-7").exit_code == 0
    unknown = flask("statement external:cust-8")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
    assert "was not found" in unknown.stderr
    wrong = flask("statement cust-7")
    assert wrong.exit_code == 2
    assert "external: and your own id" in wrong.stderr


def test_shell_completion_works(app):
    environ = {
        **os.environ,
        "FLASK_APP": "wsgi",
        "BALLAST_HOME": str(app.extensions["ballast"].settings.home),
        "_FLASK_COMPLETE": "bash_complete",
        "COMP_WORDS": "flask payments re",
        "COMP_CWORD": "2",
    }
    flask = Path(sys.executable).with_name("flask")
    root = ROOT
    result = subprocess.run([flask], cwd=root, env=environ, capture_output=True, text=True)
    assert result.stdout == "plain,retry\n", result.stderr


TO_FILES_OR_FOR_GOOD = {
    "backup", "restore", "move-to", "jobs start", "db", "demo announce", "run", "shell", "routes",
}  # fmt: skip
"""Commands that print no record: they write a file, replace a database, or do not end."""


def test_every_command_that_prints_or_changes_a_record_has_json(app):
    def without(command, path):
        if hasattr(command, "commands"):
            return [
                it for name, part in command.commands.items() for it in without(part, [*path, name])
            ]
        has = any("--json" in getattr(option, "opts", ()) for option in command.params)
        return [] if has else [" ".join(path)]

    found = {name for part, it in app.cli.commands.items() for name in without(it, [part])}
    left = {it for it in found if not it.startswith(tuple(TO_FILES_OR_FOR_GOOD))}
    assert left == set()
