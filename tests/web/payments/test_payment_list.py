"""The payment list's page: filters, CSV file, and empty lists."""

import csv
import re
from html import unescape
from io import StringIO

import pytest

from tests.factories import VISA, micros
from tests.web.conftest import words
from webapp.actions.payments.adjust_balance import adjust_balance

PATH = "/billing/payments"
HTMX = {"HX-Request": "true"}


def references(answer):
    return re.findall(r">(P-\d{6})<", re.search(r'<section.*?id="payments".*</section>', answer.text, re.DOTALL)[0])  # fmt: skip  # noqa: E501


def test_the_address_contains_the_filters(client, account_with_history):
    """E1: the form works without JavaScript and keeps the selection."""
    visa = account_with_history.method("4242").id
    page = client.get(f"{PATH}?state=declined&method={visa}&q=&sort=oldest")
    assert references(page) == ["P-000002"]
    assert '<option value="declined" selected>' in page.text
    assert '<option value="oldest" selected>' in page.text
    address = unescape(re.search(r'data-address="([^"]*)"', page.text)[1])
    assert address == f"{PATH}?method={visa}&state=declined&sort=oldest"
    assert references(client.get(address)) == ["P-000002"]
    assert '<form class="filters" method="get"' in page.text


def test_further_pages_keep_the_filters(client, world, monkeypatch):
    monkeypatch.setattr("webapp.reads.payments.payment_list.PAGE", 2)
    visa = world.card(VISA)
    for _ in range(5):
        world.pay(visa, "30.00")
    seen, address = [], f"{PATH}?method={visa.id}&sort=oldest"
    while address:
        page = client.get(address)
        seen += references(page)
        older = re.search(r'class="pager-older" href="([^"]*)"', page.text)
        address = older and unescape(older[1])
    assert seen == [f"P-{number:06d}" for number in range(2, 7)]


@pytest.mark.parametrize(
    "nonsense",
    [
        "from=yesterday", "to=0001-01-01", "to=9999-12-31", "method=x", "method=99999999999",
        "state=lost", "kind=gift", "sort=up", "before=x", "before=123456789", "q=%00",
        f"q={'x' * 101}",
    ],
)  # fmt: skip
def test_invalid_filters_are_ignored(client, account_with_history, nonsense):
    page = client.get(f"{PATH}?{nonsense}")
    assert page.status_code == 200
    assert len(references(page)) == 3
    assert client.get(f"{PATH}.csv?{nonsense}").status_code == 200


def test_an_empty_list_says_what_to_do(client, world):
    nothing = client.get(f"{PATH}?state=declined")
    assert "No payments match" in words(nothing)
    assert "Clear filters" in words(nothing)
    turned = client.get(f"{PATH}?from=2026-11-22&to=2026-11-20")
    assert "The start date is after the end date" in words(turned)


def test_the_file_has_the_filtered_rows(client, account_with_history):
    """L13: with a byte-order mark, from which spreadsheets recognise UTF-8."""
    answer = client.get(f"{PATH}.csv?state=declined")
    assert answer.mimetype == "text/csv"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="payments.csv"'
    assert answer.text.startswith("\ufeffDate,")
    rows = list(csv.DictReader(StringIO(answer.text.lstrip("\ufeff"))))
    assert rows == [
        {
            "Date": "2026-11-22T10:00:00+00:00",
            "Reference": "P-000002",
            "Kind": "Automatic refill",
            "Requested by": "",
            "Method": "Visa •••• 4242",
            "Amount": "100.00",
            "Currency": "USD",
            "State": "Declined",
            "Reason": "Insufficient funds",
            "Note": "Paid by Mastercard •••• 4444",
        }
    ]


def test_text_in_the_file_is_no_formula_l13(client, world):
    """L13: text is escaped for spreadsheets, and negative amounts are not."""
    for number, evil in enumerate(("=1+1", "+1", "-1", "@SUM(A1)", "-2+3"), start=1):
        now, reason = world.clock.now(), f"{evil} {number}"
        adjust_balance(world.ctx.at(now), world.account_id, micros("-5.00"), reason)
    file = StringIO(client.get(f"{PATH}.csv").text.lstrip("\ufeff"))
    rows = list(csv.DictReader(file))[:5]
    assert {row["Note"][0] for row in rows} == {"'"}
    assert {row["Amount"] for row in rows} == {"-5.00"}


def test_the_file_needs_the_billing_right(app, account_with_history, teammate, stranger):
    """P1: 403 without the right; another account's file has its own rows."""
    assert teammate("technical").get(f"{PATH}.csv").status_code == 403
    assert teammate("billing").get(f"{PATH}.csv").status_code == 200
    assert app.test_client().get(f"{PATH}.csv").status_code == 303
    assert "4444" not in stranger.get(f"{PATH}.csv").text


def test_the_number_of_statements_does_not_depend_on_the_rows(client, world, count_sql):
    world.card(VISA)
    _pay_and_fail(world, 2)
    client.get(PATH)  # the first request runs additional statements
    few = count_sql(lambda: client.get(PATH))
    _pay_and_fail(world, 8)
    assert count_sql(lambda: client.get(PATH)) == few


def _pay_and_fail(world, times):
    for _ in range(times):
        world.pay(world.method("4242"), "30.00")
        world.next_answer("decline", decline_code="insufficient_funds")
        world.pay(world.method("4242"), "30.00")
