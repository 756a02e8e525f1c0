"""The audit log's page and its file (P2)."""

import csv
import re
from io import StringIO

import pytest

from tests.factories import MASTERCARD, VISA
from tests.web.conftest import words
from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.domain.accounts.audit import Actor, AuditEntry

PAGE = "/settings/audit-log"
FILE = "/settings/audit-log/file"


@pytest.fixture
def changed(world):
    """Lines of two days and of two who."""
    world.cards(VISA, MASTERCARD)
    world.clock.advance(days=1)
    world.refill()
    actor = Actor(name="Command line")
    reason = "=HYPERLINK(1)"
    adjust_balance(
        world.session, world.account_id, 1_000_000, reason, actor, world.clock.now(), world.policy
    )
    return world


def lines(answer):
    return list(csv.reader(StringIO(answer.text.lstrip("\ufeff"))))


def titles(answer):
    return re.findall(r'<h3 class="audit-title">([^<]*)<', answer.text)


def test_who_changed_what_when_and_from_where(client, changed):
    """P2: the newest first, by day, in a plain sentence."""
    page = client.get(PAGE)
    assert titles(page)[:3] == ["Balance adjusted", "Settings applied", "Auto-charge"]
    text = words(page)
    for told in ("Mon 23 Nov", "Sun 22 Nov", "Ana Ruiz", "127.0.0.1", "from off to on"):
        assert told in text
    assert "threshold from none to $50.00" in text


def test_owners_and_admins_read_it(teammate, changed):
    """P1, P2: and nobody else."""
    admin = teammate("admin")
    for path in (PAGE, FILE):
        assert admin.get(path).status_code == 200
    for role in ("commercial", "billing", "technical"):
        visitor = teammate(role)
        for path in (PAGE, FILE):
            assert visitor.get(path).status_code == 403, (role, path)


def test_the_menu_shows_no_more_than_the_rights(client, teammate):
    """P1"""
    assert PAGE in client.get("/billing/payments").text
    assert PAGE not in teammate("billing").get("/billing/payments").text


def test_others_lines_are_not_shown(stranger, changed):
    """P1"""
    for path in (PAGE, FILE, f"{PAGE}?before=9999", f"{FILE}?who={changed.created.user_id}"):
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
def test_filters(client, changed, query, found):
    """P2: by person, by what, by day; the file obeys them too."""
    assert set(titles(client.get(f"{PAGE}?{query}"))) == found
    assert {row[3] for row in lines(client.get(f"{FILE}?{query}"))[1:]} == found


def test_by_person(client, changed):
    page = client.get(f"{PAGE}?who={changed.created.user_id}")
    assert "Balance adjusted" not in titles(page)
    assert "Settings applied" in titles(page)


@pytest.mark.parametrize("day", ["x", "2026-13-01", "0001-01-01", "9999-12-31", "\x00", "2026"])
def test_a_day_that_is_none_filters_nothing(client, changed, day):
    answer = client.get(PAGE, query_string={"from": day, "to": day})
    assert "Settings applied" in titles(answer)


def test_days_in_the_wrong_order(client, changed):
    """And the page says so, where the list would be."""
    answer = client.get(f"{PAGE}?from=2026-11-23&to=2026-11-22")
    assert titles(answer) == []
    assert "The start date is after the end date" in words(answer)


def test_the_address_keeps_what_is_chosen(client, changed):
    page = client.get(f"{PAGE}?who=others&from=2026-11-23").text
    assert '<option value="others" selected>' in page
    assert 'name="from" type="date" value="2026-11-23"' in page
    assert f'href="{FILE}?who=others&amp;from=2026-11-23"' in page


def test_pages(client, world):
    """By the last line seen: nothing is shown twice, whatever is written meanwhile."""
    for number in range(120):
        world.session.add(
            AuditEntry(
                account_id=world.account_id, actor_name="Ana", address="", what="signed_in",
                details={"n": number}, at=world.clock.now(),
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


def test_the_file_is_safe_to_open(client, changed):
    """L13: no cell is a formula; what it holds is what the page shows."""
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
def test_a_name_that_is_a_formula(client, changed, cell):
    """L13"""
    changed.session.add(
        AuditEntry(
            account_id=changed.account_id, actor_name=cell, address="", what="signed_in",
            details={}, at=changed.clock.now(),
        )
    )  # fmt: skip
    changed.session.commit()
    answer = client.get(FILE)
    assert f"'{cell}" in [row[1] for row in csv.reader(StringIO(answer.text, newline=""))]


def test_texts_are_shown_as_texts(client, changed):
    """P2: a reason or a name that is markup stays words."""
    actor = Actor(name="<script>alert(1)</script>")
    adjust_balance(
        changed.session, changed.account_id, -1, '"><img src=x onerror=alert(1)>', actor,
        changed.clock.now(), changed.policy,
    )  # fmt: skip
    page = client.get(PAGE).text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
