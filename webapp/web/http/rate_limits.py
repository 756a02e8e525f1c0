"""Rate limits of the pages: what each one counts, and the refusal.

A refusal is shown at the form, says when to try again, and is sent as 429 with Retry-After.
"""

from http import HTTPStatus

from flask import Response, after_this_request, request

from webapp.actions.users.rate_limit import clear, hit
from webapp.domain.shared.errors import TooOften
from webapp.domain.users import rate_limits
from webapp.domain.users.rate_limits import Count, Limit
from webapp.extensions import make_context, services
from webapp.web.http.person import Person


def sign_in(email: str) -> None:
    """Raises `TooOften`, as do all functions below."""
    check("Too many sign-in attempts", sign_in_counts(email))


def clear_sign_in(email: str) -> None:
    """Forget the failed attempts of a person who has now signed in."""
    if services().settings.rate_limits:
        clear(make_context(), sign_in_counts(email)[:1])


def sign_in_counts(email: str) -> list[Count]:
    email = email.strip().lower()
    return [
        Count(rate_limits.SIGN_IN, f"{email} {client()}"),
        from_here(rate_limits.SIGN_IN_FROM),
        Count(rate_limits.SIGN_IN_AS, email),
    ]


def code(user_id: int) -> None:
    check("Too many attempts", [Count(rate_limits.CODE, str(user_id))])


def clear_code(user_id: int) -> None:
    if services().settings.rate_limits:
        clear(make_context(), [Count(rate_limits.CODE, str(user_id))])


def reset(email: str) -> None:
    counts = [Count(rate_limits.RESET, email.strip().lower()), from_here(rate_limits.RESET_FROM)]
    check("Too many password reset requests", counts)


def sign_up() -> None:
    check("Too many sign-ups", [from_here(rate_limits.SIGN_UP_FROM)])


def confirmation(person: Person) -> None:
    counts = [Count(rate_limits.CONFIRMATION, str(person.id))]
    check("Too many address changes", counts)


def invitation(person: Person) -> None:
    counts = [of_account(rate_limits.INVITATION, person), from_here(rate_limits.INVITATION_FROM)]
    check("Too many invitations sent", counts)


def card(person: Person) -> None:
    counts = [of_account(rate_limits.CARD, person), from_here(rate_limits.CARD_FROM)]
    check("Too many cards added", counts)


def capture() -> None:
    """For the sandbox processor's card form, where nobody is signed in."""
    check("Too many cards sent", [from_here(rate_limits.CAPTURE_FROM)])


def retry(person: Person) -> None:
    check("Too many payments retried", [of_account(rate_limits.RETRY, person)])


def new_key(account_id: int | None) -> None:
    """None: a key of the provider."""
    check("Too many API keys created", [Count(rate_limits.KEY, str(account_id or "provider"))])


def of_account(limit: Limit, person: Person) -> Count:
    return Count(limit, str(person.account_id))


def from_here(limit: Limit) -> Count:
    return Count(limit, client())


def client() -> str:
    return rate_limits.client_of(request.remote_addr or "")


def check(what: str, counts: list[Count]) -> None:
    """Count one attempt. Raises `TooOften`, whose sentence starts with `what`."""
    if not services().settings.rate_limits:
        return
    try:
        hit(make_context(), what, counts)
    except TooOften as refusal:
        seconds = refusal.seconds

        @after_this_request
        def set_retry_after(response: Response) -> Response:
            if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                response.headers["Retry-After"] = str(seconds)
            return response

        raise
