"""`flask webhooks`, as an operator types it."""

import json

import pytest

URL = "https://example.com/hooks"


def said(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def of(world):
    return world.account_id


@pytest.fixture
def made(flask, of):
    return said(flask(f"webhooks add {of} {URL} --name Books --event balance.low --json"))


def test_one_is_added_listed_and_removed(flask, of, made):
    assert made["secret"].startswith("whsec_")
    [row] = said(flask(f"webhooks list {of} --json"))
    assert (row["url"], row["name"], row["events"]) == (URL, "Books", ["balance.low"])
    assert made["secret"] not in json.dumps(row)
    assert flask(f"webhooks remove {of} {made['id']}").exit_code == 0
    assert flask(f"webhooks list {of}").output == "No webhook endpoints.\n"


def test_a_test_is_sent_and_sent_again(flask, of, made):
    sent = said(flask(f"webhooks test {of} {made['id']} --json"))
    [row] = said(flask(f"webhooks deliveries {of} {made['id']} --json"))
    assert (row["id"], row["event"], row["state"]) == (sent["id"], "test", "owed")
    again = said(flask(f"webhooks resend {of} {sent['id']} --json"))
    assert again["message_id"] == sent["message_id"]


def test_its_secret_is_rotated_and_it_is_switched(flask, of, made):
    new = said(flask(f"webhooks rotate {of} {made['id']} --json"))
    assert new["secret"] != made["secret"]
    assert said(flask(f"webhooks switch {of} {made['id']} off --json"))["on"] is False
    failed = flask(f"webhooks test {of} {made['id']}")
    assert (failed.exit_code, failed.stderr.count("\n")) == (1, 1)
    assert said(flask(f"webhooks switch {of} {made['id']} on --json"))["on"] is True


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("webhooks add {of} http://example.com", 1, "url: Must begin with https://"),
        ("webhooks add {of} https://example.com --event test", 2, "balance.low"),
        ("webhooks add 999 https://example.com", 1, "The account was not found."),
        ("webhooks rotate {of} 999", 1, "The webhook endpoint was not found."),
        ("webhooks resend {of} 999", 1, "The delivery was not found."),
    ],
)
def test_a_fault_is_one_line(flask, of, line, code, told):
    failed = flask(line.format(of=of))
    assert failed.exit_code == code
    assert told in failed.stderr
