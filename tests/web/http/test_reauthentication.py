"""Re-authentication: sensitive changes ask again for a password or code."""

import re
from html import unescape

import pytest

from tests.factories import PASSWORD, VISA, card_form
from tests.web.conftest import words
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.user import User
from webapp.processors.sandbox.card_form import token_for

MAIN = "/billing/payment-methods"
SETTINGS = "/billing/low-balance-settings"
HTMX = {"HX-Request": "true", "HX-Current-URL": f"http://localhost{MAIN}"}
ASKS = "Confirm it’s you"


@pytest.fixture
def stale(world, client):
    """The owner's browser, a quarter of an hour after they signed in."""
    world.clock.wait(minutes=15)
    return client


def form_of(answer):
    """Return the action and the hidden fields of the form that asks."""
    page = answer.text.partition("data-repeats")
    action = re.search(r'action="([^"]*)"[^>]*$', page[0])[1]
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page[2])
    return unescape(action), {name: unescape(value) for name, value in fields}


def confirm(client, answer, proof=PASSWORD, **more):
    action, fields = form_of(answer)
    return client.post(action, data={**fields, "proof": proof}, **more)


def apply(client, world, headers=None, **chosen):
    settings = LowBalanceSettings.of(world.session, world.account_id)
    form = {"seen": settings.version, "refill_on": "1", "threshold": "50", **chosen}
    return client.post(SETTINGS, data=form, headers=headers)


def test_no_reauthentication_within_15_minutes_of_signing_in(client, world):
    visa = world.card(VISA)
    world.clock.wait(minutes=14, seconds=59)
    assert client.post(f"{MAIN}/{visa.id}/removal").status_code == 303
    assert world.methods == []


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_removing_a_method_requires_reauthentication(stale, world, headers):
    """On a page of its own, or in the dialog."""
    visa = world.card(VISA)
    answer = stale.post(f"{MAIN}/{visa.id}/removal", headers=headers)
    assert answer.status_code == 401
    assert ASKS in words(answer)
    assert len(world.methods) == 1
    if headers:
        assert answer.headers["HX-Retarget"] == "#dialog"
        assert "<html" not in answer.text
    answer = confirm(stale, answer, headers=headers)
    assert answer.status_code == (200 if headers else 303)
    assert world.methods == []
    mastercard = world.card("5555555555554444")
    assert stale.post(f"{MAIN}/{mastercard.id}/removal").status_code == 303, "proved just now"


def test_a_wrong_password_changes_nothing_and_is_audited(stale, world):
    """P2"""
    visa = world.card(VISA)
    answer = stale.post(f"{MAIN}/{visa.id}/removal")
    for wrong in ("", "wrong", "123456"):
        answer = confirm(stale, answer, wrong)
        assert answer.status_code == 401
        assert "Wrong password" in words(answer)
        assert wrong == "" or wrong not in answer.text
    assert len(world.methods) == 1
    assert [what for what, _ in world.audits].count("proof_refused") == 3
    assert confirm(stale, answer).status_code == 303
    assert world.methods == []


def test_adding_a_card_requires_reauthentication_and_keeps_the_form(stale, world):
    """The form that asks repeats the token, the state and the consent."""
    form = stale.get(f"{MAIN}/cards/new").text
    state = re.search(r'name="state" value="([^"]+)"', form)[1]
    token = token_for(world.books, card_form(VISA), world.clock.now())
    sent = {"state": state, "token": token, "consent": "1"}
    for answer in (
        stale.get(f"{MAIN}/cards/captured", query_string=sent),
        stale.post(MAIN, data=sent),
        stale.post(MAIN, data=sent, headers=HTMX),
    ):
        assert answer.status_code == 401
        action, fields = form_of(answer)
        assert action == MAIN
        assert {name: fields[name] for name in sent} == sent
        assert world.methods == []
    assert confirm(stale, answer).status_code == 303
    assert [m.last4 for m in world.methods] == ["4242"]


def test_adding_paypal_requires_reauthentication(stale, world):
    answer = stale.post(f"{MAIN}/paypal", data={"consent": "1"})
    assert answer.status_code == 401
    assert form_of(answer)[1]["consent"] == "1"


def test_the_settings_are_kept_while_reauthentication_is_asked_for(stale, world):
    """Also if the limit is the default one. Which fields ask: `test_settings_fields.py`."""
    world.card(VISA)
    world.refill(day_limit="300.00")
    before = LowBalanceSettings.of(world.session, world.account_id).version
    answer = apply(stale, world, refill_amount="100", day_limit="")
    assert answer.status_code == 401
    world.session.rollback()
    settings = LowBalanceSettings.of(world.session, world.account_id)
    assert settings.version == before
    assert confirm(stale, answer).status_code == 303
    world.session.rollback()
    assert LowBalanceSettings.of(world.session, world.account_id).version == before + 1


@pytest.mark.parametrize(
    "chosen",
    [
        {"refill_amount": "99", "day_limit": "200"},
        {"refill_amount": "100", "day_limit": "300", "month_limit": "500"},
        {"refill_amount": "100", "day_limit": "300", "threshold": "70"},
        {"refill_amount": "100", "day_limit": "300", "notification_on": "1",
         "notification_threshold": "75"},
    ],
)  # fmt: skip
def test_settings_that_allow_no_larger_charges_do_not(stale, world, chosen):
    world.card(VISA)
    world.refill(day_limit="300.00")
    assert apply(stale, world, **chosen).status_code == 303


def test_an_error_is_reported_before_reauthentication(stale, world):
    world.card(VISA)
    world.refill()
    assert apply(stale, world, refill_amount="1").status_code == 422
    assert apply(stale, world, refill_amount="x").status_code == 422


def test_changes_of_api_keys_require_reauthentication(stale, world):
    """Creating, rotating and revoking; the submitted form is kept."""
    key = world.key("usage:write")
    form = {"name": "Meter", "scopes": ["usage:write", "balance:read"], "lasts": ""}
    answer = stale.post("/settings/api-keys", data=form)
    assert answer.status_code == 401
    sent = re.findall(r'name="scopes" value="([^"]*)"', answer.text)
    assert sent == ["usage:write", "balance:read"]
    for action in ("rotation", "revocation"):
        assert stale.post(f"/settings/api-keys/{key.id}/{action}").status_code == 401
    assert confirm(stale, answer).status_code == 201


def test_ending_other_sessions_requires_reauthentication(app, stale, world):
    """ASVS 7.5.2: a session left open cannot end the person's other sessions."""
    other = app.test_client()
    email = world.session.get(User, world.created.user_id).email
    other.post("/sign-in", data={"email": email, "password": PASSWORD})
    sessions = "/settings/profile/sessions"
    (one,) = re.findall(rf'action="({sessions}/\d+/end)"', stale.get("/settings/profile").text)
    for path in (one, f"{sessions}/others/end"):
        answer = stale.post(path)
        assert answer.status_code == 401
        assert ASKS in words(answer)
        assert other.get(MAIN).status_code == 200
    assert confirm(stale, answer).status_code == 303
    assert other.get(MAIN).status_code == 303


def test_a_missing_right_is_reported_before_reauthentication(teammate, world):
    technician = teammate("technical")
    world.clock.wait(minutes=20)
    assert technician.post(f"{MAIN}/1/removal").status_code == 403


def test_a_cookie_from_before_session_rows_is_signed_out(world, app):
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = str(world.created.user_id)
    assert client.get(MAIN).location.startswith("/sign-in")


def test_an_authentication_in_the_future_does_not_count(world, client):
    """A clock that was set back must not prolong it."""
    world.clock.wait(minutes=-20)
    assert client.post(f"{MAIN}/1/removal").status_code == 401
    world.clock.wait(minutes=10)
    assert client.post(f"{MAIN}/1/removal").status_code == 404


def test_repeated_fields_are_escaped(stale, world):
    evil = '"><script>alert(1)</script>'
    answer = stale.post(f"{MAIN}/1/removal", data={evil: evil})
    assert answer.status_code == 401
    assert "<script>alert" not in answer.text
