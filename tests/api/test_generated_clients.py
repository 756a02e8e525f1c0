"""Clients that three generators make of the document do the main job on a running server.

Two of them are the packages of `clients/`, which also repeat requests and post usage in batches.
"""

import importlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from werkzeug.serving import make_server

from tests import host
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

MANY = 2_500
"""Usage records that a client posts while the server loses answers and dies."""
OUTCOME = {
    "endpoints": 1,
    "not_repeated": True,
    "refused": [["many-1", "conflict", []], ["many-2", "invalid", ["amount"]]],
    "unsent": ["late-1"],
}
"""What each client of `clients/` reads from a server that loses answers and dies."""

TOOLS = Path(sys.executable).parent
CLIENTS = ROOT / "clients"
SYSTEM = "/usr/bin:/bin"


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


class Unreliable:
    """The application on a port of its own, which loses answers, is busy or dies as planned."""

    def __init__(self, app):
        self._app, self._port = app, host.free_port()
        self.address = f"http://127.0.0.1:{self._port}"
        self.plan = []
        """What happens to the next requests; a client can set it by a request to `/plan`."""
        self.keys = []
        """Method, path and `Idempotency-Key` of each request."""
        self._server = None
        self.start()

    def start(self):
        self._server = make_server("127.0.0.1", self._port, self, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def __call__(self, environ, start_response):
        if environ["PATH_INFO"] == "/plan":
            length = int(environ["CONTENT_LENGTH"])
            self.plan = json.loads(environ["wsgi.input"].read(length))
            start_response("204 No Content", [])
            return [b""]
        key = environ.get("HTTP_IDEMPOTENCY_KEY")
        self.keys.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], key))
        what = self.plan.pop(0) if self.plan else "answer"
        if what == "busy":
            start_response("429 Too Many Requests", [("Retry-After", "1")])
            return [b"{}"]
        if what == "die":
            threading.Thread(target=self._die).start()
        answer = self._app(environ, start_response)
        if what in ("lose", "die"):
            answer.close()
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return answer

    def _die(self):
        self.stop()
        time.sleep(0.5)
        self.start()


@pytest.fixture
def unreliable(app):
    server = Unreliable(app)
    yield server
    server.stop()


def check_ledger(world, server, before):
    """Check that each record was posted once, however often it was sent, and the keys."""
    used = Decimal("0.01") * (MANY - 2) + Decimal("1.00")
    assert Decimal(before) - Decimal(world.balance) == used
    sent = [(path.rpartition("/")[2], key) for method, path, key in server.keys if method == "POST"]
    endpoints = [key for noun, key in sent if noun == "webhook-endpoints"]
    assert len(endpoints) == 3
    assert len(set(endpoints) - {None}) == 1
    assert len([noun for noun, key in sent if noun == "usage" and key is None]) > MANY / 1_000


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_a_build_without_its_tools_says_how_to_install_them(tmp_path, language):
    """In one line, outside of a checkout with the tools."""
    folder = shutil.copytree(CLIENTS / language, tmp_path / "clients" / language)
    done = subprocess.run(
        [folder / "build.sh", "openapi.json", tmp_path],
        capture_output=True,
        text=True,
        env={"PATH": SYSTEM},
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "not found" in done.stderr
    assert "install" in done.stderr


@on_sqlite
def test_the_python_package(spec, address, unreliable, tmp_path, monkeypatch, world):
    """L12: built as a wheel, it does the main job, repeats what is safe, and loses no usage."""
    world.card(VISA)
    # As docs/api.md prints it: the script finds the tools in .venv.
    made = run(CLIENTS / "python/build.sh", spec, tmp_path, env={"PATH": SYSTEM})
    # The generator warns that it does not support text/csv; everything else is generated.
    assert made.stderr.count("WARNING") == 1, made.stderr
    assert "Unsupported content type text/csv" in made.stderr
    [wheel] = tmp_path.glob("ballast_client-*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    typed = ("--strict", "--follow-imports=silent", "--no-incremental", "ballast_client/client.py")
    run("mypy", *typed, cwd=tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    try:
        assert python_client("ballast_client", address, world.created.api_key) == FACTS
        world.use("9.00", "many-1")  # which another amount will conflict with
        before = world.balance
        assert python_repeats(unreliable, world.created.api_key) == OUTCOME
        check_ledger(world, unreliable, before)
    finally:
        for module in [it for it in sys.modules if it.partition(".")[0] == "ballast_client"]:
            del sys.modules[module]


def python_client(name, address, key):
    models = importlib.import_module(f"{name}.generated.models")
    client = importlib.import_module(name).connect(address, key)

    def api(path):
        return importlib.import_module(f"{name}.generated.api.{path}")

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


def python_repeats(server, key):
    package = importlib.import_module("ballast_client")
    models = importlib.import_module("ballast_client.generated.models")
    api = "ballast_client.generated.api"
    add = importlib.import_module(f"{api}.webhooks.add_webhook_endpoint")
    listed = importlib.import_module(f"{api}.webhooks.list_webhook_endpoints")
    put = importlib.import_module(f"{api}.payment_methods.set_auto_charge")
    client = package.connect(server.address, key, attempts=9, backoff=0.05)

    server.plan = ["lose", "busy"]
    asked = [models.EndpointAskedEventsItem.PAYMENT_SUCCEEDED]
    started = time.monotonic()
    add.sync(client=client, body=models.EndpointAsked("https://example.com/other", asked))
    assert time.monotonic() - started >= 1  # as `Retry-After` says
    urls = [it.url for it in listed.sync(client=client).webhook_endpoints]

    server.plan = ["lose"]
    with pytest.raises(httpx.TransportError):
        put.sync(1, client=client, body=models.Consent(on=True))
    not_repeated = server.plan == [] and server.keys[-1][0] == "PUT"

    server.plan = ["lose", "busy", "answer", "die"]
    refused, late = [], models.UsageRecord("1.00", "late-1")
    with package.UsageQueue(client, on_refused=refused.extend, seconds=0.05) as usage:
        for number in range(MANY):
            amount = "x" if number == 2 else "0.01"
            usage.add(models.UsageRecord(amount, f"many-{number}"))

    nobody = f"http://127.0.0.1:{host.free_port()}"
    cut_off = package.connect(nobody, key, attempts=2, backoff=0.05)
    usage = package.UsageQueue(cut_off, on_refused=refused.extend)
    usage.add(late)
    with pytest.raises(package.Unsent) as unsent:
        usage.close()
    with package.UsageQueue(client, on_refused=refused.extend) as usage:
        for record in unsent.value.records:
            usage.add(record)
    return {
        "endpoints": urls.count("https://example.com/other"),
        "not_repeated": not_repeated,
        "refused": [[it.record.reference, it.status, list(it.errors)] for it in refused],
        "unsent": [it.reference for it in unsent.value.records],
    }


@on_sqlite
def test_the_typescript_package(spec, address, unreliable, tmp_path, world):
    """L12: packed by npm, it does the main job under strict types, and the same as in Python."""
    found = subprocess.run([ROOT / "tests/lint/node.sh"], capture_output=True, text=True)
    if found.returncode != 0:
        pytest.skip(found.stderr.strip())
    world.card(VISA)
    env, key = {"PATH": found.stdout.strip()}, world.created.api_key
    outside = env["PATH"].partition(":")[2]  # the script finds the tools in node_modules
    run(CLIENTS / "typescript/build.sh", spec, tmp_path, env={"PATH": outside})
    modules = tmp_path / "node_modules"
    modules.mkdir()
    [packed] = tmp_path.glob("ballast-client-*.tgz")
    with tarfile.open(packed) as package:
        package.extractall(tmp_path, filter="data")
    (tmp_path / "package").rename(modules / "ballast-client")
    for name in ("openapi-fetch", "openapi-typescript-helpers"):
        (modules / name).symlink_to(ROOT / "node_modules" / name)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    scripts = ("main_job.ts", "repeats.ts")
    for script in scripts:
        shutil.copy(Path(__file__).with_name(script), tmp_path)
    strict = ("--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes")
    target = ("--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom")
    run("tsc", *strict, *target, *scripts, cwd=tmp_path, env=env)

    done = run("node", "main_job.js", address, key, cwd=tmp_path, env=env)
    assert json.loads(done.stdout) == FACTS
    world.use("9.00", "many-1")
    before = world.balance
    nobody = f"http://127.0.0.1:{host.free_port()}"
    done = run("node", "repeats.js", unreliable.address, key, nobody, cwd=tmp_path, env=env)
    assert json.loads(done.stdout) == OUTCOME
    check_ledger(world, unreliable, before)


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
