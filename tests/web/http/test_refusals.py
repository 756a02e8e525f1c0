"""P5: a refusal is explained where the person is, with the way on."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.factories import VISA
from tests.web.conftest import words
from webapp.domain.accounts.account import Account
from webapp.domain.api_keys.api_key import Scope
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import User
from webapp.domain.webhooks.endpoint import CHOICES

MAIN = "/billing/payment-methods"
SCRIPT = {"HX-Request": "true"}
NOT_OURS = "on our side"


class Controls(HTMLParser):
    """The controls that a browser enables: in and of forms that post, and links to dialogs."""

    def __init__(self, page):
        super().__init__()
        self.form, self.posted, self.live, self.off = None, set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        it = dict(attributes)
        if tag == "form":
            self.form = it.get("action") if it.get("method") == "post" else None
            if self.form:
                self.posted.add(it.get("id"))
        is_control = tag in ("button", "input", "select", "textarea") and it.get("type") != "hidden"
        is_live = self.form or it.get("form") in self.posted - {None}
        if is_control and ("disabled" in it or it.get("aria-disabled")):
            self.off.append((self.form, it))
        elif is_control and is_live and it.get("type") != "button":
            self.live.append((self.form, it))
        elif tag == "a" and it.get("hx-target") == "#dialog":
            self.live.append(("dialog", it))
        elif tag == "a" and it.get("aria-disabled"):
            self.off.append(("dialog", it))

    def handle_endtag(self, tag):
        if tag == "form":
            self.form = None


@pytest.fixture
def viewing_operator(operator, sign_in, world):
    pat = sign_in(operator)
    begun = pat.post(f"/operator/accounts/{world.account_id}/views", data={"reason": "Asked why"})
    assert begun.status_code == 303
    return pat


CUSTOMER_PAGES = (
    MAIN, "/billing/payments", "/billing/statement", "/billing/activity", "/billing/wire-transfers",
    "/billing/wire-transfers/new", "/billing/details", "/billing/funds/new", "/settings/users",
    "/settings/notifications", "/settings/api-keys", "/settings/api-keys/new", "/settings/webhooks",
    "/settings/webhooks/new", "/settings/data", "/settings/audit-log", "/settings/profile",
)  # fmt: skip


@pytest.mark.parametrize("path", CUSTOMER_PAGES)
def test_an_operator_viewing_as_customer_has_no_enabled_control(
    account_with_history, viewing_operator, path
):
    """P5: each is disabled and described by the sentence above, for scripts too."""
    page = viewing_operator.get(path)
    assert page.status_code == 200
    found = Controls(page.text)
    kept = {"/operator/views/end", "/sign-out"}
    assert {form for form, _ in found.live} <= kept
    assert "Controls are off." in words(page)
    for _, it in found.off:
        if it.get("aria-disabled"):
            assert "controls-off" in it["aria-describedby"]
            assert "href" not in it
            assert not any(name.startswith("hx-") for name in it)


def test_the_owners_controls_stay_enabled(account_with_history, client, viewing_operator):
    """P5: the controls disabled for the operator work for the customer."""
    on, off = Controls(client.get(MAIN).text), Controls(viewing_operator.get(MAIN).text)
    assert len(on.live) > 20
    assert len(off.off) > 20


def test_an_operators_request_is_refused_in_place(viewing_operator, world):
    """P5: with a sentence, and never an error page in a dialog."""
    answer = viewing_operator.post("/billing/automatic-payments/resumptions", headers=SCRIPT)
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (403, "none")
    assert words(answer) == "You are viewing this account as its customer. Controls are off."
    page = viewing_operator.post("/billing/automatic-payments/resumptions")
    assert page.status_code == 403
    assert "Controls are off." in words(page)
    assert NOT_OURS not in page.text


def test_a_missing_right_names_the_roles_that_have_it_and_the_owner(teammate):
    """P5: on a page whose menu leads to what the role allows."""
    technician = teammate("technical")
    page = technician.get("/billing/payments")
    assert page.status_code == 403
    assert (
        "Your role does not allow this. Owner, Admin, Commercial and Billing can see and change "
        "billing. Your role is Technical. Ana Ruiz, Owner, can change it." in words(page)
    )
    assert "Go to API keys" in words(page)
    assert 'href="/settings/webhooks"' in page.text
    part = technician.get("/billing/funds/new", headers=SCRIPT)
    assert (part.status_code, part.headers["HX-Reswap"]) == (403, "none")
    assert words(part).startswith("Your role does not allow this.")
    assert "<html" not in part.text


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        ("/billing/attempts/999999/retry", 404, "Page not found."),
        ("/billing/nowhere", 404, "Page not found."),
    ],
)
def test_a_refused_fragment_request_gets_no_whole_page(client, path, code, sentence):
    """P5"""
    answer = client.get(path, headers=SCRIPT)
    assert (answer.status_code, answer.headers["HX-Reswap"]) == (code, "none")
    assert words(answer).startswith(sentence)
    assert "<html" not in answer.text


def test_a_technician_reads_why_a_billing_key_cannot_be_rotated(world, teammate):
    """P5: once above the keys; a usage key beside it can be rotated."""
    world.key(Scope.BILLING_WRITE)
    world.key(Scope.USAGE_WRITE)
    page = teammate("technical").get("/settings/api-keys")
    text = (
        "Your role does not allow this. "
        "Owner, Admin, Commercial and Billing can rotate a key with billing scopes."
    )
    assert words(page).count(text) == 1
    rotations = re.findall(r'<a [^>]*aria-label="Rotate [^>]*>', page.text)
    dead = [tag for tag in rotations if 'aria-disabled="true"' in tag]
    assert not any("href=" in tag for tag in dead)
    assert (len(rotations), len(dead)) == (3, 2)  # the first key has every scope


def test_a_technician_reads_why_a_billing_webhook_cannot_be_changed(world, teammate, client):
    """P5"""
    made = world.webhook(events=CHOICES)
    here = f"/settings/webhooks/{made.endpoint_id}"
    page = teammate("technical").get(here)
    assert "can change a webhook with billing events." in words(page)
    assert {form for form, _ in Controls(page.text).live} == {f"{here}/tests", "/sign-out"}
    assert "can change a webhook" not in words(client.get(here))


def test_a_signed_out_person_sees_why_and_returns_after_signing_in(app, client):
    """P5: without JavaScript too, and from a form to its page."""
    token = client.get(MAIN) and client.get("/session").json["token"]
    assert token
    app.test_client().get(MAIN)
    client.post("/sign-out/everywhere")  # as another browser would
    visitor = app.test_client()
    with visitor.session_transaction() as cookie:
        cookie["_user_id"] = "ended"
    led = visitor.get("/billing/statement?days=90")
    assert led.location == "/sign-in?next=/billing/statement?days%3D90"
    assert "You were signed out. Sign in to return." in words(visitor.get(led.location))
    posted = visitor.post(
        "/settings/profile/name",
        data={"name": "Ana"},
        headers={"Referer": "http://localhost/settings/profile"},
    )
    assert posted.location == "/sign-in?next=/settings/profile"
    assert "You were signed out." in words(visitor.get(posted.location))
    elsewhere = {"Referer": "https://evil.example/settings"}
    assert visitor.post("/settings/profile/name", headers=elsewhere).location == "/sign-in"


def test_a_first_visit_does_not_say_signed_out(app, world):
    """P5"""
    visitor = app.test_client()
    assert "signed out" not in words(visitor.get(visitor.get(MAIN).location))


def test_an_outdated_csrf_token_without_a_session_asks_to_sign_in(app, world):
    """P5: a missing cookie is an ended session, not an invalid form."""
    app.config["WTF_CSRF_ENABLED"] = True
    visitor = app.test_client()
    form = {"csrf_token": "of-another-session", "name": "Ana"}
    page = visitor.post("/settings/profile/name", data=form)
    assert (page.status_code, page.location) == (303, "/sign-in")
    part = visitor.post("/settings/profile/name", data=form, headers=SCRIPT)
    assert (part.status_code, part.headers["X-Session"]) == (401, "ended")


def test_a_page_can_check_who_is_signed_in(client, world):
    """P5: a script continues only for the same person in the same account."""
    answer = client.get("/session")
    assert answer.json["who"] == f"{world.created.user_id}-{world.account_id}"
    assert f'data-who="{answer.json["who"]}"' in client.get(MAIN).text
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.fixture
def unconfirmed(client, world):
    user = world.session.get_one(User, world.created.user_id)
    user.unconfirmed_since = world.clock.now()
    world.session.commit()
    return client


@pytest.mark.parametrize("headers", [{}, SCRIPT])
def test_an_unconfirmed_person_can_resend_the_link_in_place(unconfirmed, headers):
    """P5: in the dialog they opened, or on a page of its own."""
    answer = unconfirmed.get(f"{MAIN}/cards/new", headers=headers)
    assert answer.status_code == 422
    assert "Confirm your email first" in words(answer)
    assert 'action="/settings/profile/confirmations"' in answer.text
    assert "Error 422" not in words(answer)
    if headers:
        assert answer.headers["HX-Retarget"] == "#dialog"
        assert "<html" not in answer.text


@pytest.fixture
def set_mail_server(app):
    def set_(server):
        it = app.extensions["ballast"]
        app.extensions["ballast"] = replace(
            it, settings=it.settings.model_copy(update={"mail_server": server})
        )

    return set_


@pytest.mark.parametrize(
    ("server", "text"),
    [("", "Open the link in the sandbox outbox"), ("mail.example", "We sent a link to")],
)
def test_a_link_is_called_sent_only_with_a_mail_server(unconfirmed, set_mail_server, server, text):
    """P5: otherwise the link is in the outbox."""
    set_mail_server(server)
    for path in (MAIN, f"{MAIN}/cards/new", "/billing/payments", "/settings/profile"):
        answer = unconfirmed.get(path)
        assert text in words(answer)
        assert ("We sent a link" in words(answer)) == bool(server)
        assert ("Send " in words(answer)) == bool(server)
        if "cards" not in path:
            assert ('href="/sandbox/outbox">Open the link' in answer.text) != bool(server)
    asked = words(unconfirmed.post("/forgot-password", data={"email": "ana@example.com"}))
    assert ("we’ve sent it a link" in asked) == bool(server)
    assert ("We’ll email you a link" in words(unconfirmed.get("/forgot-password"))) == bool(server)


@pytest.mark.parametrize("server", ["", "mail.example"])
def test_email_changes_and_invitations_say_where_their_links_are(
    client, world, set_mail_server, server
):
    """P5: in the hint, in the response, and while the link is pending."""
    set_mail_server(server)
    new = {"email": "ana@new.example"}
    before = words(client.get("/settings/profile"))
    assert ("We’ll send a link there." in before) == bool(server)
    client.post("/settings/profile/email", data=new)
    after = words(client.get("/settings/profile"))
    text = "We sent a link to ana@new.example."
    assert (text in after) == bool(server)
    assert after.count("Open the link in the sandbox outbox") == (0 if server else 2)
    people = words(client.get("/settings/users"))
    assert ("They get a link" in people) == bool(server)
    client.post("/settings/users/invitations", data={"email": "bo@new.example", "roles": "billing"})
    people = words(client.get("/settings/users"))
    assert "bo@new.example is invited." in people
    assert ("We sent a link to bo@new.example." in people) == bool(server)


def test_without_the_sandbox_the_provider_has_the_link(app, unconfirmed, set_mail_server):
    """P5: only operators can open the outbox."""
    set_mail_server("")
    it = app.extensions["ballast"]
    app.extensions["ballast"] = replace(it, sandbox=None)
    for path in (MAIN, "/settings/profile"):
        page = unconfirmed.get(path)
        assert "This installation sends no email. Ask your provider for the link." in words(page)
        assert "outbox" not in page.text.lower()


def test_the_first_step_is_to_confirm_the_email(app, unconfirmed, client, world):
    """P5: later steps are disabled and say why; they are enabled after the confirmation."""
    page = unconfirmed.get(MAIN)
    assert "0 of 4 done" in words(page)
    assert "After step 1. Your first card has auto-charge on." in words(page)
    card = re.search(r"<(\w+) [^>]*>Add Credit Card<", page.text)
    assert card[1] == "button"
    assert 'aria-disabled="true" aria-describedby="card-step"' in card[0]
    assert page.text.count('action="/settings/profile/confirmations"') == 1
    referer = {"Referer": f"http://localhost{MAIN}"}
    assert unconfirmed.post("/settings/profile/confirmations", headers=referer).location == MAIN
    world.session.rollback()
    world.session.get_one(User, world.created.user_id).unconfirmed_since = None
    world.session.commit()
    page = client.get(MAIN)
    assert "1 of 4 done" in words(page)
    assert "Email confirmed owner-" in words(page)
    assert re.search(r"<a [^>]*>Add Credit Card<", page.text)


@pytest.mark.parametrize("headers", [{}, SCRIPT])
def test_actions_on_everyone_or_on_security_ask_first(client, world, headers):
    """P5: the button opens a dialog, whose form does it."""
    assert 'href="/settings/users/second-factor"' in client.get("/settings/users").text
    asked = client.get("/settings/users/second-factor", headers=headers)
    assert "Require two-step sign-in for everyone?" in words(asked)
    assert "1 of 1 people will have to set it up before they can continue, including you." in words(
        asked
    )
    account = world.session.get_one(Account, world.account_id)
    assert not account.second_factor_required
    off = client.get("/settings/second-factor/removal", headers=headers)
    assert "Turn off two-step sign-in?" in words(off)
    assert 'action="/settings/second-factor/removal"' in off.text


FORM = {
    "refill_on": "1",
    "refill_mode": "add",
    "threshold": "50.00",
    "refill_amount": "100.00",
    "day_limit": "500.00",
    "seen": "1",
}


@pytest.fixture
def panel(client, world):
    """Submits Low Balance Settings, of which version 1 is applied."""
    world.cards(VISA)

    def apply(of=client, headers=SCRIPT, **typed):
        form = {name: text for name, text in (FORM | typed).items() if text is not None}
        return of.post("/billing/low-balance-settings", data=form, headers=headers)

    assert apply(seen="0").status_code == 200
    return apply


def value_of(answer, name):
    return re.search(rf'name="{name}" type="text" value="([^"]*)"', answer.text)[1]


def applied(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id)


@pytest.mark.parametrize("headers", [{}, SCRIPT])
def test_a_conflict_with_another_tab_keeps_the_input(world, panel, headers):
    """P5: with the other value beside the field; the message calls the author "you"."""
    panel(threshold="55", day_limit="600")
    answer = panel(threshold="57", headers=headers)
    assert answer.status_code == 409
    assert (value_of(answer, "threshold"), applied(world).threshold) == ("57", 55_000_000)
    assert "Now $55.00 Use" in words(answer)
    text = words(answer)
    assert re.search(r"You changed these settings in another tab at \d\d:\d\d\. You entered", text)
    assert (
        "You entered a threshold of $57.00; it is now $55.00. Fields you didn’t change show "
        "the new values. Your changes were not applied." in text
    )
    assert "else" not in text
    assert value_of(answer, "day_limit") == "600.00"
    again = panel(threshold="57", day_limit="600", seen="2", since="1", headers=headers)
    assert again.status_code == (200 if headers else 303)
    assert (applied(world).threshold, applied(world).day_limit) == (57_000_000, 600_000_000)


def test_a_conflict_names_the_person_who_changed_the_settings(world, panel, teammate):
    """P5: every difference is listed once."""
    bo = teammate("billing")
    panel(bo, threshold="55", refill_amount="120", notification_on="1", notification_threshold="80")
    text = words(panel(threshold="57", refill_amount="130", refill_on=None))
    assert re.search(r"[A-Z]\w+ .*changed these settings at \d\d:\d\d\.", text)
    assert "You changed" not in text
    assert "The threshold and refill amount have new values" in text
    assert text.count("Now $") == 2


def test_use_takes_one_current_value_and_saves_nothing(world, panel):
    """P5: without JavaScript; other input stays, with its own button."""
    panel(threshold="55", refill_amount="120")
    typed = {"threshold": "57", "refill_amount": "x", "seen": "2", "since": "1", "headers": {}}
    page = panel(**typed, use="threshold")
    assert page.status_code == 200
    assert (value_of(page, "threshold"), value_of(page, "refill_amount")) == ("55.00", "x")
    assert words(page).count("Now $") == 1
    assert applied(world).version == 2
    assert panel(**typed, use="nonsense").status_code == 200


def test_an_error_in_a_stale_form_does_not_hide_the_conflict(world, panel):
    """P5: the next submission would otherwise replace the changes of others unnoticed."""
    panel(day_limit="600")
    answer = panel(threshold="abc", day_limit="700")
    assert answer.status_code == 422
    assert "Enter an amount such as 50.00" in words(answer)
    assert "Now $600.00 Use" in words(answer)
    assert 'name="since" value="1"' in answer.text


def test_choices_without_an_amount_can_conflict(world, panel):
    """P5: a switch, the refill mode, and the absence of a daily limit."""
    panel(
        refill_on=None, refill_mode="target", target="200", largest_charge="400", no_day_limit="1"
    )
    answer = panel(month_limit="900", day_limit="700")
    assert applied(world).no_day_limit
    assert "Now no daily limit Use" in words(answer)
    assert "data-unlimited" in answer.text
    assert 'name="refill_on" value="1" checked' not in answer.text
    assert 'value="target" checked' in " ".join(answer.text.split())
    page = panel(day_limit="700", seen="2", since="1", use="day_limit", headers={})
    assert 'name="no_day_limit" value="1" checked' in page.text


def test_the_preview_of_an_adjustment_lists_every_error(operator, sign_in, world):
    """P5: an error disappears once its field is correct."""
    pat, here = sign_in(operator), f"/operator/accounts/{world.account_id}"

    def faults(**typed):
        answer = pat.get(f"{here}/adjustments/preview", query_string={"direction": "on"} | typed)
        return dict(re.findall(r'data-of="(\w+)">([^<]*)<', answer.text))

    reason_error = {"reason": "Enter a reason for the audit log"}
    assert faults(amount="x") == reason_error | {"amount": "Enter an amount such as 50.00"}
    assert faults(amount="0", reason="Goodwill") == {"amount": "Must be above zero"}
    assert faults(amount="5") == reason_error
    assert faults(amount="5", reason="Goodwill") == {}
    sent = {"direction": "on", "amount": "x", "reason": "", "request_key": "k" * 32}
    refused = words(pat.post(f"{here}/adjustments", data=sent))
    assert reason_error["reason"] in refused
    assert "Enter an amount such as 50.00" in refused
