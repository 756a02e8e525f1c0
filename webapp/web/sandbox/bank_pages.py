"""Pages of the sandbox bank and the sandbox PayPal.

They stand for other companies' pages: they use no session and no CSRF token, and anyone with a
challenge's URL may answer it. The bank's page may also be framed with an opaque origin; PayPal's
page cannot be framed.
"""

from collections.abc import Container

from flask import Response, abort, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from webapp.domain.payment_methods.payment_method import BRANDS
from webapp.domain.shared import money
from webapp.domain.shared.email_address import is_address
from webapp.extensions import csrf, services
from webapp.processors.sandbox.books import SandboxBooks
from webapp.processors.sandbox.records import Challenge, ChallengeKind, ChallengeState

BANK = frozenset((ChallengeKind.CARD, ChallengeKind.CHARGE))
PAYPAL = frozenset((ChallengeKind.AGREEMENT,))

# In a frame with an opaque origin 'self' is still this host.
POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; script-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)

LOCALE = "en_US"


@csrf.exempt
def challenge(challenge_id: str) -> ResponseReturnValue:
    """Complete or fail the authentication."""
    books, asked = _asked(challenge_id, BANK)
    if request.method == "POST":
        verbs = {"complete": books.challenges.complete, "fail": books.challenges.fail}
        verb = verbs.get(request.form.get("answer", "")) or abort(400)
        asked = verb(challenge_id, services().clock.now()) or abort(404)
    if asked.can_be_answered(services().clock.now()):
        page, code = render_template("sandbox/bank.html", **_facts(books, asked)), 200
    elif asked.state in (ChallengeState.COMPLETED, ChallengeState.FAILED) and asked.return_to:
        return redirect(asked.return_to, 303)
    else:
        page, code = _over(asked, "bank")
    return _frameable(make_response(page, code))


@csrf.exempt
def agreement(challenge_id: str) -> ResponseReturnValue:
    """Sign in to PayPal and agree, or cancel."""
    books, asked = _asked(challenge_id, PAYPAL)
    email, error = request.form.get("email", "").strip(), ""
    if request.method == "POST":
        now = services().clock.now()
        answer = request.form.get("answer")
        if answer == "cancel":
            asked = books.challenges.cancel(challenge_id, now) or abort(404)
        elif answer != "agree":
            abort(400)
        elif is_address(email):
            asked = books.challenges.agree(challenge_id, email, now) or abort(404)
        else:
            error = "Enter an email address such as ana@example.com"
    if asked.can_be_answered(services().clock.now()):
        page = render_template("sandbox/paypal.html", email=email, error=error)
        return page, 422 if error else 200
    if asked.state is not ChallengeState.OPEN and asked.return_to:
        return redirect(asked.return_to, 303)
    return _over(asked, "paypal")


def _asked(challenge_id: str, kinds: Container[ChallengeKind]) -> tuple[SandboxBooks, Challenge]:
    books = services().sandbox or abort(404)
    return books, books.challenges.find(challenge_id, kinds) or abort(404)


def _facts(books: SandboxBooks, asked: Challenge) -> dict[str, object]:
    """What the bank shows: the card or payer, and the amount."""
    facts: dict[str, object] = {
        # Browsers ignore autofocus in a frame, with an error in the console.
        "framed": request.headers.get("Sec-Fetch-Dest") == "iframe"
    }
    if asked.kind is ChallengeKind.CARD:
        held = books.vault.held(asked.subject) or abort(404)
        return facts | {"card": _card(held.brand, held.last4)}
    charge = books.charge_book.find(asked.subject) or abort(404)
    facts["amount"] = money.show(charge.amount, charge.currency, LOCALE)
    if charge.payer_email:
        return facts | {"payer": charge.payer_email}
    return facts | {"card": _card(charge.brand, charge.last4)}


def _card(brand: str, last4: str) -> str:
    return f"{BRANDS.get(brand, 'Card')} •••• {last4}"


def _over(asked: Challenge, company: str) -> tuple[str, int]:
    """The page of a challenge that is over: 200 if it was answered, otherwise 410."""
    answered = asked.state in (ChallengeState.COMPLETED, ChallengeState.FAILED)
    page = render_template(
        "sandbox/over.html", company=company, answered=answered, return_to=asked.return_to
    )
    return page, 200 if answered else 410


def _frameable(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response
