"""What no page leads to, and anybody can ask for."""

import pytest


@pytest.mark.parametrize(
    "address", ["/settings/data/progress?key=%00", "/billing/payments/returned?key=%00"]
)
def test_what_no_database_can_look_for_counts_as_not_sent(client, address):
    assert client.get(address).text == client.get(address.removesuffix("%00")).text


def test_nor_can_an_operator_search_for_it(world, sign_in, operator):
    assert "Harbour Voice" in sign_in(operator).get("/operator?search=%00").text
