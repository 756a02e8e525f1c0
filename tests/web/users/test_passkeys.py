"""Passkeys: what the server accepts, and what it refuses. The browser's part: tests/browser."""

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


def test_adding_one_and_signing_in(client, visitor, world, phone, clock):
    """It is two factors in one, so no code is asked for; the person is emailed."""
    set_up(client, clock)
    assert add(client, phone).location == "/settings/profile"
    assert stored(world) == [("Phone", 0)]
    assert "Added" in words(client.get("/settings/profile"))
    assert ("passkey_added", {"passkey": "Phone"}) in world.audits
    assert sign_in(visitor, phone.get(challenge(visitor))).location == MAIN
    assert visitor.get(MAIN).status_code == 200
    assert world.audits[-1] == ("signed_in", {"by": "passkey"})
    assert stored(world) == [("Phone", 1)]


def test_a_name_is_needed(client, world, phone):
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


def test_an_answer_works_once(client, visitor, app, phone):
    """Neither again in the same browser nor, overheard, in another one."""
    add(client, phone)
    answer = phone.get(challenge(visitor))
    assert sign_in(visitor, answer).status_code == 303
    visitor.post("/sign-out")
    assert "could not be verified" in refused(visitor, answer)
    thief = app.test_client()
    challenge(thief)
    assert "could not be verified" in refused(thief, answer)


def test_what_another_site_was_answered_is_refused(client, visitor, phone):
    """Phishing: the browser signs where it was asked."""
    add(client, phone)
    phone.origin = "https://billing.example.com.evil.example"
    assert "could not be verified" in refused(visitor, phone.get(challenge(visitor)))
    phone.origin, phone.host = f"https://{HOST}", "evil.example"
    assert "could not be verified" in refused(visitor, phone.get(challenge(visitor)))


def test_without_fingerprint_face_or_pin_it_is_refused(client, visitor, phone):
    add(client, phone)
    answer = phone.get(challenge(visitor), flags=PRESENT)
    assert "could not be verified" in refused(visitor, answer)


def test_a_copy_that_fell_behind_is_refused(client, visitor, world, phone):
    """The count of uses never goes back."""
    add(client, phone)
    phone.count = 9
    assert sign_in(visitor, phone.get(challenge(visitor))).status_code == 303
    visitor.post("/sign-out")
    phone.count = 5
    assert "could not be verified" in refused(visitor, phone.get(challenge(visitor)))
    assert stored(world) == [("Phone", 10)]


@pytest.mark.parametrize("credential", ["{}", "x", "[]", '{"id": 5}', '{"id": null}', "\x00"])
def test_nonsense_is_refused(client, visitor, phone, credential):
    add(client, phone)
    challenge(visitor)
    assert "not registered" in refused(visitor, credential)


def test_a_forged_signature_is_refused(client, visitor, phone):
    add(client, phone)
    forger = Authenticator(HOST, f"https://{HOST}")
    forger.id = phone.id
    assert "could not be verified" in refused(visitor, forger.get(challenge(visitor)))


# Confirming that it is the person


def test_it_confirms_where_the_last_proof_is_too_old(client, world, phone, clock):
    add(client, phone)
    passkey = world.session.query(Passkey).one()
    clock.wait(minutes=15)
    path = f"{KEYS}/{passkey.id}/removal"
    assert client.post(path).status_code == 401
    assert client.post(path, data={"proof_passkey": "{}"}).status_code == 401
    answer = phone.get(challenge(client))
    assert client.post(path, data={"proof_passkey": answer}).status_code == 303
    assert stored(world) == []


def test_anothers_passkey_confirms_nothing(client, teammate, world, phone, clock):
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


def test_anothers_passkey_is_not_found(client, teammate, world, phone):
    """P1."""
    add(client, phone)
    passkey = world.session.query(Passkey).one()
    admin = teammate("admin")
    for deed in ("name", "removal"):
        form = {"passkey_name": "Mine"}
        assert admin.post(f"{KEYS}/{passkey.id}/{deed}", data=form).status_code == 404


def test_where_no_address_is_known_none_is_offered(app, client, visitor):
    """Browsers take no passkey for an IP address; the Host header is the visitor's word."""
    settings = app.extensions["ballast"].settings
    object.__setattr__(settings, "public_url", "")
    for host, offered in (("127.0.0.1:8000", 404), ("evil.example", 404), ("localhost", 200)):
        answer = visitor.post("/passkeys/request", base_url=f"http://{host}")
        assert answer.status_code == offered


def test_a_reset_keeps_passkeys_of_a_confirmed_person(client, world, phone, visitor):
    """They are the person's own; only an unconfirmed sign-up loses them (F2)."""
    add(client, phone)
    changed = client.post(
        "/settings/profile/password", data={"present": PASSWORD, "password": "correct horse 7"}
    )
    assert changed.status_code == 303
    assert sign_in(visitor, phone.get(challenge(visitor))).status_code == 303
