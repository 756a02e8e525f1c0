"""Signing up, confirming an email, and forgetting and changing a password (P1, P2)."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tests.factories import PASSWORD, VISA
from tests.web.conftest import errors, words
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import Notice
from webapp.domain.shared import signed_links
from webapp.domain.users.user import User
from webapp.settings import SignUp

MAIN = "/billing/payment-methods"
HTMX = {"HX-Request": "true"}
FORM = {
    "company": "Quay Telecom",
    "name": "Bo Lind",
    "email": " Bo@Example.com ",
    "password": "a-long-password",
    "time_zone": "Europe/Oslo",
}


@pytest.fixture
def visitor(app, world):
    return app.test_client()


@pytest.fixture
def newcomer(visitor):
    """A browser in which a person has just signed up."""
    assert visitor.post("/sign-up", data=FORM).status_code == 303
    return visitor


@pytest.fixture
def owner(world):
    return world.session.get(User, world.created.user_id)


def mails_to(world, email):
    world.session.rollback()
    query = world.session.query(Notice).filter_by(recipient=email).order_by(Notice.id)
    return list(query)


def link_in(world, email, kind):
    """Return the path of the link in the last email of that kind."""
    mail = [m for m in mails_to(world, email) if m.kind == kind][-1]
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    return re.search(r"https?://[^/\s]+(/\S+)", text)[1]


def enter(visitor, email, password=PASSWORD):
    return visitor.post("/sign-in", data={"email": email, "password": password})


# Signing up


def test_signing_up_opens_the_new_account(newcomer, world):
    """P1: with its owner and an email with a link; dates are in the browser's time zone."""
    page = newcomer.get("/", follow_redirects=True)
    assert page.request.path == MAIN
    assert "Quay Telecom" in words(page)
    assert "Confirm your email" in words(page)
    world.session.rollback()
    account = world.session.query(Account).filter_by(name="Quay Telecom").one()
    assert account.time_zone == "Europe/Oslo"
    assert [m.kind for m in mails_to(world, "bo@example.com")] == ["confirm_email"]
    assert "Owner" in words(newcomer.get("/settings/profile"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company", ""), ("company", "x" * 121), ("company", "a\x00b"), ("name", " "),
        ("email", "nobody"), ("email", ""), ("password", "too short"),
    ],
)  # fmt: skip
def test_each_error_is_beside_its_field(visitor, world, field, value):
    answer = visitor.post("/sign-up", data={**FORM, field: value})
    assert answer.status_code == 422
    assert list(errors(answer)) == [field]
    assert FORM["password"] not in answer.text
    assert world.session.query(Account).count() == 1


def test_an_email_that_is_taken_is_refused(visitor, owner):
    answer = visitor.post("/sign-up", data={**FORM, "email": owner.email})
    assert answer.status_code == 422
    assert "already in use" in errors(answer)["email"]


def test_an_unknown_time_zone_becomes_utc(visitor, world):
    answer = visitor.post("/sign-up", data={**FORM, "time_zone": "Mars/Base"})
    assert answer.status_code == 303
    account = world.session.query(Account).filter_by(name="Quay Telecom").one()
    assert account.time_zone == "UTC"


def test_an_unconfirmed_person_can_only_read(newcomer, world):
    """Every page is readable, but no payment method or funds can be added."""
    for path in (MAIN, "/billing/payments", "/billing/statement", "/settings/profile"):
        assert newcomer.get(path).status_code == 200
    key = {"request_key": "k" * 32}
    for path in (f"{MAIN}/cards/new", f"{MAIN}/paypal/new", "/billing/funds/new"):
        for headers in ({}, HTMX):
            answer = newcomer.get(path, headers=headers)
            assert answer.status_code == 422
            assert "Confirm your email first" in words(answer)
            assert "Create a new link" in words(answer)
    for path, form in (
        (MAIN, {"state": "x", "token": "x"}),
        (f"{MAIN}/paypal", {}),
        ("/billing/funds", {**key, "amount": "50.00"}),
        ("/billing/wire-transfers", {**key, "amount": "50.00", "currency": "USD"}),
    ):
        answer = newcomer.post(path, data=form)
        assert answer.status_code == 422
        assert "Confirm your email address first" in words(answer)
    confirm = link_in(world, "bo@example.com", "confirm_email")
    assert newcomer.post(confirm).status_code == 303
    assert newcomer.get(f"{MAIN}/cards/new").status_code == 200
    assert "Confirm your email address" not in words(newcomer.get(MAIN))


# Confirming the email


def test_opening_the_link_asks_before_it_confirms(app, newcomer, world):
    """Programs that scan emails open links, so confirming needs a session."""
    link = link_in(world, "bo@example.com", "confirm_email")
    assert "Confirm that bo@example.com is your email address." in words(newcomer.get(link))
    anywhere = app.test_client()
    for ask in (anywhere.get, anywhere.post):
        asked = ask(link)
        assert asked.location.startswith("/sign-in?next=/confirm-email")
        assert "Sign in to confirm bo@example.com" in words(anywhere.get(asked.location))
    assert "Not confirmed" in words(newcomer.get("/settings/profile"))

    assert enter(anywhere, "bo@example.com", FORM["password"]).status_code == 303
    for _ in range(2):
        assert anywhere.post(link).status_code == 303
    assert "bo@example.com is confirmed" in words(anywhere.get("/settings/profile"))
    assert "Not confirmed" not in words(newcomer.get("/settings/profile"))


def test_the_confirmation_link_lasts_three_days(newcomer, world):
    link = link_in(world, "bo@example.com", "confirm_email")
    world.clock.advance(days=3)
    answer = newcomer.post(link)
    assert answer.status_code == 422
    assert "no longer works" in words(answer)
    newcomer.post("/settings/profile/confirmations")
    assert newcomer.post(link_in(world, "bo@example.com", "confirm_email")).status_code == 303


def test_the_link_is_resent_at_most_once_a_minute(newcomer, world):
    for _ in range(3):
        assert newcomer.post("/settings/profile/confirmations").status_code == 303
    assert len(mails_to(world, "bo@example.com")) == 1, "one is on its way"
    world.clock.advance(minutes=1)
    for _ in range(3):
        newcomer.post("/settings/profile/confirmations")
    assert len(mails_to(world, "bo@example.com")) == 2


def test_a_forged_link_is_not_found(app, visitor, owner):
    """Altered, for another purpose, or from another installation."""
    ours = [owner.id, owner.email, 9_999_999_999]
    tokens = [
        signed_links.sign("another key", signed_links.CONFIRM, ours),
        signed_links.sign(app.secret_key, signed_links.RESET, ours),
        signed_links.sign(app.secret_key, signed_links.CONFIRM, ours)[:-1],
        "x",
        "x" * 3000,
    ]
    for token in tokens:
        for path in ("/confirm-email", "/reset-password"):
            if path == "/reset-password" and token == tokens[1]:
                continue
            assert visitor.get(f"{path}/{token}").status_code == 404
            assert visitor.post(f"{path}/{token}").status_code == 404


# Changing the email


def test_changing_the_email_is_confirmed_at_the_new_address(client, world, owner):
    """P2: the old address is notified, and nothing changes until the confirmation."""
    before = owner.email
    answer = client.post("/settings/profile/email", data={"email": "Ana@New.example"})
    assert (answer.status_code, answer.location) == (303, "/settings/profile")
    profile = words(client.get("/settings/profile"))
    assert "The change to ana@new.example is pending." in profile
    assert enter(world.app.test_client(), before).status_code == 303
    link = link_in(world, "ana@new.example", "confirm_email")
    assert client.post(link).status_code == 303
    assert client.get(MAIN).status_code == 200
    assert enter(world.app.test_client(), before).status_code == 422
    assert enter(world.app.test_client(), "ana@new.example").status_code == 303
    assert [m.kind for m in mails_to(world, before)] == ["security_changed", "email_changed"]
    assert ("email_changed", {"before": before, "after": "ana@new.example"}) in world.audits


def test_only_the_last_requested_email_can_be_confirmed(client, world, owner):
    for email in ("one@new.example", "two@new.example"):
        client.post("/settings/profile/email", data={"email": email})
    assert client.post(link_in(world, "one@new.example", "confirm_email")).status_code == 422
    assert client.post(link_in(world, "two@new.example", "confirm_email")).status_code == 303


def test_a_taken_email_is_answered_alike_and_gets_no_email(client, world):
    """The response does not reveal who has an account."""
    other = world.account(email="taken@example.com")
    answers = []
    for email in ("taken@example.com", "free@example.com"):
        answer = client.post("/settings/profile/email", data={"email": email})
        answers.append((answer.status_code, answer.location))
    assert answers[0] == answers[1]
    assert mails_to(world, "taken@example.com") == []
    world.session.rollback()
    assert world.session.get(User, other.user_id).email == "taken@example.com"


def test_changing_the_email_requires_reauthentication(client, world):
    world.clock.wait(minutes=15)
    answer = client.post("/settings/profile/email", data={"email": "ana@new.example"})
    assert answer.status_code == 401
    assert 'name="email" value="ana@new.example"' in answer.text


@pytest.mark.parametrize("email", ["", "nobody", "a b@example.com", "x" * 250 + "@e.example"])
def test_an_invalid_email_stays_beside_its_error(client, world, email):
    answer = client.post("/settings/profile/email", data={"email": email})
    assert answer.status_code == 422
    assert "Enter an email address" in errors(answer)["email"]


# Forgetting and changing the password


def test_a_forgotten_password_is_reset(app, client, visitor, world, owner):
    """P2: the link works once, all sessions end, and an email reports the change."""
    assert (
        visitor.post("/forgot-password", data={"email": f" {owner.email.upper()}"}).status_code
        == 200
    )
    link = link_in(world, owner.email, "reset_password")
    page = visitor.get(link)
    assert page.status_code == 200
    answer = visitor.post(link, data={"password": "short"})
    assert (answer.status_code, list(errors(answer))) == (422, ["password"])
    answer = visitor.post(link, data={"password": "quite-another-one"})
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    assert client.get(MAIN).status_code == 303, "the session from before has ended"
    for again in (visitor.get(link), visitor.post(link, data={"password": "one-more-of-them"})):
        assert again.status_code == 422
        assert "no longer works" in words(again)
    assert enter(app.test_client(), owner.email).status_code == 422
    assert enter(visitor, owner.email, "quite-another-one").status_code == 303
    kinds = [m.kind for m in mails_to(world, owner.email)]
    assert kinds == ["reset_password", "password_changed"]
    assert [what for what, _ in world.audits][1:3] == ["password_forgotten", "password_changed"]


def test_the_reset_link_lasts_an_hour(visitor, world, owner):
    visitor.post("/forgot-password", data={"email": owner.email})
    link = link_in(world, owner.email, "reset_password")
    world.clock.advance(minutes=59, seconds=59)
    assert visitor.get(link).status_code == 200
    world.clock.advance(seconds=1)
    assert visitor.get(link).status_code == 422
    assert visitor.post(link, data={"password": "quite-another-one"}).status_code == 422


def test_known_and_unknown_emails_are_answered_alike(visitor, world, owner):
    """The response does not reveal who has an account; an unknown address gets no email."""
    pages = []
    for email in (owner.email, "nobody@example.com", "no address", ""):
        answer = visitor.post("/forgot-password", data={"email": email})
        pages.append((answer.status_code, answer.text.replace(email, "…") if email else ""))
    assert pages[0] == pages[1] == pages[2]
    assert pages[3][0] == 200
    world.session.rollback()
    assert [m.recipient for m in world.session.query(Notice)] == [owner.email]


def test_changing_the_password_ends_the_other_sessions(app, client, world, owner):
    """P2: the current session continues, and an email reports the change."""
    elsewhere = app.test_client()
    enter(elsewhere, owner.email)
    form = {"present": PASSWORD, "password": "quite-another-one"}
    for wrong in ({**form, "present": "wrong"}, {**form, "password": "short"}):
        assert client.post("/settings/profile/password", data=wrong).status_code == 422
    assert elsewhere.get(MAIN).status_code == 200
    answer = client.post("/settings/profile/password", data=form)
    assert (answer.status_code, answer.location) == (303, "/settings/profile")
    assert client.get(MAIN).status_code == 200
    assert elsewhere.get(MAIN).status_code == 303
    assert enter(app.test_client(), owner.email, "quite-another-one").status_code == 303
    assert [m.kind for m in mails_to(world, owner.email)] == ["password_changed"]
    whats = [what for what, _ in world.audits]
    assert "proof_refused" in whats
    assert "password_changed" in whats


def test_a_personal_email_is_shown_only_to_its_person(client, teammate, visitor, world, owner):
    """P1: including a link to a new password in the sandbox's outbox."""
    visitor.post("/forgot-password", data={"email": owner.email})
    (mail,) = mails_to(world, owner.email)
    assert client.get(f"/sandbox/outbox/{mail.id}").status_code == 200
    admin = teammate("admin")
    assert admin.get(f"/sandbox/outbox/{mail.id}").status_code == 404
    assert "Choose a new password" not in admin.get("/sandbox/outbox").text


def test_the_sign_up_form_has_its_names(visitor):
    """Scripts and password managers rely on them."""
    page = words(visitor.get("/sign-up"))
    for name in ("Company name", "Your name", "Email", "Password", "Create account"):
        assert name in page
    assert visitor.get("/sign-in").text.count('href="/forgot-password"') == 1
    assert VISA not in page


def test_strangers_open_no_account_where_sign_up_is_off_v4(app, world, visitor):
    """V4: the page explains it, and nothing leads there."""
    assert "/sign-up" in visitor.get("/sign-in").text
    services = app.extensions["ballast"]
    settings = services.settings.model_copy(update={"sign_up": SignUp.OFF})
    app.extensions["ballast"] = replace(services, settings=settings)
    before = world.session.scalar(select(func.count()).select_from(User))
    for answer in (visitor.get("/sign-up"), visitor.post("/sign-up", data=FORM)):
        assert answer.status_code == 404
        assert "Ask your provider for an account" in answer.text
    assert "/sign-up" not in visitor.get("/sign-in").text
    world.session.rollback()
    assert world.session.scalar(select(func.count()).select_from(User)) == before
