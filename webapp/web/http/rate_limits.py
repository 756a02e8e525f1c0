"""What may not be tried often, at each way in that people have: who it counts for, and the answer.

A refusal is told where the form is, says when to try again, and goes out as 429 with Retry-After.
"""

from flask import Flask, Response, g, request

from webapp.actions.users.rate_limit import clear as forget
from webapp.actions.users.rate_limit import hit
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count, Limit
from webapp.extensions import db, services
from webapp.web.http.person import Person


def init_app(app: Flask) -> None:
    app.after_request(say_when)


def say_when(response: Response) -> Response:
    if response.status_code == 429 and (seconds := g.get("retry_after")):
        response.headers["Retry-After"] = str(seconds)
    return response


def sign_in(email: str) -> None:
    """Raises `TooOften`; so do all below."""
    once("Too many sign-in attempts", sign_in_counts(email))


def signed_in(email: str) -> None:
    """What was mistyped before does not count against the right person."""
    if services().settings.rate_limits:
        forget(db.session(), sign_in_counts(email)[:1])


def sign_in_counts(email: str) -> list[Count]:
    email = email.strip().lower()
    return [
        Count(rate_limits.SIGN_IN, f"{email} {line()}"),
        from_here(rate_limits.SIGN_IN_FROM),
        Count(rate_limits.SIGN_IN_AS, email),
    ]


def code(user_id: int) -> None:
    once("Too many attempts", [Count(rate_limits.CODE, str(user_id))])


def code_was_right(user_id: int) -> None:
    if services().settings.rate_limits:
        forget(db.session(), [Count(rate_limits.CODE, str(user_id))])


def reset(email: str) -> None:
    counts = [Count(rate_limits.RESET, email.strip().lower()), from_here(rate_limits.RESET_FROM)]
    once("Too many password reset requests", counts)


def sign_up() -> None:
    once("Too many sign-ups", [from_here(rate_limits.SIGN_UP_FROM)])


def confirmation(person: Person) -> None:
    counts = [Count(rate_limits.CONFIRMATION, str(person.id))]
    once("Too many address changes", counts)


def invitation(person: Person) -> None:
    counts = [of_account(rate_limits.INVITATION, person), from_here(rate_limits.INVITATION_FROM)]
    once("Too many invitations sent", counts)


def card(person: Person) -> None:
    counts = [of_account(rate_limits.CARD, person), from_here(rate_limits.CARD_FROM)]
    once("Too many cards added", counts)


def capture() -> None:
    """The pretend processor's card form, which knows no person."""
    once("Too many cards sent", [from_here(rate_limits.CAPTURE_FROM)])


def retry(person: Person) -> None:
    once("Too many payments retried", [of_account(rate_limits.RETRY, person)])


def new_key(person: Person) -> None:
    once("Too many API keys created", [of_account(rate_limits.KEY, person)])


def of_account(limit: Limit, person: Person) -> Count:
    return Count(limit, str(person.account_id))


def from_here(limit: Limit) -> Count:
    return Count(limit, line())


def line() -> str:
    return rate_limits.line_of(request.remote_addr or "")


def once(what: str, counts: list[Count]) -> None:
    if not services().settings.rate_limits:
        return
    try:
        hit(db.session(), what, counts, services().clock.now())
    except TooOften as refusal:
        g.retry_after = refusal.seconds
        raise
