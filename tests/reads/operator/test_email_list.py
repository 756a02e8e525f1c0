"""The filters of the operators' email list, compared with a loop over all emails."""

from datetime import date, timedelta
from itertools import combinations

import pytest
from sqlalchemy import select, text

from tests.conftest import on_sqlite
from tests.factories import START
from webapp.domain.accounts.account import Account
from webapp.domain.notifications.outbox import Notice, NoticeKind
from webapp.domain.users.user import User
from webapp.reads.notifications.email_labels import Shown
from webapp.reads.operator import mail_filters
from webapp.reads.operator import mails as mail_list
from webapp.reads.operator.mail_filters import Filters, mails
from webapp.reads.operator.mails import read_mails

TEXTS = [
    "ana@", "ANA", "harbour", "telekom", "50%", "_", "c", "noor", "nobody is called so",
]  # fmt: skip
SHOWN = {
    "waiting": ("owed", ""),
    "tried-again": ("owed", "Connection refused"),
    "sent": ("sent", ""),
    "kept": ("kept", ""),
    "given-up": ("failed", "550 no such user"),
}


@pytest.fixture
def varied(world):
    """Every kind and state, of two accounts and of no account, some at the same instant."""
    other = world.account(name="Bo_Telekom 50%", email="bo@calls.example")
    addresses = ["ana@example.com", "bo@calls.example", "", "ana@calls.example"]
    accounts = [world.account_id, other.account_id, None]
    world.session.get(User, other.user_id).name = "Bo Noor"
    people = [other.user_id, None, None, world.created.user_id]
    for number in range(48):
        state, error = list(SHOWN.values())[number % 5]
        world.session.add(
            Notice(
                account_id=accounts[number % 3],
                user_id=people[number % 4],
                kind=list(NoticeKind)[number % 7],
                recipient=addresses[number % 4],
                facts={},
                language="en",
                about=f"it {number}",
                message_id=f"{number}@ballast",
                state=state,
                last_error=error,
                created_at=START + timedelta(hours=5 * (number // 2)),
            )
        )
    world.session.commit()
    return world


def emails_with_texts(world):
    accounts, people = (
        {it.id: it.name.lower() for it in world.session.scalars(select(who))}
        for who in (Account, User)
    )
    return [
        (it, (it.recipient, accounts.get(it.account_id, ""), people.get(it.user_id, "")))
        for it in world.session.scalars(select(Notice))
    ]


def matches(notice, words, filters):
    """Apply the rules of the filters to one email."""
    day = notice.created_at.date()
    state = SHOWN.get(filters.state, (notice.state, notice.last_error))
    return (
        (filters.first is None or day >= filters.first)
        and (filters.last is None or day <= filters.last)
        and (notice.state, notice.last_error) == state
        and filters.kind in (None, notice.kind)
        and any(filters.text.lower() in word for word in words)
    )


def all_pages(world, filters):
    before, ids = None, []
    while True:
        now, mailer = world.clock.now(), world.app.extensions["ballast"].mailer
        page = read_mails(world.ctx.at(now), mailer, filters, before=before)
        ids += [row.id for row in page.rows]
        if page.older is None:
            return ids
        before = page.older


@pytest.mark.parametrize("few", [0, 500])
def test_each_filter_matches_a_loop_over_all_emails(varied, monkeypatch, few):
    """N3: every pair of filters, on all pages, with few and with many matches of a text."""
    monkeypatch.setattr(mail_list, "PAGE", 9)
    monkeypatch.setattr(mail_filters, "FEW", few)
    emails = emails_with_texts(varied)
    days = [START.date() + timedelta(days=n) for n in (-1, 0, 3, 30)]
    singles = [
        *({"first": day} for day in days),
        *({"last": day} for day in days),
        *({"state": it} for it in Shown),
        *({"kind": it} for it in list(NoticeKind)[5:8]),
        *({"text": it} for it in TEXTS),
    ]
    found = 0
    for one, other in combinations(singles, 2):
        filters = Filters(**{**one, **other})
        expected = [it for it, words in emails if matches(it, words, filters)]
        expected.sort(key=lambda it: (it.created_at, it.id), reverse=True)
        assert all_pages(varied, filters) == [it.id for it in expected], filters
        found += bool(expected)
    assert found > len(singles), "not all of them found nothing"


@on_sqlite
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (Filters(), "ix_notice_created_at_id"),
        (Filters(first=date(2026, 1, 1)), "ix_notice_created_at_id"),
        (Filters(state=Shown.SENT), "ix_notice_state_created_at_id"),
        (Filters(state=Shown.GIVEN_UP, last=date(2026, 1, 1)), "ix_notice_state_created_at_id"),
        (Filters(kind=NoticeKind.RECEIPT), "ix_notice_kind_created_at_id"),
        (Filters(kind=NoticeKind.RECEIPT, state=Shown.KEPT), "ix_notice_kind_state_created_at_id"),
    ],
)
def test_a_page_is_read_from_an_index_in_order(varied, filters, index):
    """Without sorting and without skipping rows, however long the list is."""
    for after in (None, emails_with_texts(varied)[0][0]):
        query_plan = plan(varied, filters, after)
        assert index in query_plan, query_plan
        assert "TEMP B-TREE" not in query_plan, query_plan


@on_sqlite
@pytest.mark.parametrize(
    "more", [{}, {"state": Shown.SENT}, {"kind": NoticeKind.RECEIPT, "state": Shown.KEPT}]
)
def test_few_text_matches_are_read_by_primary_key(varied, more):
    assert plan(varied, Filters(text="ana@example", **more)).startswith(
        "SEARCH notice USING INTEGER PRIMARY KEY"
    )


def plan(world, filters, after=None):
    query = mails(world.ctx, filters, after).limit(51)
    compiled = query.compile(world.session.get_bind(), compile_kwargs={"literal_binds": True})
    rows = world.session.execute(text(f"EXPLAIN QUERY PLAN {compiled}")).all()
    return " / ".join(row[-1] for row in rows)
