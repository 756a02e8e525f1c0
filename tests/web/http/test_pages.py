"""Properties of every page: security headers, texts, probes, and escaping."""

import re
from dataclasses import replace

import pytest

from tests.conftest import settings_in
from tests.factories import VISA, context, micros
from tests.web.conftest import words
from webapp.actions.usage.post_usage import post_usage
from webapp.app import create_app
from webapp.domain.accounts.account import Account
from webapp.domain.usage.record import Usage
from webapp.domain.users.user import User
from webapp.extensions import db

HTMX = {"HX-Request": "true"}
MAIN = "/billing/payment-methods"
PAGES = [
    MAIN, f"{MAIN}/cards/new", "/billing/payments", "/billing/funds/new",
    "/billing/funds/new?kind=auto_charge", "/billing/activity", "/billing/statement", "/sandbox",
    "/sandbox/outbox",
]  # fmt: skip
SECURITY_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
EVIL = '"><script>alert(1)</script>'


def all_paths(account_with_history):
    """Return the paths of pages, dialogs and fragments, including those with ids."""
    visa, failed = account_with_history.method("4242"), account_with_history.attempts[0]
    more = [f"{MAIN}/{visa.id}/removal", f"/billing/attempts/{failed.id}/retry", f"{MAIN}/refresh"]
    more += [f"/billing/payments/{failed.payment_id}"]
    mails = [f"/sandbox/outbox/{notice.id}" for notice in account_with_history.notices]
    return [*PAGES, *more, *mails, "/billing/balance", "/sign-in", "/nowhere"]


def test_every_response_has_the_security_headers(client, app, account_with_history):
    """P1: pages, fragments, redirects, errors and probes alike."""
    nobody = app.test_client()
    answers = [
        client.get(path, headers=h) for path in all_paths(account_with_history) for h in ({}, HTMX)
    ]
    answers += [nobody.get(MAIN), nobody.get(MAIN, headers=HTMX), nobody.get("/nowhere")]
    answers += [client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
    answers += [client.post(f"{MAIN}/order"), client.post("/billing/funds"), client.put(MAIN)]
    for answer in answers:
        where = (answer.request.path, answer.status_code)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value, (*where, name)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy, where
        assert "frame-ancestors 'none'" in policy, where
        assert "unsafe" not in policy, where


def test_pages_have_a_language_a_title_and_one_heading(client):
    """P5: what a screen reader says first."""
    for path in PAGES:
        page = client.get(path).text
        assert '<html lang="en">' in page, path
        assert re.search(r"<title>\w[^<]* · Ballast</title>", page), path
        assert len(re.findall(r"<h1\b", page)) == 1, path
        assert len(re.findall(r"<main\b", page)) == 1, path
    page = client.get(MAIN).text
    assert "<title>Payment Methods · Ballast</title>" in page
    assert "<h1>Payment Methods</h1>" in page


def test_pages_comply_with_the_content_security_policy(client, account_with_history):
    """No inline script and no inline style, which browsers would block silently."""
    for path in all_paths(account_with_history):
        page = client.get(path).text
        for script in re.findall(r"<script\b[^>]*>", page):
            assert " src=" in script, (path, script)
        assert not re.search(r"<[^>]+\son\w+=", page), path
        assert not re.search(r"<[^>]+\sstyle=", page), path
        assert "<style" not in page, path
        assert "javascript:" not in page, path
        assert not re.search(r'(src|href)="https?://', page), path


@pytest.mark.parametrize("name", ["account", "person", "usage", "cardholder"])
def test_user_input_is_escaped_everywhere(client, account_with_history, name):
    """P1: on every page and fragment, in attributes and in the chart's data."""
    session = account_with_history.session
    if name == "account":
        session.get(Account, account_with_history.account_id).name = EVIL
    elif name == "person":
        session.get(User, account_with_history.created.user_id).name = EVIL
    elif name == "cardholder":
        account_with_history.method("4242").cardholder = EVIL
    session.commit()
    usage = Usage(micros("1.00"), EVIL, account_with_history.clock.now(), EVIL)
    post_usage(
        context(session, now=account_with_history.clock.now(), policy=account_with_history.policy),
        account_with_history.account_id,
        [usage],
    )
    account_with_history.owner = replace(account_with_history.owner, name=EVIL)
    account_with_history.pay(account_with_history.method("4444"), "30.00")

    shown = 0
    for path in all_paths(account_with_history):
        for headers in ({}, HTMX):
            answer = client.get(path, headers=headers)
            assert answer.status_code in (200, 302, 404), path
            assert "<script>alert" not in answer.text, path
            assert f'="{EVIL}' not in answer.text, path
            shown += "&lt;script&gt;alert" in answer.text
    assert shown, "it stands somewhere, harmless"


def test_an_error_page_shows_no_trace(client, app, account_with_history):
    """It has the layout of Ballast and a way back."""
    nobody = app.test_client()
    for visitor in (client, nobody):
        answer = visitor.get("/nowhere")
        assert answer.status_code == 404
        assert "Page not found" in words(answer)
        assert "Ballast" in answer.text
        for path, verb in [("/healthz", visitor.post), (MAIN, visitor.delete)]:
            assert verb(path).status_code == 405
    for answer in (client.get("/nowhere"), client.post(f"{MAIN}/order")):
        assert "Traceback" not in answer.text
        assert "werkzeug" not in answer.text.lower()


def test_an_internal_error_is_logged_and_not_shown(app, client, world, caplog):
    """E1: the log has the trace; the person reads a sentence."""

    def broken():
        db.session.execute(db.text("SELECT secret FROM nowhere"))

    app.view_functions["activity.index"] = broken
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = client.get("/billing/activity")
    assert answer.status_code == 500
    assert "Something went wrong on our side" in words(answer)
    assert "secret" not in answer.text
    assert "SELECT secret" in caplog.text
    assert client.get(MAIN).status_code == 200


# The balance in the header


def seen_version(answer):
    return re.search(r"/billing/balance\?seen=(\d+)", answer.text)[1]


def test_polling_the_balance_returns_204_until_it_changes(client, world):
    """L1: then the balance, and the page refreshes its parts."""
    seen = seen_version(client.get(MAIN))
    answer = client.get(f"/billing/balance?seen={seen}", headers=HTMX)
    assert (answer.status_code, answer.text) == (204, "")
    assert "HX-Trigger" not in answer.headers

    world.use("10.005")
    answer = client.get(f"/billing/balance?seen={seen}", headers=HTMX)
    assert answer.status_code == 200
    assert answer.headers["HX-Trigger"] == "account-changed"
    assert "$89.99" in words(answer), "rounded down"
    assert "<html" not in answer.text
    seen = seen_version(answer)
    assert client.get(f"/billing/balance?seen={seen}", headers=HTMX).status_code == 204


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 30])
def test_a_poll_with_an_invalid_version_gets_the_balance(client, world, seen):
    assert client.get(f"/billing/balance?seen={seen}").status_code == 200


def test_every_change_is_reported_to_open_pages(client, world):
    """P1: people with the page open see the changes of others."""
    actions = [
        lambda: world.card(VISA),
        lambda: world.consent(world.methods[0], False),
        lambda: world.consent(world.methods[0], True),
        lambda: world.refill(),
        lambda: world.use("60.00"),
        lambda: world.work(),
    ]
    for action in actions:
        seen = seen_version(client.get(MAIN))
        action()
        assert client.get(f"/billing/balance?seen={seen}").status_code == 200
        assert client.get(f"{MAIN}/refresh", headers=HTMX).status_code == 200


def test_the_balance_is_on_every_billing_page(client, account_with_history):
    account_with_history.use("200.00")
    for path in PAGES[:7]:
        page = client.get(path)
        assert "−$60.00" in words(page), path
        assert "below zero" in words(page), path


def test_the_main_screen_has_its_accessible_names(client, account_with_history):
    """M1, M2, T13: for scripts and assistive technology; a wire is no row of the list."""
    page = client.get(MAIN)
    for name in (
        'aria-label="Reorder Visa •••• 4242"',
        'aria-label="Move Visa •••• 4242 up"',
        'aria-label="Move Visa •••• 4242 down"',
        'aria-label="Primary"',
        'aria-label="Auto-charge for Visa •••• 4242"',
        'role="switch"',
        'aria-label="More actions for Visa •••• 4242"',
    ):
        assert name in page.text, name
    for text in (
        "Payment Methods", "Add Payment Method", "Add Funds", "Low Balance Settings",
        "Automatically refill when threshold is reached", "Threshold amount", "Refill amount",
        "Low balance notification", "Notification threshold", "Apply Changes", "Retry",
        "Suspended until Tue 24 Nov, 10:00", "Insufficient funds",
        "we’ll charge $100.00 to Mastercard •••• 4444",
        "Visa •••• 4242 is skipped until Tue 24 Nov, 10:00.",
    ):  # fmt: skip
        assert text in words(page), text
    rows = re.findall(r'<li class="method', page.text)
    assert len(rows) == 3
    assert page.text.count('aria-label="Primary"') == 1


# Probes and metrics


def test_health_readiness_and_metrics_need_no_session(app, world):
    """L10: the metrics contain no names."""
    nobody = app.test_client()
    assert (nobody.get("/healthz").text, nobody.get("/readyz").text) == ("ok\n", "ready\n")
    (visa,) = world.cards(VISA)
    world.next_answer("timeout_after_charge")
    world.pay(visa, "30.00")
    world.clock.advance(seconds=42)
    answer = nobody.get("/metrics")
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain")
    for line in (
        "ballast_open_attempts 1.0",
        "ballast_oldest_open_attempt_seconds 42.0",
        "ballast_open_top_ups 0.0",
        "ballast_failed_mails 0.0",
    ):
        assert line in answer.text
    assert "4242" not in answer.text
    assert "Harbour" not in answer.text


def test_readiness_fails_without_tables(empty_database, tmp_path):
    """The process is still healthy, as a restart would not help."""
    bare = create_app(settings_in(tmp_path / "bare", DATABASE_URL=empty_database))
    visitor = bare.test_client()
    assert visitor.get("/healthz").status_code == 200
    assert visitor.get("/readyz").status_code == 503
    with bare.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("change", ["refresh", "auto-charge"])
def test_a_fragment_reads_nothing_for_the_page_around_it(client, world, monkeypatch, change):
    method = world.card(VISA)
    world.session.commit()
    monkeypatch.setattr("webapp.web.http.responses.read_shell", lambda *args, **more: 1 / 0)
    if change == "refresh":
        answer = client.get(f"{MAIN}/refresh", headers=HTMX)
    else:
        url = f"{MAIN}/{method.id}/auto-charge"
        answer = client.post(url, data={"on": "0"}, headers=HTMX)
    assert answer.status_code == 200
