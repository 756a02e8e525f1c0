"""Attacks on the whole application: `make attack`; `make test` runs a short form (P1).

`test_planted_holes_are_found` proves that the fuzzing detects each kind of hole.
"""

import email
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from io import BytesIO
from ipaddress import ip_network

import pytest
from flask import Blueprint, request
from sqlalchemy import text

from tests import wires
from tests.attack.conftest import INPUTS
from tests.attack.fuzz import Route, Scripts, fuzz
from tests.attack.payloads import IMAGE, NAMES, SCRIPT
from tests.conftest import on_sqlite
from tests.factories import PASSWORD, resume_token
from tests.roles import address_of, form_of
from tests.smtp import smtp_mailer
from tests.web import matrix
from webapp.actions.accounts.create_account import create_account
from webapp.delivery.webhook_sender import PRIVATE, HttpWebhookSender
from webapp.domain.accounts.account import Account
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.notifications.outbox import Notice
from webapp.domain.shared.context import Actor
from webapp.domain.shared.errors import Invalid
from webapp.domain.shared.public_addresses import GLOBAL_IPV6, SPECIAL_IPV4, SPECIAL_IPV6
from webapp.domain.users import passwords
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import Membership, User
from webapp.extensions import csrf
from webapp.ports import Letter
from webapp.settings import ROOT

KEYED = {"/api/v1/": "Authorization", "/v3/": "Api-Key"}
MAIN = "/billing/payment-methods"


def routes(world, records):
    """Yield every route of the access matrix, with the headers of a permitted user."""
    for row in matrix.read():
        if row.method == "ANY" or row.rule.startswith("/static"):
            continue
        header = next((h for prefix, h in KEYED.items() if row.rule.startswith(prefix)), None)
        key = world.created.api_key
        headers = {header: f"Bearer {key}" if header == "Authorization" else key} if header else {}
        who = "operator" if row.rule.startswith("/operator") else "owner"
        form = {n: v for n, v in form_of(row, records).items() if isinstance(v, str)}
        json_ = bool(header) and row.method != "GET"
        yield Route(row.method, address_of(row.rule, records), form, headers, json_, who)


def describe(findings):
    return "\n".join(f"{finding.kind}: {finding.request}" for finding in findings[:20])


@on_sqlite
def test_fuzzed_requests_do_no_harm(world, records, visitor, rewind, tally):
    """P1: no server error, stack trace, partial write, injected markup or open redirect."""
    findings = list(fuzz(list(routes(world, records)), visitor, rewind, INPUTS))
    rewind()
    tally("fuzzed forms, URLs and JSON bodies", INPUTS, len(findings))
    assert not findings, describe(findings)


@on_sqlite
def test_planted_holes_are_found(app, home, records, visitor, rewind, tally):
    """The fuzzing finds each kind of hole that is planted here."""
    holes = Blueprint("holes", __name__, url_prefix="/holes")
    csrf.exempt(holes)

    @holes.post("/error")
    def error():
        return str(int(request.form["number"]))

    @holes.get("/echo")
    def echo():
        return f"<p>{request.args.get('words', '')}</p>"

    @holes.post("/half")
    def half():
        with closing(sqlite3.connect(home / "ballast.db")) as book, book:
            book.execute("UPDATE account SET name = 'half'")
        return "refused", 422

    @holes.get("/trace")
    def trace():
        return "Traceback (most recent call last)", 400

    @holes.get("/away")
    def away():
        return "", 303, {"Location": request.args.get("next", "/")}

    app.register_blueprint(holes)
    planted = [
        Route("POST", "/holes/error", {"number": "1"}, {}),
        Route("GET", "/holes/echo", {"words": "x"}, {}),
        Route("POST", "/holes/half", {"a": "1"}, {}),
        Route("GET", "/holes/trace", {}, {}),
        Route("GET", "/holes/away", {"next": "/"}, {}),
    ]
    findings = list(fuzz(planted, visitor, rewind, 250))
    kinds = {finding.kind.split(":")[0].split(" to ")[0] for finding in findings}
    wanted = {"status 500", "script in the page", "partial write", "stack trace", "open redirect"}
    tally("planted holes", len(planted), len(planted), "(all found)")
    assert wanted <= kinds


@on_sqlite
def test_signing_in_replaces_a_planted_session(app, world, tally):
    """Fixation: a planted session cookie is worthless after signing in."""
    who = world.session.get(User, world.created.user_id).email
    victim, thief = app.test_client(), app.test_client()
    with victim.session_transaction() as cookie:
        cookie["planted"] = "by somebody else"
    planted = victim.get_cookie("session").value
    form = {"email": who, "password": PASSWORD}
    assert victim.post("/sign-in", data=form).status_code == 303
    assert victim.get_cookie("session").value != planted
    thief.set_cookie("session", planted)
    assert thief.get(MAIN).status_code == 303
    with victim.session_transaction() as cookie:
        assert "planted" not in cookie
    victim.post("/sign-out")
    assert victim.get(MAIN).status_code == 303
    tally("session fixation", 3)


@on_sqlite
def test_no_post_without_a_csrf_token(app, records, visitor, rewind, tally):
    """CSRF: a missing token, an empty one, and one of another session."""
    app.config["WTF_CSRF_ENABLED"] = True
    page = visitor("stranger").get(MAIN).text
    other = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    exempt = re.compile(r"/sandbox/(cards|challenges|paypal)\b|/api/v1/|/v3/|/unsubscribe/")
    tried = 0
    for row in matrix.read():
        if row.method in ("GET", "ANY") or exempt.match(row.rule):
            continue
        who = "operator" if row.rule.startswith("/operator") else "owner"
        for token in ({}, {"csrf_token": ""}, {"csrf_token": other}):
            form = {**form_of(row, records), **token}
            answer = visitor(who).open(address_of(row.rule, records), method=row.method, data=form)
            assert answer.status_code == 400, (row, token)
            assert not rewind(), row
            tried += 1
    tally("forms without their own CSRF token", tried)


def test_line_breaks_inject_no_email_header(tmp_path, tally):
    """Line breaks in the subject, text and HTML of an email."""
    mailer = smtp_mailer(25)
    tried = 0
    for breaks in ("\r\n", "\n", "\r", "\x0b", "\u2028", "\r\n ", "=0A", "%0d%0a"):
        evil = f"Calls{breaks}Bcc: victim@evil.example{breaks}{breaks}<script>"
        letter = Letter(subject=evil, text=evil, html=evil, language="en")
        try:
            mail = email.message_from_bytes(mailer._compose(letter, ["bo@example.com"], "id@x", ""))
        except ValueError:
            pass  # rejected as a whole
        else:
            assert mail["Bcc"] is None, breaks
            assert mail.get_all("To") == ["bo@example.com"]
        tried += 1
    tally("line breaks in an email's subject", tried)


def test_no_webhook_reaches_an_internal_network(tally):
    """The first, middle and last address of every special range."""
    webhook_sender, tried = HttpWebhookSender(), 0
    eighths = [n for n in ip_network("::/0").subnets(new_prefix=3) if n != GLOBAL_IPV6]
    for network in (*SPECIAL_IPV4, *SPECIAL_IPV6, *eighths):
        for address in (network[0], network[network.num_addresses // 2], network[-1]):
            host = f"[{address}]" if address.version == 6 else str(address)
            assert webhook_sender.deliver(f"https://{host}/in", {}, b"").trouble == PRIVATE, host
            tried += 1
    tally("webhooks to special addresses", tried)


@on_sqlite
def test_no_common_password_is_accepted(app, world, tally):
    """Tries some common passwords, in other cases and widths, at sign-up."""
    fullwidth = {n: n + 0xFEE0 for n in range(0x21, 0x7F)}
    common = passwords._common_ones().split()[::500]
    for number, password in enumerate(common):
        spelled = (password, password.upper(), password.title(), password.translate(fullwidth))
        form = {"company": "Quay", "name": "Bo", "email": f"bo{number}@x.example"}
        for typed in spelled:
            answer = app.test_client().post("/sign-up", data={**form, "password": typed})
            assert answer.status_code == 422, typed
    tally("common passwords", 4 * len(common))


@on_sqlite
def test_names_with_line_breaks_are_refused(world, tally):
    """Names appear in email subjects, so they are one line from the start."""
    names = ("a\r\nBcc: x@evil.example", "a\nb", "a\x00b", "\u2028a\u2028b")
    for name in names:
        with pytest.raises(Invalid):
            create_account(
                world.ctx.by(Actor()),
                AccountChoice(name),
                OwnerChoice("n@example.com", "A", PASSWORD),
            )
    tally("names with line breaks", len(names))


@on_sqlite
def test_markup_in_every_stored_text_is_escaped(app, world, records, visitor, tally):
    """Stored XSS: company, people, files, references, descriptions, reasons, keys, titles."""
    session = world.session
    session.get_one(Account, world.account_id).name = f"Calls {SCRIPT}"
    session.get_one(User, world.created.user_id).name = f"Ana {IMAGE}"
    session.commit()
    owner, operator = visitor("owner"), visitor("operator")
    wire = records["wire_id"]
    for payload in (SCRIPT, IMAGE):
        file = {"proof": (BytesIO(wires.PDF + payload.encode()), f"{payload}.pdf")}
        owner.post(f"/billing/wire-transfers/{wire}/proofs", data=file)
        owner.post("/settings/profile/name", data={"name": payload})
        owner.post("/settings/api-keys", data={"name": payload, "scopes": "usage:write"})
        records_ = [{"amount": "1.00", "reference": payload, "description": payload}]
        key = {"Authorization": f"Bearer {world.created.api_key}"}
        assert (
            app.test_client()
            .post("/api/v1/usage", json={"records": records_}, headers=key)
            .status_code
            == 201
        )
        form = {"amount": "1.00", "reason": payload, "request_key": f"{len(payload):032d}"}
        path = f"/operator/accounts/{world.account_id}"
        assert operator.post(f"{path}/adjustments", data=form).status_code == 303
        offer = {"on": "1", "reason": payload}
        assert operator.post(f"{path}/paypal", data=offer).status_code == 303
    operator.post(f"/operator/wires/{wire}/rejection", data={"reason": SCRIPT})
    tried, found = 0, []
    for row in matrix.read():
        if row.method != "GET" or row.rule.startswith(("/static", "/api", "/v3")):
            continue
        who = "operator" if row.rule.startswith("/operator") else "owner"
        for headers in ({}, {"HX-Request": "true"}):
            answer = visitor(who).get(address_of(row.rule, records), headers=headers, buffered=True)
            tried += 1
            if answer.mimetype == "text/html":
                page = answer.get_data(as_text=True)
                found += [(row.rule, script) for script in Scripts(page).found]
                assert "<script>xss(" not in page, row.rule
                assert "<img src=x" not in page, row.rule
    mailer = world.services.mailer
    for notice in session.query(Notice):
        html = mailer.render(
            notice.kind, dict(notice.facts) | {"reason": SCRIPT}, notice.language
        ).html
        found += [(notice.kind, script) for script in Scripts(html).found]
        tried += 1
    tally("pages and emails with markup in every stored text", tried, len(found))
    assert not found


@on_sqlite
def test_extra_form_fields_change_nothing(app, world, records, visitor, rewind, tally):
    """Mass assignment: a form cannot set identity, role or balance."""

    def guarded():
        world.session.rollback()
        rows = "SELECT user_id, account_id, role FROM membership ORDER BY 1, 2, 3"
        accounts = "SELECT id, currency, paypal_allowed FROM account"
        paused = "SELECT account_id, paused_by FROM low_balance_settings"
        others = f"SELECT * FROM account WHERE id <> {world.account_id}"
        staff = "SELECT * FROM operator"
        people = "SELECT id, email, totp_secret, created_at FROM user"
        return [
            world.session.execute(text(q)).all()
            for q in (rows, accounts, paused, others, staff, people)
        ]

    before, tried = guarded(), 0
    other = str(world.account_id + 1)
    evil = dict.fromkeys(NAMES, "1") | {"role": "owner", "account_id": other, "user_id": other}
    evil |= {"balance": "1000000000", "currency": "EUR", "email": "evil@evil.example"}
    may_change = re.compile(
        r"/operator|/settings/(users|second-factor|profile/email|invitations)|/sign-up|/invitations"
        r"|/reset-|/confirm-|/settings/ownership"
    )
    for row in matrix.read():
        if row.method in ("GET", "ANY") or may_change.match(row.rule):
            continue
        sent = form_of(row, records)
        form = {**{name: value for name, value in evil.items() if name not in sent}, **sent}
        visitor("owner").open(address_of(row.rule, records), method=row.method, data=form)
        assert guarded() == before, row
        rewind()
        tried += len(form) - len(sent)
    tally("extra form fields", tried)


@on_sqlite
def test_altered_replayed_and_foreign_signed_links_are_refused(
    app, world, records, visitor, rewind, tally
):
    """F7, F10: one changed character, another secret, another account, a second use."""
    token, tried = records["token"], 0
    owner = visitor("owner")
    for place in range(len(token)):
        # The last character of a signature has unused bits, so it is skipped.
        for other in ("A", "z") if place < len(token) - 1 else ():
            if token[place] == other:
                continue
            altered = token[:place] + other + token[place + 1 :]
            assert owner.get(f"/billing/authentications/{altered}").status_code == 404, place
            tried += 1
    forged = resume_token("another secret", int(records["attempt_id"]))
    assert owner.get(f"/billing/authentications/{forged}").status_code == 404
    assert visitor("stranger").get(f"/billing/authentications/{token}").status_code == 404
    form = {"request_key": "k" * 32}
    assert owner.post(f"/billing/authentications/{token}", data=form).status_code == 303
    again = owner.post(f"/billing/authentications/{token}", data={"request_key": "l" * 32})
    assert again.status_code == 409
    rewind()
    world.clock.advance(hours=48, seconds=1)
    late = owner.post(f"/billing/authentications/{token}", data={"request_key": "m" * 32})
    assert late.status_code in (401, 409)
    cookie = owner.get_cookie("session").value
    for place in range(0, len(cookie) - 1, 3):
        altered = cookie[:place] + ("A" if cookie[place] != "A" else "B") + cookie[place + 1 :]
        thief = app.test_client()
        thief.set_cookie("session", altered)
        assert thief.get("/settings/profile").status_code in (303, 400), place
        tried += 1
    assert world.session.query(Membership).count() > 0
    tally("signed links and cookies, altered or replayed", tried + 5)


REVIEWED = {
    # Joined from constants of the same file; values are bound.
    ("B608", "webapp/database/ledger_statements.py"),
    # A template's own output, which has escaped its input.
    ("B704", "webapp/web/templating/partial_cache.py"),
    # Markup rendered by a template, with its controls disabled; the reason is escaped.
    ("B704", "webapp/web/http/controls.py"),
    # Compared with HOST; nothing is bound.
    ("B104", "webapp/reads/system/installation.py"),
    # A QR code: lines and no text.
    ("B704", "webapp/web/templating/icons.py"),
}


def test_bandit_reports_only_reviewed_findings(tally):
    command = [sys.executable, "-m", "bandit", "-q", "-r", "webapp", "-ll", "-f", "json"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    report = json.loads(run.stdout)
    assert not report["errors"]
    found = {
        (result["test_id"], result["filename"].removeprefix("./")) for result in report["results"]
    }
    lines = report["metrics"]["_totals"]["loc"]
    tally(f"bandit over {lines:,} lines, medium and above", 1, len(found - REVIEWED))
    assert found - REVIEWED == set()
