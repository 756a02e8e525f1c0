"""Signing up, confirming an address, forgetting and changing a password (P1, P2)."""

import re

import pytest

from tests.factories import PASSWORD, VISA
from tests.web.conftest import errors, words
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import Notice
from webapp.domain.shared import signed_links
from webapp.domain.users.user import User

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
    """A browser in which somebody has just signed up."""
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
    """The path of the link in the last mail of that kind, as its template writes it."""
    mail = [m for m in mails_to(world, email) if m.kind == kind][-1]
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    return re.search(r"https?://[^/\s]+(/\S+)", text)[1]


def enter(visitor, email, password=PASSWORD):
    return visitor.post("/sign-in", data={"email": email, "password": password})


# Signing up


def test_signing_up_leads_into_the_new_account(newcomer, world):
    """P1: the company, its owner, and a mail with the link; dates are in the browser's zone."""
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
def test_each_mistake_stands_beside_its_field(visitor, world, field, value):
    answer = visitor.post("/sign-up", data={**FORM, field: value})
    assert answer.status_code == 422
    assert list(errors(answer)) == [field]
    assert FORM["password"] not in answer.text
    assert world.session.query(Account).count() == 1


def test_an_address_that_is_taken_says_so(visitor, owner):
    answer = visitor.post("/sign-up", data={**FORM, "email": owner.email})
    assert answer.status_code == 422
    assert "already in use" in errors(answer)["email"]


def test_a_time_zone_that_is_none_is_refused_without_a_word_of_it(visitor, world):
    answer = visitor.post("/sign-up", data={**FORM, "time_zone": "Mars/Base"})
    assert answer.status_code == 303
    account = world.session.query(Account).filter_by(name="Quay Telecom").one()
    assert account.time_zone == "UTC"


def test_until_the_address_is_confirmed_one_looks_around(newcomer, world):
    """Every page, and nothing that brings in money."""
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


# Confirming


def test_opening_the_link_asks_before_it_confirms(app, newcomer, world):
    """F2: a program that looks into emails opens links; whoever confirms has signed in."""
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


def test_the_link_lasts_three_days(newcomer, world):
    link = link_in(world, "bo@example.com", "confirm_email")
    world.clock.advance(days=3)
    answer = newcomer.post(link)
    assert answer.status_code == 422
    assert "no longer works" in words(answer)
    newcomer.post("/settings/profile/confirmations")
    assert newcomer.post(link_in(world, "bo@example.com", "confirm_email")).status_code == 303


def test_the_link_is_sent_again_but_not_by_the_dozen(newcomer, world):
    for _ in range(3):
        assert newcomer.post("/settings/profile/confirmations").status_code == 303
    assert len(mails_to(world, "bo@example.com")) == 1, "one is on its way"
    world.clock.advance(minutes=1)
    for _ in range(3):
        newcomer.post("/settings/profile/confirmations")
    assert len(mails_to(world, "bo@example.com")) == 2


def test_a_link_that_is_not_ours_is_not_found(app, visitor, owner):
    """Altered, of another purpose, or of another installation."""
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


# Changing the address


def test_changing_the_address(client, world, owner):
    """P2: confirmed at the new one, told at the old one; until then nothing changes."""
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


def test_only_the_last_address_asked_for_counts(client, world, owner):
    for email in ("one@new.example", "two@new.example"):
        client.post("/settings/profile/email", data={"email": email})
    assert client.post(link_in(world, "one@new.example", "confirm_email")).status_code == 422
    assert client.post(link_in(world, "two@new.example", "confirm_email")).status_code == 303


def test_somebody_elses_address_is_answered_alike_and_gets_no_mail(client, world):
    """Nobody learns who is here."""
    other = world.account(email="taken@example.com")
    answers = []
    for email in ("taken@example.com", "free@example.com"):
        answer = client.post("/settings/profile/email", data={"email": email})
        answers.append((answer.status_code, answer.location))
    assert answers[0] == answers[1]
    assert mails_to(world, "taken@example.com") == []
    world.session.rollback()
    assert world.session.get(User, other.user_id).email == "taken@example.com"


def test_changing_the_address_asks_for_a_proof(client, world):
    world.clock.wait(minutes=15)
    answer = client.post("/settings/profile/email", data={"email": "ana@new.example"})
    assert answer.status_code == 401
    assert 'name="email" value="ana@new.example"' in answer.text


@pytest.mark.parametrize("email", ["", "nobody", "a b@example.com", "x" * 250 + "@e.example"])
def test_what_is_no_address_stays_beside_its_error(client, world, email):
    answer = client.post("/settings/profile/email", data={"email": email})
    assert answer.status_code == 422
    assert "Enter an e-mail address" in errors(answer)["email"]


# Forgotten, and changed


def test_a_forgotten_password(app, client, visitor, world, owner):
    """P2: the link works once; all sessions end, and a mail tells of the change."""
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


def test_the_link_lasts_an_hour(visitor, world, owner):
    visitor.post("/forgot-password", data={"email": owner.email})
    link = link_in(world, owner.email, "reset_password")
    world.clock.advance(minutes=59, seconds=59)
    assert visitor.get(link).status_code == 200
    world.clock.advance(seconds=1)
    assert visitor.get(link).status_code == 422
    assert visitor.post(link, data={"password": "quite-another-one"}).status_code == 422


def test_known_and_unknown_are_answered_alike(visitor, world, owner):
    """Nobody learns who is here; the unknown one is owed nothing."""
    pages = []
    for email in (owner.email, "nobody@example.com", "no address", ""):
        answer = visitor.post("/forgot-password", data={"email": email})
        pages.append((answer.status_code, answer.text.replace(email, "…") if email else ""))
    assert pages[0] == pages[1] == pages[2]
    assert pages[3][0] == 200
    world.session.rollback()
    assert [m.recipient for m in world.session.query(Notice)] == [owner.email]


def test_changing_the_password(app, client, world, owner):
    """P2: the present session goes on, all others end, and a mail tells of it."""
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


def test_a_persons_own_mails_are_read_by_nobody_else(client, teammate, visitor, world, owner):
    """P1: a link to a new password, in the sandbox's outbox too."""
    visitor.post("/forgot-password", data={"email": owner.email})
    (mail,) = mails_to(world, owner.email)
    assert client.get(f"/sandbox/outbox/{mail.id}").status_code == 200
    admin = teammate("admin")
    assert admin.get(f"/sandbox/outbox/{mail.id}").status_code == 404
    assert "Choose a new password" not in admin.get("/sandbox/outbox").text


def test_the_forms_names(visitor):
    """The names that scripts and password managers find them by."""
    page = words(visitor.get("/sign-up"))
    for name in ("Company name", "Your name", "Email", "Password", "Create account"):
        assert name in page
    assert visitor.get("/sign-in").text.count('href="/forgot-password"') == 1
    assert VISA not in page
