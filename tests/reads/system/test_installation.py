"""Findings about an installation's setup before it goes live."""

import logging
from dataclasses import replace

import pytest

from tests.conftest import settings_in
from tests.factories import VISA, micros
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.reads.system.installation import (
    DEMO_EMAIL,
    Severity,
    Sightings,
    findings_of_settings,
    read_installation,
)

LONG_KEY = "k" * 32
STRIPE_LIVE = {
    "DEMO": "",
    "CARD_PROCESSOR": "stripe",
    "STRIPE_SECRET_KEY": "sk_live_1",
    "STRIPE_PUBLISHABLE_KEY": "pk_live_1",
    "STRIPE_WEBHOOK_SECRET": "whsec_1",
}
PAYPAL_LIVE = {
    **STRIPE_LIVE,
    "PAYPAL_PROCESSOR": "paypal",
    "PAYPAL_CLIENT_ID": "client",
    "PAYPAL_CLIENT_SECRET": "hush",
    "PAYPAL_WEBHOOK_ID": "WH-1",
}
TRUSTED = Sightings()


@pytest.fixture
def found(home, world):
    """Returns codes and severities of the findings for the data and these settings."""

    def read(**environ):
        world.session.rollback()
        settings = settings_in(home, **environ)
        findings = read_installation(world.ctx, settings, TRUSTED)
        return {(it.code, it.severity) for it in findings}

    return read


def of_settings(tmp_path, **environ):
    findings = findings_of_settings(settings_in(tmp_path, **environ), TRUSTED)
    return {it.code: it for it in findings}


def debit(world, amount):
    adjust_balance(
        world.ctx,
        world.account_id,
        -micros(amount),
        "Taken off before going live",
        request_key=f"debit-{amount}",
    )


@pytest.mark.parametrize("live", [STRIPE_LIVE, PAYPAL_LIVE], ids=["stripe", "stripe and paypal"])
def test_the_demo_account_is_refused_with_live_keys(found, world, live):
    assert found(**live) == set()
    world.account(email=DEMO_EMAIL, balance=None)
    assert found(**live) == {("demo_account", Severity.REFUSE)}
    assert found(DEMO="1") == set()


def test_sandbox_balance_is_refused_with_live_keys_until_it_is_used(found, world):
    """Other credits remain, such as an operator's 100.00 here."""
    world.pay(world.card(VISA), "30.00")
    assert world.balance == "130.00"
    assert found(**STRIPE_LIVE) == {("sandbox_credits", Severity.REFUSE)}
    assert found(DEMO="1") == set()
    debit(world, "29.99")
    assert found(**STRIPE_LIVE) == {("sandbox_credits", Severity.REFUSE)}
    debit(world, "0.01")
    assert found(**STRIPE_LIVE) == set()
    world.use("60.00")
    assert found(**STRIPE_LIVE) == set()


@pytest.mark.parametrize(
    ("environ", "severity"),
    [
        ({}, Severity.WARN),
        ({"PUBLIC_URL": "http://ballast.internal"}, Severity.WARN),
        ({"PUBLIC_URL": "https://billing.example.com"}, Severity.REFUSE),
        (STRIPE_LIVE, Severity.REFUSE),
    ],
)
def test_a_short_secret_key_is_refused_except_in_a_local_demo(tmp_path, environ, severity):
    assert of_settings(tmp_path, SECRET_KEY="k" * 31, **environ)["secret_key"].severity is severity
    assert "secret_key" not in of_settings(tmp_path, SECRET_KEY=LONG_KEY, **environ)
    # The key that Ballast generates is long enough.
    assert "secret_key" not in of_settings(tmp_path, SECRET_KEY="", **environ)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_listening_on_all_interfaces_without_a_public_url_is_reported(tmp_path, host):
    finding = of_settings(tmp_path, HOST=host)["public_url"]
    assert finding.severity is Severity.WARN
    assert "PUBLIC_URL" in finding.sentence
    assert of_settings(tmp_path, HOST=host, PUBLIC_URL="https://b.example") == {}
    assert of_settings(tmp_path, HOST="127.0.0.1") == {}


def test_a_sandbox_outside_the_demo_is_reported(tmp_path):
    """Including sandbox PayPal agreements with Stripe's test keys."""
    stripe_test = {name: value.replace("live", "test") for name, value in STRIPE_LIVE.items()}
    for environ in ({"DEMO": "0"}, stripe_test):
        assert "no real money moves" in of_settings(tmp_path, **environ)["sandbox"].sentence
    for environ in ({"DEMO": "1"}, {"DEMO": "auto"}, STRIPE_LIVE):
        assert of_settings(tmp_path, **environ) == {}


def test_a_currency_without_all_amounts_is_reported_l1(tmp_path):
    environ = {"DEMO": "1", "PAYMENT_MIN": "USD=30.00,EUR=30.00", "USAGE_MAX": "USD=1000.00"}
    finding = of_settings(tmp_path, **environ)["incomplete_currency"]
    assert finding.severity is Severity.WARN
    assert finding.sentence == "EUR is not offered: USAGE_MAX sets no amount of it"


def test_accounts_in_a_currency_without_amounts_stop_the_start_l1(found):
    """L1: their charges would have no bounds."""
    assert ("currency_not_offered", Severity.REFUSE) not in found()
    assert ("currency_not_offered", Severity.REFUSE) in found(
        CURRENCY="EUR", PAYMENT_MAX="EUR=500.00"
    )


def test_accounts_with_default_amounts_beside_own_ones_are_reported_l1(found, home, world):
    """L1: a maximum of 500.00 dollars leaves 10,000.00 euros to an account in euros."""
    own = {"PAYMENT_MAX": "500.00", "USAGE_MAX": "20.00"}
    assert ("default_amounts", Severity.WARN) not in found(**own)

    world.account(currency="EUR")

    assert ("default_amounts", Severity.WARN) not in found()
    world.session.rollback()
    findings = read_installation(world.ctx, settings_in(home, **own), TRUSTED)
    (finding,) = [it for it in findings if it.code == "default_amounts"]
    assert finding.sentence == (
        "Accounts have the currency EUR, and PAYMENT_MAX and USAGE_MAX have amounts of USD only: "
        "the default of EUR applies. Set a list, such as PAYMENT_MAX=USD=…,EUR=…"
    )


def test_files_readable_by_others_are_reported(home):
    """Ballast closes its files at start; files of another user may stay open."""
    settings = settings_in(home)
    database = home / "ballast.db"
    database.chmod(0o644)
    assert findings_of_settings(settings, TRUSTED) == ()  # the folder is closed to others
    home.chmod(0o755)
    (finding,) = findings_of_settings(settings, TRUSTED)
    assert (finding.code, finding.severity) == ("open_files", Severity.WARN)
    assert finding.sentence.endswith(f"chmod go= {home} {database}")


# Requests, probes and operators


def proxied(client):
    return client.get("/sign-in", headers={"X-Forwarded-For": "203.0.113.9"})


def test_an_untrusted_proxy_is_logged_once_and_reported(app, client, sign_in, operator, caplog):
    assert client.get("/readyz").text == "ready\n"
    outside = {"REMOTE_ADDR": "192.0.2.7"}
    client.get("/sign-in", headers={"X-Forwarded-For": "203.0.113.9"}, environ_base=outside)
    assert client.get("/readyz").text == "ready\n"

    with caplog.at_level(logging.WARNING, "webapp.web.http.trusted_proxies"):
        proxied(client)
        proxied(client)

    assert [record.name for record in caplog.records] == ["webapp.web.http.trusted_proxies"]
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.text.startswith("ready\nwarning: A proxy on this host sends X-Forwarded-For")
    assert "set TRUSTED_PROXIES to the number of proxies" in sign_in(operator).get("/operator").text


@pytest.mark.parametrize("environ", [{"TRUSTED_PROXIES": "1"}])
def test_a_trusted_proxy_is_not_reported(client, environ):
    proxied(client)
    assert client.get("/readyz").text == "ready\n"


def test_a_refusal_fails_readiness_and_a_warning_does_not(app, world, client, sign_in, operator):
    """Other metrics are still exported."""
    settings = world.services.settings

    def set_to(**changed):
        app.extensions["ballast"] = replace(
            world.services, settings=settings.model_copy(update=changed)
        )
        return client.get("/readyz", headers={"Accept": "application/json"})

    answer = set_to(secret_key="short")
    assert (answer.status_code, answer.json["ready"]) == (200, True)
    assert [line["code"] for line in answer.json["warnings"]] == ["secret_key"]

    answer = set_to(secret_key="short", public_url="https://billing.example.com")
    assert (answer.status_code, answer.json["ready"]) == (503, False)
    assert [line["code"] for line in answer.json["troubles"]] == ["secret_key"]
    assert "ballast_ready 0.0" in client.get("/metrics").text
    assert "ballast_unsent_mails" in client.get("/metrics").text
    page = sign_in(operator).get("/operator").text
    assert "Fix now" in page
    assert "SECRET_KEY is shorter than 32 characters" in page
