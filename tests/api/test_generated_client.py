"""A client generated from the document can do the main job."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import on_sqlite
from tests.factories import VISA
from webapp.api.reference import document

NAME = "ballast_made_client"


@pytest.fixture
def made(app, address, tmp_path, monkeypatch):
    spec = tmp_path / "openapi.json"
    spec.write_text(json.dumps(document.build(app, address)))
    command = [
        Path(sys.executable).with_name("openapi-python-client"),
        *("generate", "--meta", "none", "--path", spec, "--output-path", tmp_path / NAME),
    ]
    # The generator looks for its formatter on the PATH.
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environ)
    assert run.returncode == 0, run.stdout + run.stderr
    # The generator warns that it does not support text/csv; everything else is generated.
    assert run.stderr.count("WARNING") == 1, run.stderr
    assert "Unsupported content type text/csv" in run.stderr
    monkeypatch.syspath_prepend(tmp_path)
    yield lambda path: importlib.import_module(f"{NAME}.{path}" if path else NAME)
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


@on_sqlite
def test_a_generated_client_switches_refill_on_and_posts_usage(made, address, world):
    world.card(VISA)
    models = made("models")
    client = made("").AuthenticatedClient(base_url=address, token=world.created.api_key)
    settings = made("api.low_balance_settings.read_low_balance_settings").sync_detailed(
        client=client
    )

    applied = made("api.low_balance_settings.replace_low_balance_settings").sync(
        client=client,
        if_match=settings.headers["ETag"],
        body=models.NewSettings(
            refill_on=True, notification_on=False, threshold="50.00", refill_amount="100.00"
        ),
    )
    assert applied.threshold == "50.00"

    usage = made("api.usage.post_usage")
    record = models.UsageRecord(amount="60.00", reference="call-981")
    for _ in range(2):
        posted = usage.sync(client=client, body=record, idempotency_key="call-981")
        assert (posted.balance, posted.status) == ("40.00", "posted")
    world.work()

    [payment] = made("api.payments.list_payments").sync(client=client, limit=1).payments
    assert (payment.state, payment.amount, payment.kind) == ("paid", "100.00", "automatic")
    assert made("api.balance.read_balance").sync(client=client).balance == "140.00"

    refused = usage.sync(client=client, body=models.UsageRecord("0", "call-982"))
    assert (refused.code, list(refused.errors.additional_properties)) == ("invalid", ["amount"])
