"""The events of all accounts, and the provider's webhook endpoints, on the command line (V7)."""

import json


def test_the_command_line_manages_the_providers_endpoints_and_lists_events(flask, world):
    """V7"""
    made = json.loads(flask("provider-webhooks add https://switch.example.com/in --json").stdout)
    assert flask("provider-webhooks list").stdout.split()[:2] == [str(made["id"]), "on"]
    assert flask(f"provider-webhooks test {made['id']}").exit_code == 0
    assert "test" in flask(f"provider-webhooks deliveries {made['id']}").stdout
    assert flask(f"provider-webhooks rotate {made['id']} --json").exit_code == 0
    assert flask(f"webhooks remove {world.account_id} {made['id']}").exit_code == 1
    assert flask(f"provider-webhooks remove {made['id']}").exit_code == 0
    world.use("100.00")
    page = json.loads(flask("events list --type balance.exhausted --json").stdout)
    assert [event["type"] for event in page["events"]] == ["balance.exhausted"]
    assert flask(f"events list --after {page['next_after']}").stdout == "No more events.\n"
