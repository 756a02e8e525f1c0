"""Addresses with a NUL character, which no page links to."""

import pytest


@pytest.mark.parametrize(
    "address", ["/settings/data/progress?key=%00", "/billing/payments/returned?key=%00"]
)
def test_a_key_with_a_nul_character_is_ignored(client, address):
    assert client.get(address).text == client.get(address.removesuffix("%00")).text


def test_an_operators_search_for_a_nul_character_is_ignored(world, sign_in, operator):
    assert "Harbour Voice" in sign_in(operator).get("/operator?search=%00").text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_hold_with_a_nul_character_is_not_found(app, world, method):
    asked = {"method": method, "headers": {"Authorization": f"Bearer {world.key().key}"}}
    answer = app.test_client().open("/api/v1/holds/call%00", **asked)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
