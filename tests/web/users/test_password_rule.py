"""The password rule applies wherever a password is chosen."""

import re

import pytest

from tests.factories import PASSWORD
from tests.web.conftest import errors, words
from tests.web.plain_browser import PlainBrowser
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.users import passwords
from webapp.domain.users.passwords import COMMON, OWN, TOO_SHORT
from webapp.domain.users.user import Role, User

LINK = re.compile(r"http://[^/]+(/[\w/.\-]+)")


def link_in(world, kind):
    world.session.rollback()
    mail = world.session.query(Notice).filter_by(kind=kind).order_by(Notice.id.desc()).first()
    text = world.services.mailer.render(mail.kind, mail.facts, mail.language).text
    return next(it for it in LINK.findall(text) if it.count("/") == 2)


def owner(world):
    return world.session.get_one(User, world.created.user_id)


class SignUp:
    def __init__(self, world, client, visitor):
        self.page = PlainBrowser(visitor, "/sign-up")

    def choose(self, password):
        form = {"company": "Quay Telecom", "name": "Bo Lind", "email": "bo@quay.example"}
        self.page.press("Create account", **form, password=password)


class Reset:
    def __init__(self, world, client, visitor):
        self.page = PlainBrowser(visitor, "/forgot-password")
        self.page.press("Create the link", email=owner(world).email)
        self.page.open(link_in(world, NoticeKind.RESET_PASSWORD))

    def choose(self, password):
        self.page.press("Change password", password=password)


class Change:
    def __init__(self, world, client, visitor):
        self.page = PlainBrowser(client, "/settings/profile")

    def choose(self, password):
        self.page.press("Change password", present=PASSWORD, password=password)


class Invitation:
    def __init__(self, world, client, visitor):
        world.invite("bo@quay.example", Role.TECHNICAL)
        self.page = PlainBrowser(visitor, link_in(world, NoticeKind.INVITATION))

    def choose(self, password):
        self.page.press("Join", name="Bo Lind", password=password)


OWN_WORDS = {
    SignUp: "quaytelecom1",
    Reset: "Harbour2026",
    Change: "Harbour2026",
    Invitation: "dnil.ob1234",
}


@pytest.mark.parametrize("form", [SignUp, Reset, Change, Invitation])
def test_every_form_applies_the_rule(app, world, client, form):
    """An error beside the field, without the input; then a valid password is accepted."""
    app.config["WTF_CSRF_ENABLED"] = True
    at = form(world, client, app.test_client())
    for password, error in (
        ("too short", TOO_SHORT),
        ("aaaaaaaaaa", COMMON),
        ("password12", COMMON),
        (OWN_WORDS[form], OWN),
    ):
        at.choose(password)
        refused = at.page.answer
        assert refused.status_code == 422
        assert errors(refused) == {"password": error}
        assert password not in refused.text
    at.choose("a-long-password")
    assert at.page.answer.history[0].status_code == 303


@pytest.mark.parametrize("command", ["accounts create", "operators create"])
def test_the_command_line_applies_the_rule(app, world, command):
    for password, error in (("password12", COMMON), ("bolind2026", OWN)):
        words = [*command.split(), "--name", "Bo Lind", "--email", "bo@quay.example"]
        run = app.test_cli_runner().invoke(args=[*words, "--password", password])
        assert run.exit_code == 1
        assert error in run.output


def test_an_old_password_against_the_rule_still_signs_in(app, world):
    """The rule applies to new passwords."""
    person = owner(world)
    person.password_hash = passwords.hash_password("password12")
    world.session.commit()
    form = {"email": person.email, "password": "password12"}
    assert app.test_client().post("/sign-in", data=form).status_code == 303


def test_the_pages_state_the_rule(app, client):
    """They also load the script that shows the strength."""
    for page in (app.test_client().get("/sign-up"), client.get("/settings/profile")):
        assert "At least 10 characters, and none of the most common passwords." in words(page)
        assert "js/password.js" in page.text
        assert "data-strength" in page.text
