"""Old sessions, passwords and sign-ups give no access after a takeover is undone."""

import re

import pytest
from pyotp import TOTP

from tests.factories import PASSWORD
from tests.web.conftest import words
from tests.web.users.test_second_factor import send, set_up
from tests.web.users.test_sign_up import FORM, enter, link_in, mails_to
from webapp.domain.api_keys.api_key import ApiKey
from webapp.domain.users.user import User

MAIN = "/billing/payment-methods"
PROFILE = "/settings/profile"
VICTIM = "bo@example.com"
EVE = "eve@evil.example"
METER = {"name": "Meter", "scopes": ["balance:read"], "lasts": "90"}
HOOK = {"url": "https://evil.example/in", "events": ["payment.succeeded"]}


@pytest.fixture
def owner(world):
    return world.session.get(User, world.created.user_id)


@pytest.fixture
def attacker(client):
    """A browser with a stolen session of the owner."""
    return client


def reset(app, world, email):
    """Choose a new password by the link in the email."""
    visitor = app.test_client()
    visitor.post("/forgot-password", data={"email": email})
    chosen = visitor.post(link_in(world, email, "reset_password"), data={"password": "n" * 12})
    assert chosen.status_code == 303
    return visitor


def sign_out_everywhere(app, world, email):
    visitor = app.test_client()
    enter(visitor, email)
    assert visitor.post("/sign-out/everywhere").status_code == 303


@pytest.mark.parametrize("end", [reset, sign_out_everywhere])
def test_a_pending_change_of_email_ends(app, attacker, world, owner, end):
    """The link that was sent to the attacker confirms nothing."""
    before = owner.email
    attacker.post(f"{PROFILE}/email", data={"email": EVE})
    link = link_in(world, EVE, "confirm_email")
    end(app, world, before)
    answer = app.test_client().post(link)
    assert answer.status_code == 422
    assert "no longer works" in words(answer)
    world.session.rollback()
    assert (owner.email, owner.pending_email) == (before, None)


def test_a_requested_change_is_reported_to_the_old_email(attacker, world, owner):
    attacker.post(f"{PROFILE}/email", data={"email": EVE})
    (mail,) = mails_to(world, owner.email)
    assert mail.kind == "security_changed"
    assert mail.facts["what"] == "A change of your email address was requested"
    assert mail.facts["detail"] == EVE


@pytest.mark.parametrize("end", [reset, sign_out_everywhere])
def test_an_open_invitation_is_revoked(app, attacker, world, owner, end):
    invited = attacker.post("/settings/users/invitations", data={"email": EVE, "roles": ["admin"]})
    assert invited.status_code in (200, 303)
    link = link_in(world, EVE, "invitation")
    end(app, world, owner.email)
    answer = app.test_client().post(link, data={"name": "Eve", "password": PASSWORD})
    assert answer.status_code == 422
    assert "no longer works" in words(answer)


# Sign-up with another person's email


@pytest.fixture
def squatter(app, world):
    """A browser that signed up with another person's email."""
    visitor = app.test_client()
    assert visitor.post("/sign-up", data=FORM).status_code == 303
    return visitor


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/settings/second-factor", {"state": "x", "code": "123456"}),
        ("/settings/api-keys", METER),
        ("/settings/webhooks", HOOK),
        ("/settings/users/invitations", {"email": EVE, "roles": ["admin"]}),
        (f"{PROFILE}/email", {"email": EVE}),
    ],
)
def test_an_unconfirmed_sign_up_can_create_no_access(squatter, world, path, form):
    answer = squatter.post(path, data=form)
    assert answer.status_code == 422
    assert "Confirm your email address first" in words(answer)
    assert mails_to(world, EVE) == []


def test_a_reset_removes_the_access_of_an_unconfirmed_sign_up(app, squatter, world, clock):
    """Those are a second factor, keys and sessions that an older version allowed."""
    user = User.by_email(world.session, VICTIM)
    (account,) = user.accounts
    user.unconfirmed_since, since = None, user.unconfirmed_since
    world.session.commit()
    set_up(squatter, clock)
    assert squatter.post("/settings/api-keys", data=METER).status_code in (201, 303)
    assert squatter.post("/settings/webhooks", data=HOOK).status_code in (201, 303)
    world.session.rollback()
    user.unconfirmed_since = since
    world.session.commit()

    victim = reset(app, world, VICTIM)
    assert enter(victim, VICTIM, "n" * 12).location == MAIN
    assert squatter.get(MAIN).location.startswith("/sign-in")
    world.session.rollback()
    keys = world.session.query(ApiKey).filter_by(account_id=account.id).all()
    assert keys
    assert all(key.revoked_at for key in keys)
    assert "evil.example" not in words(victim.get("/settings/webhooks"))


def test_an_unconfirmed_sign_up_expires(app, squatter, world):
    """After seven days the email is free, and the person is signed out."""
    world.pass_time(days=6, hours=23)
    assert squatter.get(MAIN).status_code == 200
    world.pass_time(hours=2)
    assert squatter.get(MAIN).location.startswith("/sign-in")
    assert enter(app.test_client(), VICTIM, FORM["password"]).status_code == 422
    again = app.test_client()
    assert again.post("/sign-up", data=FORM).status_code == 303
    assert again.get(MAIN).status_code == 200


# Sessions


def test_a_copied_cookie_ends_with_the_sign_out(app, world, owner):
    visitor, thief = app.test_client(), app.test_client()
    enter(visitor, owner.email)
    thief.set_cookie("session", visitor.get_cookie("session").value)
    assert thief.get(MAIN).status_code == 200
    visitor.post("/sign-out")
    assert thief.get(MAIN).location.startswith("/sign-in")


@pytest.mark.parametrize(
    ("remember", "idle", "absolute"),
    [({}, {"hours": 8}, {"hours": 24}), ({"remember": "1"}, {"days": 7}, {"days": 14})],
)
def test_a_session_ends_when_idle_or_old(app, clock, owner, remember, idle, absolute):
    """Moving the sandbox's clock ends no session."""
    idler, user = app.test_client(), app.test_client()
    for visitor in (idler, user):
        form = {"email": owner.email, "password": PASSWORD, **remember}
        assert visitor.post("/sign-in", data=form).status_code == 303
    clock.advance(days=60)
    assert idler.get(MAIN).status_code == 200

    step = {unit: value / 4 for unit, value in idle.items()}
    for _ in range(3):
        clock.wait(**step)
        assert user.get(MAIN).status_code == 200
    clock.wait(**step)
    assert user.get(MAIN).status_code == 200
    assert idler.get(MAIN).location.startswith("/sign-in")
    (unit, value), (_, most) = *idle.items(), *absolute.items()
    for _ in range(int((most - value) / (value / 4)) - 1):
        clock.wait(**step)
        assert user.get(MAIN).status_code == 200
    clock.wait(**step)
    assert user.get(MAIN).location.startswith("/sign-in"), f"after {most} {unit}"


def test_sessions_are_listed_and_can_be_ended(app, client, world, owner):
    """With device, address and last use; another person's session is not found."""
    firefox = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
    other = app.test_client()
    other.environ_base["HTTP_USER_AGENT"] = firefox
    enter(other, owner.email)
    page = client.get(PROFILE)
    changes = words(page)
    assert "This browser" in changes
    assert "Firefox on Windows" in changes
    assert "127.0.0.1 · password · Today, 10:00" in changes
    (path,) = re.findall(r'action="(/settings/profile/sessions/\d+/end)"', page.text)

    stranger = app.test_client()
    made = world.account()
    enter(stranger, world.session.get(User, made.user_id).email)
    assert stranger.post(path).status_code == 404
    assert client.post(path).status_code == 303
    assert other.get(MAIN).location.startswith("/sign-in")
    assert client.get(MAIN).status_code == 200
    assert ("session_ended", {"device": "Firefox on Windows"}) in world.audits


def test_all_other_sessions_can_be_ended_at_once(app, client, owner):
    other = app.test_client()
    enter(other, owner.email)
    assert client.post("/settings/profile/sessions/others/end").status_code == 303
    assert other.get(MAIN).location.startswith("/sign-in")
    assert client.get(MAIN).status_code == 200


def test_the_last_use_is_recorded_every_five_minutes(app, client, clock, owner):
    other = app.test_client()
    enter(other, owner.email)
    clock.wait(minutes=5)
    assert other.get(MAIN).status_code == 200
    assert "127.0.0.1 · password · Today, 10:05" in words(client.get(PROFILE))


# Changes of authentication


def test_turning_the_second_factor_on_or_off_ends_other_sessions(app, client, world, owner, clock):
    """The person is emailed."""
    other = app.test_client()
    enter(other, owner.email)
    secret, _ = set_up(client, clock)
    assert other.get(MAIN).location.startswith("/sign-in")
    assert client.get(MAIN).status_code == 200

    clock.wait(minutes=1)
    enter(other, owner.email)
    assert send(other, TOTP(secret).at(clock.wall())).location == MAIN
    assert client.post("/settings/second-factor/removal").status_code == 303
    assert other.get(MAIN).location.startswith("/sign-in")
    whats = [m.facts["what"] for m in mails_to(world, owner.email)]
    assert whats == ["Two-step sign-in was turned on", "Two-step sign-in was turned off"]


def test_changing_the_password_needs_the_code(client, clock, owner):
    """A stolen password and a stolen cookie are not enough with a second factor."""
    set_up(client, clock)
    clock.wait(minutes=15)
    form = {"present": PASSWORD, "password": "n" * 12}
    asked = client.post(f"{PROFILE}/password", data=form)
    assert asked.status_code == 401
    assert "authenticator app" in words(asked)


def test_changes_of_keys_and_recovery_codes_are_emailed(client, world, owner, clock):
    client.post("/settings/api-keys", data=METER)
    world.session.rollback()
    key = world.session.query(ApiKey).filter_by(name="Meter").one()
    client.post(f"/settings/api-keys/{key.id}/rotation", data={"overlap": "0"})
    client.post(f"/settings/api-keys/{key.id}/revocation")
    set_up(client, clock)
    client.post("/settings/second-factor/recovery-codes")
    changes = [(m.facts["what"], m.facts["detail"]) for m in mails_to(world, owner.email)]
    assert changes[0] == ("An API key was created", "Meter")
    assert changes[1] == ("An API key was rotated", "Meter")
    assert ("New recovery codes were created", "") in changes
