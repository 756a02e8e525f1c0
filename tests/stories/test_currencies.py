"""One refill in each currency: from a new account to the charge, its receipt, statement and email.

Amounts are those of the other stories; in yen, which has no minor unit, a hundredfold.
"""

import pytest

from tests.documents.test_pdf import text_of
from tests.factories import VISA, World, micros, signed_in_cookie
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared.i18n import Language
from webapp.reads.ledger.ledger_check import check_ledger

pytestmark = pytest.mark.story

# Currency, number format and email language; the charge, the threshold and the balance after it.
CASES = [
    ("USD", "en_US", "en", "$100.00", "$50.00", "$139.49"),
    ("EUR", "de_DE", "de", "100,00\xa0€", "50,00\xa0€", "139,49\xa0€"),
    ("GBP", "en_IE", "en", "£100.00", "£50.00", "£139.49"),
    ("CHF", "de_CH", "fr", "CHF\xa0100.00", "CHF\xa050.00", "CHF\xa0139.49"),
    ("CAD", "en_CA", "en", "$100.00", "$50.00", "$139.49"),
    ("AUD", "en_US", "en", "A$100.00", "A$50.00", "A$139.49"),
    ("PLN", "pl_PL", "es", "100,00\xa0zł", "50,00\xa0zł", "139,49\xa0zł"),
    ("SEK", "sv_SE", "en", "100,00\xa0kr", "50,00\xa0kr", "139,49\xa0kr"),
    ("JPY", "en_US", "en", "¥10,000", "¥5,000", "¥13,949"),
]


@pytest.fixture
def account_in(app, session):
    """Return a function that creates an account in a currency, number format and language."""

    def create(currency, locale, language):
        factor = 100 if currency == "JPY" else 1
        first = World(app, session)
        world = World(app, session, first.account(f"{100 * factor}.00", currency=currency))
        account = session.get_one(Account, world.account_id)
        account.locale, account.language = locale, Language(language)
        session.commit()
        return world, factor

    return create


@pytest.mark.parametrize(
    ("currency", "locale", "language", "charge", "threshold", "after"),
    CASES,
    ids=[case[0] for case in CASES],
)
def test_a_refill_in_each_currency_l1(
    account_in, app, currency, locale, language, charge, threshold, after
):
    """L1, T9, L6: exactly the refill amount is charged in the account's currency and shown so."""
    world, factor = account_in(currency, locale, language)
    refill, used = f"{100 * factor}.00", "60.5023" if factor == 1 else "6050.23"
    world.card(VISA, auto_charge=True)
    world.refill(f"{50 * factor}.00", refill)
    world.use(used, "call-1")
    world.work()

    assert world.tries == [("4242", refill, "paid")]
    (taken,) = world.books.paid_charges()
    assert taken[1:] == (micros(refill), currency)
    assert micros(world.balance) == micros(refill) * 2 - micros(used)
    assert check_ledger(world.session, world.books.paid_charges).agrees

    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(signed_in_cookie(world.session, world.created.user_id, world.clock.wall()))
    main = client.get("/billing/payment-methods").text
    assert after in main
    assert threshold in main
    payment = world.attempts[0].payment_id
    receipt = text_of(client.get(f"/billing/payments/{payment}/receipt.pdf").data)
    assert charge.replace("\xa0", " ") in receipt.replace("\xa0", " ")
    statement = client.get("/billing/statement").text
    assert after in statement
    exact = world.session.get_one(Account, world.account_id).amounts.exact(micros(used))
    assert f"−{exact}" in statement
    csv = client.get("/billing/statement.csv").text
    assert f"-{used}" in csv
    assert currency in csv
    paper = text_of(client.get("/billing/statement.pdf").data)
    assert after.replace("\xa0", " ") in paper.replace("\xa0", " ")

    (notice,) = world.mails_of(NoticeKind.RECEIPT)
    letter = world.services.mailer.render(notice.kind, notice.facts, notice.language)
    assert charge in letter.text
    assert charge in letter.html


def test_the_api_takes_whole_minor_units_l1(account_in, app):
    """L1: decimals of yen are refused; trailing zeros are not decimals."""
    world, _ = account_in("JPY", "en_US", "en")
    world.card(VISA, auto_charge=True)
    client = app.test_client()
    headers = {"Authorization": f"Bearer {world.key().key}"}
    path = "/api/v1/low-balance-settings"
    settings = {"refill_on": True, "refill_amount": "10000", "notification_on": False}

    def put(threshold):
        seen = client.get(path, headers=headers).headers["ETag"]
        sent = settings | {"threshold": threshold}
        return client.put(path, json=sent, headers=headers | {"If-Match": seen})

    refused = put("5000.50")
    assert (refused.status_code, refused.json["errors"]) == (
        422,
        {"threshold": "JPY has no decimals"},
    )
    assert put("5000.000").json["threshold"] == "5000.00"
    balance = client.get("/api/v1/balance", headers=headers).json
    assert (balance["balance"], balance["currency"]) == ("10000.00", "JPY")
