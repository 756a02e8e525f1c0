"""Passkeys on the server: accepted and refused credentials. tests/browser covers the browser."""

import pytest

from tests.authenticator import PRESENT, Authenticator
from tests.factories import PASSWORD
from tests.web.conftest import errors, words
from tests.web.users.test_second_factor import set_up
from webapp.domain.users.passkeys import Passkey
from webapp.domain.users.user import User

MAIN = "/billing/payment-methods"
KEYS = "/settings/profile/passkeys"
HOST = "billing.example.com"


@pytest.fixture
def environ():
    return {"PUBLIC_URL": f"https://{HOST}"}


@pytest.fixture
def phone():
    return Authenticator(HOST, f"https://{HOST}")


@pytest.fixture
def visitor(app, world):
    return app.test_client()


def add(client, phone, name="Phone"):
    options = client.post(f"{KEYS}/creation").json
    return client.post(KEYS, data={"passkey_name": name, "credential": phone.create(options)})


def challenge(client):
    return client.post("/passkeys/request").json


def sign_in(client, credential):
    return client.post("/sign-in", data={"credential": credential})


def stored(world):
    world.session.rollback()
    return [(one.name, one.sign_count) for one in world.session.query(Passkey)]


def test_a_passkey_is_added_and_signs_in(client, visitor, world, phone, clock):
    """It counts as two factors, so no code is needed; the person is emailed."""
    set_up(client, clock)
    assert add(client, phone).location == "/settings/profile"
    assert stored(world) == [("Phone", 0)]
    assert "Added" in words(client.get("/settings/profile"))
    assert ("passkey_added", {"passkey": "Phone"}) in world.audits
    assert sign_in(visitor, phone.get(challenge(visitor))).location == MAIN
    assert visitor.get(MAIN).status_code == 200
    assert world.audits[-1] == ("signed_in", {"by": "passkey"})
    assert stored(world) == [("Phone", 1)]


def test_a_passkey_needs_a_name(client, world, phone):
    for name in ("", "  ", "x" * 61, "a\x00b"):
        answer = add(client, phone, name)
        assert answer.status_code == 422
        assert list(errors(answer)) == ["passkey_name"]
    assert stored(world) == []


def test_the_same_passkey_is_saved_once(client, world, phone):
    assert add(client, phone).status_code == 303
    add(client, phone)
    assert "This passkey has already been added." in words(client.get("/settings/profile"))
    assert len(stored(world)) == 1


def refused(visitor, credential):
    answer = sign_in(visitor, credential)
    assert answer.status_code == 422
    assert visitor.get(MAIN).status_code == 303
    return words(answer)


def test_an_assertion_works_once(client, visitor, app, phone):
    """Neither again in the same browser nor, if intercepted, in another."""
    add(client, phone)
    answer = phone.get(challenge(visitor))
    assert sign_in(visitor, answer).status_code == 303
    visitor.post("/sign-out")
    assert "could not be verified" in refused(visitor, answer)
    thief = app.test_client()
    challenge(thief)
    assert "could not be verified" in refused(thief, answer)


def test_an_assertion_for_another_site_is_refused(client, visitor, phone):
    """Phishing: the browser signs the origin that asked."""
    add(client, phone)
    phone.origin = "https://billing.example.com.evil.example"
    assert "could not be verified" in refused(visitor, phone.get(challenge(visitor)))
    phone.origin, phone.host = f"https://{HOST}", "evil.example"
    assert "could not be verified" in refused(visitor, phone.get(challenge(visitor)))


def test_an_assertion_without_user_verification_is_refused(client, visitor, phone):
    add(client, phone)
    answer = phone.get(challenge(visitor), flags=PRESENT)
    assert "could not be verified" in refused(visitor, answer)


def test_a_cloned_passkey_is_refused(client, visitor, world, phone):
    """The signature counter must not decrease."""
    add(client, phone)
    phone.count = 9
    assert sign_in(visitor, phone.get(challenge(visitor))).status_code == 303
    visitor.post("/sign-out")
    phone.count = 5
    assert "could not be verified" in refused(visitor, phone.get(challenge(visitor)))
    assert stored(world) == [("Phone", 10)]


@pytest.mark.parametrize("credential", ["{}", "x", "[]", '{"id": 5}', '{"id": null}', "\x00"])
def test_a_malformed_credential_is_refused(client, visitor, phone, credential):
    add(client, phone)
    challenge(visitor)
    assert "not registered" in refused(visitor, credential)


def test_a_forged_signature_is_refused(client, visitor, phone):
    add(client, phone)
    forger = Authenticator(HOST, f"https://{HOST}")
    forger.id = phone.id
    assert "could not be verified" in refused(visitor, forger.get(challenge(visitor)))


# Re-authentication


def test_a_passkey_reauthenticates(client, world, phone, clock):
    add(client, phone)
    passkey = world.session.query(Passkey).one()
    clock.wait(minutes=15)
    path = f"{KEYS}/{passkey.id}/removal"
    assert client.post(path).status_code == 401
    assert client.post(path, data={"proof_passkey": "{}"}).status_code == 401
    answer = phone.get(challenge(client))
    assert client.post(path, data={"proof_passkey": answer}).status_code == 303
    assert stored(world) == []


def test_another_persons_passkey_does_not_reauthenticate(client, teammate, world, phone, clock):
    admin = teammate("admin")
    add(admin, phone)
    clock.wait(minutes=15)
    answer = phone.get(challenge(client))
    changed = client.post(
        "/settings/profile/email", data={"email": "eve@evil.example", "proof_passkey": answer}
    )
    assert changed.status_code == 401
    world.session.rollback()
    assert world.session.get(User, world.created.user_id).pending_email is None


def test_another_persons_passkey_is_not_found(client, teammate, world, phone):
    """P1."""
    add(client, phone)
    passkey = world.session.query(Passkey).one()
    admin = teammate("admin")
    for action in ("name", "removal"):
        form = {"passkey_name": "Mine"}
        assert admin.post(f"{KEYS}/{passkey.id}/{action}", data=form).status_code == 404


def test_passkeys_need_a_known_host(app, client, visitor):
    """Browsers refuse passkeys for IP addresses, and the Host header is not trusted."""
    settings = app.extensions["ballast"].settings
    object.__setattr__(settings, "public_url", "")
    for host, offered in (("127.0.0.1:8000", 404), ("evil.example", 404), ("localhost", 200)):
        answer = visitor.post("/passkeys/request", base_url=f"http://{host}")
        assert answer.status_code == offered


def test_a_new_password_keeps_the_passkeys_of_a_confirmed_person(client, world, phone, visitor):
    """Only an unconfirmed sign-up loses them."""
    add(client, phone)
    changed = client.post(
        "/settings/profile/password", data={"present": PASSWORD, "password": "correct horse 7"}
    )
    assert changed.status_code == 303
    assert sign_in(visitor, phone.get(challenge(visitor))).status_code == 303
