"""Clients that three generators make of the document do the main job on a running server."""

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import on_sqlite
from tests.factories import VISA
from webapp.api import OPERATIONS
from webapp.api.reference import document
from webapp.settings import ROOT

FACTS = {
    "threshold": "50.00",
    "available": "80.00",
    "statuses": ["posted", "duplicate"],
    "payment": ["paid", "Visa •••• 4242"],
    "secret": "whsec_",
    "balance": "117.66",
    "amounts": ["30.00"],
    "problem": ["invalid", ["amount"]],
}
"""What each client reads while it does the main job."""

TOOLS = Path(sys.executable).parent


def run(*command, **options):
    path = f"{TOOLS}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "PYTHONIOENCODING": "utf-8", **options.pop("env", {})}
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        encoding="utf-8",
        env=environ,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def spec(address, tmp_path):
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document.build(OPERATIONS, address)))
    return file


@on_sqlite
def test_a_python_client_does_the_main_job(spec, address, tmp_path, monkeypatch, world):
    world.card(VISA)
    name = "ballast_made_client"
    options = ("--meta", "none", "--path", spec, "--output-path", tmp_path / name)
    made = run("openapi-python-client", "generate", *options, cwd=tmp_path)
    # The generator warns that it does not support text/csv; everything else is generated.
    assert made.stderr.count("WARNING") == 1, made.stderr
    assert "Unsupported content type text/csv" in made.stderr
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert python_client(name, address, world.created.api_key) == FACTS
    finally:
        for module in [it for it in sys.modules if it.partition(".")[0] == name]:
            del sys.modules[module]


def python_client(name, address, key):
    models = importlib.import_module(f"{name}.models")
    client = importlib.import_module(name).AuthenticatedClient(base_url=address, token=key)

    def api(path):
        return importlib.import_module(f"{name}.api.{path}")

    read = api("low_balance_settings.read_low_balance_settings").sync_detailed(client=client)
    settings = api("low_balance_settings.replace_low_balance_settings").sync(
        client=client,
        if_match=read.headers["ETag"],
        body=models.NewSettings(
            refill_on=True, notification_on=False, threshold="50.00", refill_amount="100.00"
        ),
    )
    new_hold = models.NewHold(reference="call-981", amount="20.00", expires_in=60)
    hold = api("holds.open_hold").sync(client=client, body=new_hold)
    post = api("usage.post_usage").sync
    record = models.UsageRecord(amount="12.34", reference="call-981")
    posted = post(client=client, body=record)
    repeated = post(client=client, body=models.UsageRecords([record]))
    payment = api("payments.create_payment").sync(
        client=client, body=models.NewPayment("30.00"), idempotency_key="one"
    )
    paid = models.EndpointAskedEventsItem.PAYMENT_SUCCEEDED
    asked = models.EndpointAsked("https://example.com/hooks", [paid])
    endpoint = api("webhooks.add_webhook_endpoint").sync(client=client, body=asked)
    balance = api("balance.read_balance").sync(client=client)
    paid = api("payments.list_payments").sync(
        client=client, limit=1, state=models.PaymentState.PAID
    )
    refused = post(client=client, body=models.UsageRecord("0", "call-982"))
    return {
        "threshold": settings.threshold,
        "available": hold.available,
        "statuses": [posted.status, repeated.records[0].status],
        "payment": [payment.state, payment.attempts[0].method_name],
        "secret": endpoint.secret[:6],
        "balance": balance.balance,
        "amounts": [it.amount for it in paid.payments],
        "problem": [refused.code, list(refused.errors.additional_properties)],
    }


@on_sqlite
def test_a_strict_typescript_client_does_the_main_job(spec, address, tmp_path, world):
    found = subprocess.run([ROOT / "tests/lint/node.sh"], capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    world.card(VISA)
    env = {"PATH": found.stdout.strip()}
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(Path(__file__).with_name("main_job.ts"), tmp_path)
    run("openapi-typescript", spec, "--output", "schema.ts", cwd=tmp_path, env=env)
    strict = ("--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes")
    target = ("--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom")
    run("tsc", *strict, *target, "main_job.ts", cwd=tmp_path, env=env)

    done = run("node", "main_job.js", address, world.created.api_key, cwd=tmp_path, env=env)

    assert json.loads(done.stdout) == FACTS


@on_sqlite
def test_a_bash_client_does_the_main_job(spec, address, tmp_path, world):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    world.card(VISA)
    run("openapi-generator-cli", "generate", "-g", "bash", "-i", spec, "-o", tmp_path / "made")

    def call(operation, *arguments, options=(), body=None):
        sent = [f"--body={json.dumps(body)}"] if body else []
        key = f"Authorization:Bearer {world.created.api_key}"
        client = (
            "bash",
            tmp_path / "made/client.sh",
            "--silent",
            "--content-type",
            "json",
            *options,
        )
        return run(*client, "--host", address, operation, key, *arguments, *sent).stdout

    assert bash_client(call) == FACTS


def bash_client(call):
    def ask(*arguments, **body):
        return json.loads(call(*arguments, body=body))

    head = call("readLowBalanceSettings", options=["--include"])
    [etag] = re.findall('^ETag: "(.+)"', head, re.MULTILINE)
    settings = ask(
        "replaceLowBalanceSettings",
        # The client's quotes are lost in its own shell command.
        f'If-Match:\\"{etag}\\"',
        refill_on=True,
        notification_on=False,
        threshold="50.00",
        refill_amount="100.00",
    )
    hold = ask("openHold", reference="call-981", amount="20.00", expires_in=60)
    record = {"amount": "12.34", "reference": "call-981"}
    posted = ask("postUsage", **record)
    repeated = ask("postUsage", records=[record])
    payment = ask("createPayment", "Idempotency-Key:one", amount="30.00")
    asked = {"url": "https://example.com/hooks", "events": ["payment.succeeded"]}
    endpoint = ask("addWebhookEndpoint", **asked)
    balance = ask("readBalance")
    paid = ask("listPayments", "limit=1", "state=paid")
    refused = ask("postUsage", amount="0", reference="call-982")
    return {
        "threshold": settings["threshold"],
        "available": hold["available"],
        "statuses": [posted["status"], repeated["records"][0]["status"]],
        "payment": [payment["state"], payment["attempts"][0]["method_name"]],
        "secret": endpoint["secret"][:6],
        "balance": balance["balance"],
        "amounts": [it["amount"] for it in paid["payments"]],
        "problem": [refused["code"], list(refused["errors"])],
    }
