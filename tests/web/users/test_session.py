"""Signing in and out, and the redirects afterwards."""

import re

import pytest

from tests.conftest import settings_in
from tests.factories import PASSWORD
from tests.web.conftest import words
from webapp.app import create_app
from webapp.domain.events.rows import EventRow
from webapp.domain.users.user import Membership, User
from webapp.extensions import db

MAIN = "/billing/payment-methods"


@pytest.fixture
def email(world):
    return world.session.get(User, world.created.user_id).email


@pytest.fixture
def visitor(app, world):
    return app.test_client()


def sign_in(visitor, email, password=PASSWORD, **more):
    return visitor.post("/sign-in", data={"email": email, "password": password, **more})


def audits(world):
    world.session.rollback()
    query = world.session.query(EventRow).order_by(EventRow.id)
    return [(e.audit, e.user_id) for e in query if (e.audit or "").startswith("sign")]


def test_signing_in_redirects_to_the_main_screen(visitor, world, email):
    """P2: and is audited."""
    answer = sign_in(visitor, email)
    assert (answer.status_code, answer.location) == (303, MAIN)
    assert "Harbour Voice" in words(visitor.get(MAIN))
    assert audits(world) == [("signed_in", world.created.user_id)]


def test_the_email_is_trimmed_and_case_insensitive(visitor, email):
    assert sign_in(visitor, f"  {email.upper()} ").status_code == 303


def test_a_signed_in_person_is_redirected_from_the_sign_in_page(visitor, email):
    sign_in(visitor, email)
    answer = visitor.get("/sign-in?next=/billing/statement")
    assert (answer.status_code, answer.location) == (302, "/billing/statement")
    assert visitor.get("/").location == MAIN


def test_a_wrong_password_and_an_unknown_email_have_the_same_error(visitor, world, email):
    """P2: it does not reveal who has an account; each attempt is audited."""
    answers = {}
    for address, password in [(email, "wrong"), (email, ""), ("nobody@example.com", PASSWORD)]:
        answer = sign_in(visitor, address, password)
        assert answer.status_code == 422
        assert password == "" or password not in answer.text
        answers[re.sub(r'value="[^"]*"', "", answer.text).strip()] = True
        assert visitor.get(MAIN).status_code == 303
    assert len(answers) == 1
    assert "Wrong email or password" in next(iter(answers))
    refused = ("sign_in_refused", world.created.user_id)
    assert audits(world) == [refused, refused, ("sign_in_refused", None)]


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"email": "", "password": ""},
        {"email": "a\x00b", "password": "\x00"},
        {"email": "x" * 100_000, "password": "y" * 100_000},
        {"email": "' OR 1=1 --", "password": "' OR 1=1 --"},
        {"email": '"><script>alert(1)</script>', "password": "x"},
    ],
)
def test_malformed_input_is_a_wrong_password(visitor, form):
    answer = visitor.post("/sign-in", data=form)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text


def test_signing_in_starts_a_new_session(visitor, email):
    """Data of the previous session is not kept."""
    with visitor.session_transaction() as cookie:
        cookie["left_by"] = "someone else"
    sign_in(visitor, email)
    with visitor.session_transaction() as cookie:
        assert "left_by" not in cookie


def test_a_session_is_remembered_only_on_request(app, email):
    """Otherwise it ends when the browser is closed."""
    for form, kept in (({}, False), ({"remember": "1"}, True)):
        cookie = sign_in(app.test_client(), email, **form).headers["Set-Cookie"]
        assert ("Expires=" in cookie) == kept


def test_signing_out_everywhere_ends_every_session_of_the_person(
    app, client, visitor, world, email
):
    """P2: in other browsers too, and only their own."""
    sign_in(visitor, email)
    assert visitor.get(MAIN).status_code == 200
    answer = client.post("/sign-out/everywhere", follow_redirects=True)
    assert "You are signed out everywhere" in words(answer)
    assert visitor.get(MAIN).status_code == 303
    assert client.get(MAIN).status_code == 303
    assert ("signed_out_everywhere", {}) in world.audits
    assert sign_in(visitor, email).status_code == 303
    assert visitor.get(MAIN).status_code == 200


def test_a_person_without_an_account_cannot_sign_in(visitor, world, email):
    """P3: the password is right, but there is no account to show."""
    world.session.query(Membership).delete()
    world.session.commit()
    answer = sign_in(visitor, email)
    assert answer.status_code == 422
    assert "no longer a member of any account" in words(answer)
    assert visitor.get(MAIN).status_code == 303


def test_the_cookie_is_http_only_and_same_site(visitor, email):
    cookie = sign_in(visitor, email).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(
    ("url", "cookie"),
    [
        ("https://billing.example.com", "__Host-session="),
        ("https://example.com/billing", "__Host-session="),
        ("http://127.0.0.1:8000", "session="),
    ],
)
def test_behind_tls_the_cookie_is_bound_to_its_host(home, url, cookie):
    """Another host of the domain cannot set it, and it is never sent in the clear."""
    app = create_app(settings_in(home, PUBLIC_URL=url))
    cookie_header = app.test_client().get("/sign-in", base_url=url).headers["Set-Cookie"]
    assert cookie_header.startswith(cookie)
    assert "Path=/;" in f"{cookie_header};"
    assert "Domain" not in cookie_header
    assert ("Secure" in cookie_header) == url.startswith("https:")
    with app.app_context():
        db.engine.dispose()


def test_a_forged_cookie_is_signed_out(visitor):
    visitor.set_cookie("session", "eyJfdXNlcl9pZCI6IjEifQ.aaaaaa.bbbbbb")
    assert visitor.get(MAIN).status_code == 303


def test_signing_out_twice_is_no_error(visitor, email):
    """The cookie is empty afterwards."""
    sign_in(visitor, email)
    for _ in range(2):
        answer = visitor.post("/sign-out")
        assert (answer.status_code, answer.location) == (303, "/sign-in")
        assert visitor.get(MAIN).status_code == 303
    with visitor.session_transaction() as cookie:
        assert "_user_id" not in cookie


OURS = ["/billing/statement", "/billing/payments?before=3", "/billing/activity?a=//b", "/"]
NOT_OURS = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "evil.example",
    "https://evil.example", "http:evil.example", "https:/evil.example", "javascript:alert(1)",
    "/\t/evil.example", "/\n/evil.example", " //evil.example", "\x00//evil.example",
    "data:text/html,x", "//127.0.0.1:8000@evil.example", "?next=//evil.example", "", "/\u202e",
    "/\r\nSet-Cookie: a=b",
]  # fmt: skip


def test_signing_in_redirects_to_the_requested_page(app, visitor, email):
    for address in OURS:
        answer = sign_in(app.test_client(), email, next=address)
        assert answer.location == address


def test_next_never_redirects_to_another_site(visitor, email):
    """Neither after signing in on the page..."""
    for address in NOT_OURS:
        page = visitor.get("/sign-in", query_string={"next": address})
        assert page.status_code == 200
        assert "evil.example" not in page.text, address
    sign_in(visitor, email)
    for address in NOT_OURS:  # ...nor if already signed in
        answer = visitor.get("/sign-in", query_string={"next": address})
        assert answer.location == MAIN, address
        assert "Set-Cookie: a" not in str(answer.headers)


def test_next_in_the_form_never_redirects_to_another_site(visitor, email):
    for address in NOT_OURS[:6]:
        assert sign_in(visitor, email, next=address).location == MAIN, address


def test_the_sign_in_form_has_its_names(visitor):
    """Scripts and password managers rely on them."""
    page = visitor.get("/sign-in").text
    assert re.search(r'<label for="email">Email</label>', page)
    assert re.search(r'<label for="password">Password</label>', page)
    assert re.search(r"<button[^>]*>\s*Sign in\s*</button>", page)
    assert 'type="password"' in page
