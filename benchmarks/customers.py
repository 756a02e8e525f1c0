"""Customers, made by the product's own actions and signed in by its own form."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import unescape
from itertools import count
from pathlib import Path

import requests
from sqlalchemy import func, select

from benchmarks import homes
from webapp.actions.accounts.create_account import create_account
from webapp.actions.api_keys.create_key import create_key
from webapp.actions.payment_methods.add_method import Asked, add_card
from webapp.actions.payment_methods.set_auto_charge import set_auto_charge
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.actions.usage.post_usage import post_usage
from webapp.clock import Clock
from webapp.domain.accounts.choice import AccountChoice
from webapp.domain.api_keys.api_key import OF_ACCOUNT, KeyChoice, Scope
from webapp.domain.ledger import LedgerEntry
from webapp.domain.shared.context import COMMAND_LINE
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.settings import Choice, LowBalanceSettings
from webapp.domain.usage.record import Usage
from webapp.domain.users.owner import OwnerChoice
from webapp.domain.users.user import Membership, Right, User
from webapp.extensions import Services, db, make_context
from webapp.processors.sandbox.card_form import token_for
from webapp.processors.sandbox.cards import passes_luhn

PASSWORD = "a-bench-for-ballast"
PAGE = "/billing/payment-methods"
METHODS = 10

SETTINGS = Choice(
    refill_on=True,
    threshold=50 * MICROS,
    refill_amount=100 * MICROS,
    notification_on=True,
    notification_threshold=60 * MICROS,
)


@dataclass(frozen=True)
class Customer:
    account_id: int
    email: str
    api_key: str


def sign_up(services: Services, *, balance: int = 100 * MICROS, cards: int = 1) -> Customer:
    """Create a customer with refill below 50.00 and nine usage records of 0.50 each."""
    session, now = db.session(), services.clock.now()
    email = f"owner-{next(_numbers)}@example.com"
    made = create_account(
        make_context(COMMAND_LINE).at(now),
        AccountChoice("Harbour Voice", own_metering=True),
        OwnerChoice(email, "Ana Ruiz", PASSWORD),
        balance=balance,
        scopes=OF_ACCOUNT,
    )
    add_cards(services, made.account_id, cards)
    version = LowBalanceSettings.of(session, made.account_id).version
    apply_settings(
        make_context(COMMAND_LINE).at(now),
        made.account_id,
        SETTINGS,
        version,
    )
    for _ in range(9):
        debit(services, made.account_id, MICROS // 2)
    return Customer(made.account_id, email, made.api_key)


def accounts(services: Services, number: int) -> list[int]:
    """Create accounts with a balance and return their ids. They get no emails."""
    ctx = make_context(COMMAND_LINE).at(services.clock.now())
    return [
        create_account(
            ctx,
            AccountChoice("Harbour Voice"),
            OwnerChoice(f"owner-{next(_numbers)}@example.com", "Ana Ruiz", PASSWORD),
            balance=1_000_000 * MICROS,
        ).account_id
        for _ in range(number)
    ]


def provider_key(services: Services) -> str:
    """Create a key of the provider that posts usage and opens holds."""
    ctx = make_context(COMMAND_LINE).at(services.clock.now())
    return create_key(
        ctx, None, KeyChoice("Meter", (Scope.USAGE, Scope.HOLDS)), frozenset(Right)
    ).key


def owner_of(account_id: int) -> Customer:
    """The owner of a copied account, with the first customer's password."""
    query = select(User.email).join(Membership).where(Membership.account_id == account_id)
    return Customer(account_id, db.session.execute(query).scalar_one(), api_key="")


def add_cards(services: Services, account_id: int, cards: int) -> list[int]:
    """Add cards with auto-charge on and return their ids."""
    processor = services.processors[services.card_processor]
    ids = []
    for _ in range(cards):
        token = token_for(homes.sandbox(services), _form(), services.clock.now())
        card = add_card(
            make_context(COMMAND_LINE),
            account_id,
            token,
            processor,
        )
        if isinstance(card, Asked):
            raise RuntimeError("these cards are saved without a challenge")
        ids.append(card.id)
        now = services.clock.now()
        set_auto_charge(
            make_context(COMMAND_LINE).at(now),
            account_id,
            card.id,
            True,
        )
    return ids


def debit(services: Services, account_id: int, amount: int) -> None:
    now = services.clock.now()
    usage = Usage(amount, f"call-{next(_numbers)}", now, "Outbound calls, Ireland mobile")
    post_usage(make_context().at(now), account_id, [usage])


def sign_in(url: str, email: str, password: str = PASSWORD) -> requests.Session:
    """Sign in and return the session; fails unless the main screen shows the methods."""
    browser = requests.Session()
    form = browser.get(f"{url}/sign-in")
    fields = {"csrf_token": csrf_token(form.text), "email": email, "password": password}
    page = browser.post(f"{url}/sign-in", fields)
    page.raise_for_status()
    if 'aria-label="Payment methods"' not in page.text:
        raise RuntimeError(f"the main screen was expected at {page.url}:\n{page.text[:2000]}")
    return browser


def prove_posted(home: Path, account_ids: Sequence[int], run: str, answered: int) -> None:
    """Raise unless every answered record is in the ledger once and the books agree."""
    with homes.application(home):
        found = db.session.scalar(
            select(func.count()).where(
                LedgerEntry.account_id.in_(account_ids),
                LedgerEntry.reference.startswith(run),
            )
        )
    if found != answered:
        raise RuntimeError(f"{answered} records were answered, the ledger has {found}")
    homes.prove(home)


def csrf_token(page: str) -> str:
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    if found is None:
        raise RuntimeError(f"a form was expected:\n{page[:2000]}")
    return unescape(found[1])


def _form() -> dict[str, str]:
    """A new Visa number that behaves like 4242."""
    body = f"42424242{next(_numbers):07d}"
    number = next(body + digit for digit in "0123456789" if passes_luhn(body + digit))
    return {
        "number": number,
        "expiry": f"12/{(Clock().now().year + 8) % 100:02}",
        "security_code": "123",
        "cardholder": "Ana Ruiz",
        "country": "IE",
        "line": "12 Harbour Road",
        "city": "Dublin",
        "postcode": "D18 A4R6",
    }


_numbers = count(1)
