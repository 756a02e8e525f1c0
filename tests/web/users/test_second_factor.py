"""The second factor: setting it up, signing in with it, and requiring it (P2)."""

import re
from datetime import timedelta
from math import log2

import pytest
from pyotp import TOTP

from tests.factories import PASSWORD
from tests.web.conftest import errors, words
from tests.web.users.test_sign_up import link_in
from webapp.actions.users.second_factor import require_second_factor
from webapp.domain.users.second_factor import LETTERS, RecoveryCode
from webapp.domain.users.user import User

MAIN = "/billing/payment-methods"
NEW = "/settings/second-factor/new"
HTMX = {"HX-Request": "true"}


def set_up(client, clock):
    """Set it up on the pages; return the secret and the recovery codes."""
    page = client.get(NEW).text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
    state = re.search(r'name="state" value="([^"]+)"', page)[1]
    code = TOTP(secret).at(clock.wall())
    answer = client.post("/settings/second-factor", data={"state": state, "code": code})
    assert answer.status_code == 200, words(answer)
    return secret, re.findall(r"<li><code>([a-z0-9-]+)</code></li>", answer.text)


@pytest.fixture
def secured(client, clock):
    """The owner's secret and recovery codes, 30 seconds after the first code was used."""
    secret, codes = set_up(client, clock)
    clock.wait(seconds=30)
    return secret, codes


@pytest.fixture
def email(world):
    return world.session.get(User, world.created.user_id).email


def enter(visitor, email, password=PASSWORD, **more):
    return visitor.post("/sign-in", data={"email": email, "password": password, **more})


def send(visitor, code, **more):
    return visitor.post("/sign-in/code", data={"code": code, **more})


def test_setting_up_a_second_factor(client, world, clock):
    """P2: a QR code, a key to type, and ten recovery codes shown once and stored hashed."""
    page = client.get(NEW)
    assert "<svg" in page.text
    assert "otpauth://totp/Ballast:" in page.text
    _, codes = set_up(client, clock)
    assert len(set(codes)) == 10
    world.session.rollback()
    stored = {row.code_hash for row in world.session.query(RecoveryCode)}
    assert len(stored) == 10
    assert not stored & set(codes)
    profile = words(client.get("/settings/profile"))
    assert "On since" in profile
    assert "10 of your recovery codes are left" in profile
    assert not any(code in profile for code in codes)
    assert world.audits[-1] == ("second_factor_on", {})
    assert client.get(NEW).location == "/settings/profile", "it is on already"


def test_a_wrong_code_keeps_the_form(client, world):
    page = client.get(NEW).text
    state = re.search(r'name="state" value="([^"]+)"', page)[1]
    for code in ("", "000000", "abc", "1" * 100, "１２３４５６"):
        answer = client.post("/settings/second-factor", data={"state": state, "code": code})
        assert answer.status_code == 422
        assert "Wrong code" in errors(answer)["code"]
        again = re.search(r"<code>([A-Z2-7 ]+)</code>", answer.text)[1]
        assert again in page, "the same secret, so what was scanned still works"
    world.session.rollback()
    assert not world.session.get(User, world.created.user_id).has_second_factor


def test_another_persons_setup_form_is_refused(client, teammate, clock):
    """As is a forged one."""
    admin = teammate("admin")
    page = admin.get(NEW).text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
    state = re.search(r'name="state" value="([^"]+)"', page)[1]
    code = TOTP(secret).at(clock.wall())
    for forged in (state, state + "x", "", "x.y.z"):
        answer = client.post("/settings/second-factor", data={"state": forged, "code": code})
        assert answer.status_code == 400


def test_the_form_expires_after_an_hour_of_the_applications_clock(client, clock):
    page = client.get(NEW).text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", page)[1].replace(" ", "")
    state = re.search(r'name="state" value="([^"]+)"', page)[1]

    def send_after(**span):
        clock.advance(**span)
        form = {"state": state, "code": TOTP(secret).at(clock.wall())}
        return client.post("/settings/second-factor", data=form).status_code

    assert send_after(hours=1, seconds=1) == 422
    assert send_after(seconds=-1) == 200


def test_signing_in_takes_two_steps(app, world, secured, email, clock):
    """P2: the password alone opens nothing, and the audit log has both steps."""
    secret, _ = secured
    visitor = app.test_client()
    answer = enter(visitor, email, next="/billing/statement")
    assert (answer.status_code, answer.location) == (303, "/sign-in/code?next=/billing/statement")
    assert visitor.get(MAIN).status_code == 303
    assert visitor.get("/settings/profile").status_code == 303
    page = visitor.get(answer.location)
    assert 'name="next" value="/billing/statement"' in page.text
    assert send(visitor, "000000").status_code == 422
    assert visitor.get(MAIN).status_code == 303
    answer = send(visitor, f" {TOTP(secret).at(clock.wall())} ", next="/billing/statement")
    assert (answer.status_code, answer.location) == (303, "/billing/statement")
    assert visitor.get(MAIN).status_code == 200
    assert [what for what, _ in world.audits][-3:] == [
        "password_accepted", "code_refused", "signed_in",
    ]  # fmt: skip
    assert world.audits[-1][1] == {"by": "code"}


def test_codes_follow_the_wall_clock_in_an_advanced_sandbox(app, client, email, clock):
    """P2: the phone does not know the sandbox's offset."""
    clock.advance(days=40)
    secret, _ = set_up(client, clock)
    clock.wait(seconds=30)
    visitor = app.test_client()
    enter(visitor, email)
    assert send(visitor, TOTP(secret).at(clock.wall())).location == MAIN


def test_a_wrong_password_has_the_usual_error(app, secured, email):
    """It does not reveal who has a second factor."""
    answer = enter(app.test_client(), email, "wrong")
    assert answer.status_code == 422
    assert "Wrong email or password" in words(answer)


def test_a_code_is_valid_once_and_30_seconds_either_way(app, secured, email, clock):
    secret, _ = secured
    now, totp = clock.wall(), TOTP(secret)

    def tried(code):
        visitor = app.test_client()
        enter(visitor, email)
        return send(visitor, code).status_code

    assert tried(totp.at(now + timedelta(seconds=60))) == 422
    assert tried(totp.at(now)) == 303
    assert tried(totp.at(now)) == 422, "used"
    assert tried(totp.at(now - timedelta(seconds=30))) == 422, "older than one that was used"
    assert tried(totp.at(now + timedelta(seconds=30))) == 303, "a phone that is ahead"
    clock.wait(seconds=90)
    assert tried(totp.at(now + timedelta(seconds=60))) == 303, "a phone that is behind"
    clock.wait(seconds=120)
    assert tried(totp.at(now + timedelta(seconds=90))) == 422


def test_a_recovery_code_works_once(app, world, secured, email):
    _, codes = secured
    for code, status in ((codes[0], 303), (codes[0], 422), (f" {codes[1].upper()} ", 303)):
        visitor = app.test_client()
        enter(visitor, email)
        assert send(visitor, code).status_code == status
    assert world.audits[-1] == ("signed_in", {"by": "recovery code"})
    assert "8 of your recovery codes" in words(visitor.get("/settings/profile"))


def test_a_recovery_code_has_at_least_112_bits(secured):
    """ASVS 6.5.2: otherwise a slow hash with a salt would be needed."""
    _, codes = secured
    letters = codes[0].replace("-", "")
    assert set("".join(codes)) - {"-"} <= set(LETTERS)
    assert len(letters) * log2(len(LETTERS)) >= 112


def test_a_password_reset_does_not_skip_the_second_step(app, world, secured, email):
    """ASVS 6.4.3: a person who reads the emails still needs the phone."""
    visitor = app.test_client()
    visitor.post("/forgot-password", data={"email": email})
    link = link_in(world, email, "reset_password")
    new = "quite-another-one"
    assert visitor.post(link, data={"password": new}).location == "/sign-in"
    assert visitor.get(MAIN).location.startswith("/sign-in")
    answer = visitor.post("/sign-in", data={"email": email, "password": new})
    assert answer.location == "/sign-in/code"


def test_the_second_step_expires_after_ten_minutes(app, secured, email, clock):
    _, codes = secured
    visitor = app.test_client()
    enter(visitor, email)
    clock.advance(minutes=10, seconds=1)
    answer = send(visitor, codes[0], next=MAIN)
    assert (answer.status_code, answer.location) == (303, f"/sign-in?next={MAIN}")
    assert "took too long" in words(visitor.get("/sign-in"))
    assert visitor.get(MAIN).status_code == 303


def test_the_second_step_needs_the_first(app, secured):
    _, codes = secured
    visitor = app.test_client()
    assert visitor.get("/sign-in/code").location == "/sign-in"
    assert send(visitor, codes[0]).location == "/sign-in"


def test_signing_out_everywhere_ends_a_pending_second_step(app, client, secured, email):
    _, codes = secured
    visitor = app.test_client()
    enter(visitor, email)
    client.post("/sign-out/everywhere")
    assert send(visitor, codes[0]).location == "/sign-in"


def test_reauthentication_needs_a_code(client, world, secured, clock):
    secret, codes = secured
    clock.wait(minutes=15)
    answer = client.post("/settings/second-factor/recovery-codes")
    assert answer.status_code == 401
    assert "Code" in words(answer)
    with_password = client.post("/settings/second-factor/removal", data={"proof": PASSWORD})
    assert with_password.status_code == 401, "a stolen password must not turn it off"
    sent = {"proof": TOTP(secret).at(clock.wall())}
    answer = client.post("/settings/second-factor/recovery-codes", data=sent)
    assert answer.status_code == 200
    fresh = re.findall(r"<li><code>([a-z0-9-]+)</code></li>", answer.text)
    assert len(fresh) == 10
    assert not set(fresh) & set(codes)
    clock.wait(minutes=15)
    assert client.post("/settings/second-factor/removal", data=sent).status_code == 401
    old = {"proof": codes[3]}
    assert client.post("/settings/second-factor/removal", data=old).status_code == 401


def test_the_second_factor_can_be_turned_off(app, client, world, secured, email):
    answer = client.post("/settings/second-factor/removal")
    assert (answer.status_code, answer.location) == (303, "/settings/profile")
    assert world.audits[-1] == ("second_factor_off", {})
    world.session.rollback()
    assert world.session.query(RecoveryCode).count() == 0
    assert enter(app.test_client(), email).location == MAIN


# Required by the account


@pytest.fixture
def requiring_account(world):
    require_second_factor(world.ctx, world.account_id, True)
    return world


def test_a_required_second_factor_is_set_up_first(requiring_account, client, teammate, clock):
    """P2: before anything else; a fragment redirects the whole page."""
    for visitor in (client, teammate("technical")):
        for path in ("/", MAIN, "/settings/profile"):
            assert visitor.get(path).location == NEW
        answer = visitor.get(f"{MAIN}/refresh", headers=HTMX)
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, NEW)
        page = visitor.get(NEW)
        assert "requires two-step sign-in" in words(page)
        set_up(visitor, clock)
        assert visitor.get("/", follow_redirects=True).status_code == 200
    answer = client.post("/settings/second-factor/removal", follow_redirects=True)
    assert "so it cannot be turned off" in words(answer)
    assert requiring_account.audits[1] == ("second_factor_required", {"on": True})


def test_a_person_without_it_can_sign_out_or_switch_accounts(requiring_account, client, world):
    """P3: an account that does not require it stays open to them."""
    from webapp.domain.users.user import Membership, Role

    other = world.account(name="Northline Telecom")
    world.session.add(
        Membership(user_id=world.created.user_id, account_id=other.account_id, role=Role.COMMERCIAL)
    )
    world.session.commit()
    client.post(f"/accounts/{other.account_id}/visits")
    assert client.get(MAIN).status_code == 200
    client.post(f"/accounts/{world.account_id}/visits")
    assert client.get(MAIN).location == NEW
    assert client.post("/sign-out").location == "/sign-in"


def test_the_second_factor_pages_need_a_session(app, world):
    nobody = app.test_client()
    assert nobody.get(NEW).status_code == 303
    for path in ("", "/removal", "/recovery-codes"):
        answer = nobody.post(f"/settings/second-factor{path}")
        assert (answer.status_code, answer.location) == (303, "/sign-in")
