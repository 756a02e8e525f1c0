"""`flask webhooks`."""

import json

import pytest

URL = "https://example.com/hooks"


def parsed(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def account_id(world):
    return world.account_id


@pytest.fixture
def made(flask, account_id):
    return parsed(flask(f"webhooks add {account_id} {URL} --name Books --event balance.low --json"))


def test_an_endpoint_is_added_listed_and_removed(flask, account_id, made):
    assert made["secret"].startswith("whsec_")
    [row] = parsed(flask(f"webhooks list {account_id} --json"))
    assert (row["url"], row["name"], row["events"]) == (URL, "Books", ["balance.low"])
    assert made["secret"] not in json.dumps(row)
    assert flask(f"webhooks remove {account_id} {made['id']}").exit_code == 0
    assert flask(f"webhooks list {account_id}").output == "No webhook endpoints.\n"


def test_an_endpoint_is_changed_in_part(flask, account_id, made):
    line = f"webhooks update {account_id} {made['id']}"
    changed = parsed(flask(f"{line} --url {URL}/2 --event balance.recovered --json"))
    assert (changed["url"], changed["name"], changed["events"]) == (
        f"{URL}/2", "Books", ["balance.recovered"],
    )  # fmt: skip
    named = parsed(flask(f"{line} --name Ledger --json"))
    assert named == changed | {"name": "Ledger"}
    refused = flask(f"{line} --url https://127.0.0.1/in")
    assert (refused.exit_code, "The address is private" in refused.stderr) == (1, True)


def test_an_endpoint_of_the_provider_is_changed(flask):
    made = parsed(flask(f"provider-webhooks add {URL} --json"))
    line = f"provider-webhooks update {made['id']} --event balance.exhausted --json"
    assert parsed(flask(line))["events"] == ["balance.exhausted"]


def test_a_test_event_is_sent_and_resent(flask, account_id, made):
    sent = parsed(flask(f"webhooks test {account_id} {made['id']} --json"))
    [row] = parsed(flask(f"webhooks deliveries {account_id} {made['id']} --json"))
    assert (row["id"], row["event"], row["state"]) == (sent["id"], "test", "owed")
    again = parsed(flask(f"webhooks resend {account_id} {sent['id']} --json"))
    assert again["message_id"] == sent["message_id"]


def test_an_endpoint_is_switched_and_its_secret_rotated(flask, account_id, made):
    new = parsed(flask(f"webhooks rotate {account_id} {made['id']} --json"))
    assert new["secret"] != made["secret"]
    assert parsed(flask(f"webhooks switch {account_id} {made['id']} off --json"))["on"] is False
    failed = flask(f"webhooks test {account_id} {made['id']}")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)
    assert parsed(flask(f"webhooks switch {account_id} {made['id']} on --json"))["on"] is True


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("webhooks add {account_id} http://example.com", 1, "url: Must begin with https://"),
        ("webhooks add {account_id} https://example.com --event test", 2, "balance.low"),
        ("webhooks add 999 https://example.com", 1, "The account was not found."),
        ("webhooks rotate {account_id} 999", 1, "The webhook endpoint was not found."),
        ("webhooks resend {account_id} 999", 1, "The delivery was not found."),
    ],
)
def test_an_error_is_reported_in_one_line(flask, account_id, line, code, message):
    failed = flask(line.format(account_id=account_id))
    assert failed.exit_code == code
    assert message in failed.stderr
