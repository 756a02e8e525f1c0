"""What no page leads to, and anybody can ask for."""

import pytest


@pytest.mark.parametrize(
    "address", ["/settings/data/progress?key=%00", "/billing/payments/returned?key=%00"]
)
def test_what_no_database_can_look_for_counts_as_not_sent(client, address):
    assert client.get(address).text == client.get(address.removesuffix("%00")).text


def test_nor_can_an_operator_search_for_it(world, sign_in, operator):
    assert "Harbour Voice" in sign_in(operator).get("/operator?search=%00").text


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_nor_is_there_such_a_hold(app, world, method):
    asked = {"method": method, "headers": {"Authorization": f"Bearer {world.key().key}"}}
    answer = app.test_client().open("/api/v1/holds/call%00", **asked)
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")
