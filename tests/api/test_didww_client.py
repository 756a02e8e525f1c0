"""The public DIDWW client library against a running server."""

from dataclasses import replace
from decimal import Decimal

import pytest
from didww.client import DidwwClient
from didww.exceptions import DidwwApiError

from tests.factories import micros
from webapp.domain.accounts.account import Account


def test_the_client_reads_the_balance(address, world):
    world.use("36.6")
    world.session.get_one(Account, world.account_id).credit_limit = micros("5.00")
    world.session.commit()
    client = DidwwClient(api_key=world.created.api_key, base_url=f"{address}/v3")

    balance = client.balance().find().data

    assert balance.id == str(world.account_id)
    assert balance.type == "balances"
    assert balance.balance == "63.40"
    assert balance.credit == "5.00"
    assert Decimal(balance.total_balance) == Decimal(balance.balance) + Decimal(balance.credit)


def test_the_client_reports_a_wrong_key(address):
    client = DidwwClient(api_key="bk_wrong", base_url=f"{address}/v3")

    with pytest.raises(DidwwApiError, match="Unknown API key") as refused:
        client.balance().find()
    assert refused.value.status_code == 401


def test_the_client_reports_an_unknown_route(address, world):
    client = DidwwClient(api_key=world.created.api_key, base_url=f"{address}/v3")

    with pytest.raises(DidwwApiError, match="This path does not exist") as refused:
        client.regions().list()
    assert refused.value.status_code == 404


def test_the_client_reports_a_rate_limit(app, address, world):
    settings = app.extensions["ballast"].settings.model_copy(update={"api_requests_per_minute": 1})
    app.extensions["ballast"] = replace(app.extensions["ballast"], settings=settings)
    client = DidwwClient(api_key=world.created.api_key, base_url=f"{address}/v3")
    client.balance().find()

    with pytest.raises(DidwwApiError, match="Too many requests") as refused:
        client.balance().find()
    assert refused.value.status_code == 429
