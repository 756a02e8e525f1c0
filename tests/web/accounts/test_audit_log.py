"""The audit log's page and its CSV file (P2)."""

import csv
import re
from io import StringIO

import pytest

from tests.factories import MASTERCARD, VISA
from tests.web.conftest import words
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.context import Actor

PAGE = "/settings/audit-log"
FILE = "/settings/audit-log/file"


@pytest.fixture
def audited(world):
    """Audit entries of two days and two people."""
    world.cards(VISA, MASTERCARD)
    world.clock.advance(days=1)
    world.refill()
    actor = Actor(name="Command line")
    reason = "=HYPERLINK(1)"
    adjust_balance(world.ctx.by(actor), world.account_id, 1_000_000, reason)
    return world


def lines(answer):
    return list(csv.reader(StringIO(answer.text.lstrip("\ufeff"))))


def titles(answer):
    return re.findall(r'<h3 class="audit-title">([^<]*)<', answer.text)


def test_the_page_shows_who_changed_what_when_and_from_where(client, audited):
    """P2: newest first, by day, as plain sentences."""
    page = client.get(PAGE)
    assert titles(page)[:3] == ["Balance adjusted", "Settings applied", "Auto-charge"]
    text = words(page)
    for expected in ("Mon 23 Nov", "Sun 22 Nov", "Ana Ruiz", "127.0.0.1", "from off to on"):
        assert expected in text
    assert "threshold from none to $50.00" in text


def test_only_owners_and_admins_read_the_audit_log(teammate, audited):
    """P1, P2: the page and the file."""
    admin = teammate("admin")
    for path in (PAGE, FILE):
        assert admin.get(path).status_code == 200
    for role in ("commercial", "billing", "technical"):
        visitor = teammate(role)
        for path in (PAGE, FILE):
            assert visitor.get(path).status_code == 403, (role, path)


def test_the_menu_links_the_audit_log_only_with_the_right(client, teammate):
    """P1"""
    assert PAGE in client.get("/billing/payments").text
    assert PAGE not in teammate("billing").get("/billing/payments").text


def test_another_accounts_entries_are_not_shown(stranger, audited):
    """P1"""
    for path in (PAGE, FILE, f"{PAGE}?before=9999", f"{FILE}?who={audited.created.user_id}"):
        answer = stranger.get(path)
        assert "Mastercard" not in answer.text
        assert "Command line" not in answer.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("what=Low+Balance+Settings", {"Settings applied"}),
        ("who=others&from=2026-11-23", {"Balance adjusted"}),
        ("to=2026-11-22&what=Payment+methods", {"Auto-charge", "Method added"}),
        ("from=2026-11-24", set()),
        ("what=Nonsense&from=2026-11-23", {"Balance adjusted", "Settings applied"}),
    ],
)
def test_page_and_file_are_filtered(client, audited, query, found):
    """P2: by person, kind and day."""
    assert set(titles(client.get(f"{PAGE}?{query}"))) == found
    assert {row[3] for row in lines(client.get(f"{FILE}?{query}"))[1:]} == found


def test_the_page_is_filtered_by_person(client, audited):
    page = client.get(f"{PAGE}?who={audited.created.user_id}")
    assert "Balance adjusted" not in titles(page)
    assert "Settings applied" in titles(page)


@pytest.mark.parametrize("day", ["x", "2026-13-01", "0001-01-01", "9999-12-31", "\x00", "2026"])
def test_an_invalid_day_filters_nothing(client, audited, day):
    answer = client.get(PAGE, query_string={"from": day, "to": day})
    assert "Settings applied" in titles(answer)


def test_days_in_the_wrong_order_show_an_error(client, audited):
    """The error replaces the list."""
    answer = client.get(f"{PAGE}?from=2026-11-23&to=2026-11-22")
    assert titles(answer) == []
    assert "The start date is after the end date" in words(answer)


def test_chosen_filters_are_kept_in_the_form_and_the_file_link(client, audited):
    page = client.get(f"{PAGE}?who=others&from=2026-11-23").text
    assert '<option value="others" selected>' in page
    assert 'name="from" type="date" value="2026-11-23"' in page
    assert f'href="{FILE}?who=others&amp;from=2026-11-23"' in page


def test_each_entry_is_on_one_page(client, world):
    """Pages continue after the last entry shown, even if others are written meanwhile."""
    for number in range(120):
        world.session.add(
            EventRow(
                account_id=world.account_id, actor_name="Ana", address="", kind="signed_in",
                audit="signed_in", facts={"n": number}, at=world.clock.now(),
            )
        )  # fmt: skip
    world.session.commit()
    path, seen = f"{PAGE}?what=Signing+in", []
    while path:
        page = client.get(path)
        seen.append(len(titles(page)))
        older = re.search(r'class="pager-older" href="([^"]+)"', page.text)
        path = older and older[1].replace("&amp;", "&")
    assert seen == [50, 50, 20]
    assert len(lines(client.get(f"{FILE}?what=Signing+in"))) == 121


def test_the_file_contains_no_formula(client, audited):
    """L13: it has the rows of the page."""
    answer = client.get(FILE)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="audit-log.csv"' in answer.headers["Content-Disposition"]
    assert answer.is_streamed
    rows = lines(answer)
    assert rows[0] == ["When (UTC)", "Who", "From", "What", "Details", "Code"]
    assert rows[1][0] == "2026-11-23 10:00:00"
    assert "Reason: =HYPERLINK(1)" in rows[1][4]
    assert len(rows) - 1 == len(titles(client.get(PAGE)))


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1"])
def test_a_name_that_is_a_formula_is_escaped(client, audited, cell):
    """L13"""
    audited.session.add(
        EventRow(
            account_id=audited.account_id, actor_name=cell, address="", kind="signed_in",
            audit="signed_in", facts={}, at=audited.clock.now(),
        )
    )  # fmt: skip
    audited.session.commit()
    answer = client.get(FILE)
    assert f"'{cell}" in [row[1] for row in csv.reader(StringIO(answer.text, newline=""))]


def test_markup_in_names_and_reasons_is_escaped(client, audited):
    """P2: reasons and names are shown as text."""
    actor = Actor(name="<script>alert(1)</script>")
    adjust_balance(audited.ctx.by(actor), audited.account_id, -1, '"><img src=x onerror=alert(1)>')
    page = client.get(PAGE).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
