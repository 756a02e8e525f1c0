"""`flask demo seed`: real actions create the history, so its books are consistent."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from tests.conftest import on_postgres, on_sqlite
from tests.factories import MovableClock, context
from webapp.app import create_app
from webapp.cli.demo import calls
from webapp.cli.demo.commands import make
from webapp.delivery.mailer import SmtpMailer
from webapp.domain.accounts.account import Account
from webapp.domain.ledger import EntryKind, LedgerEntry
from webapp.domain.notifications.outbox import Notice
from webapp.domain.payment_methods.payment_method import listed
from webapp.domain.payments.payment import Attempt
from webapp.domain.shared import money
from webapp.domain.shared.money import MICROS
from webapp.domain.top_ups.settings import LowBalanceSettings
from webapp.domain.users.passwords import is_right
from webapp.domain.users.user import User
from webapp.extensions import db, make_context, services
from webapp.reads.ledger.ledger_check import check_ledger
from webapp.reads.payments.failed_payments import read_failed_payments
from webapp.reads.system.installation import findings_of_database
from webapp.settings import Settings

NOW = datetime(2026, 11, 22, 11, 30, tzinfo=UTC)


@pytest.fixture
def clock():
    return MovableClock(NOW)


@pytest.fixture(scope="module")
def seeded(migrated, tmp_path_factory):
    """A home with the demo account, created once, with a mail server set."""
    home = tmp_path_factory.mktemp("seeded") / "home"
    shutil.copytree(migrated, home)
    environ = {"BALLAST_HOME": str(home), "MAIL_SERVER": "127.0.0.1", "MAIL_PORT": "1"}
    settings = Settings.from_environment(environ).ensure_home()
    app = create_app(settings, clock=MovableClock(NOW))
    with app.app_context():
        assert isinstance(services().mailer, SmtpMailer)
        assert make(db.engine, services()) is not None
        db.engine.dispose()
        services().sandbox.close()
    return home


@on_sqlite  # on PostgreSQL the tests below seed the database
class TestTheDemoAccount:
    @pytest.fixture
    def home(self, seeded, tmp_path):
        return shutil.copytree(seeded, tmp_path / "home")

    @pytest.fixture
    def demo(self, session):
        return session.scalar(select(Account))

    def test_the_books_are_consistent(self, demo, app, session):
        books = app.extensions["ballast"].sandbox
        assert check_ledger(session, books.paid_charges).differences == ()

    def test_the_owner_can_sign_in(self, demo, session):
        owner = User.by_email(session, "owner@demo.test")
        assert owner.name == "Ana Ruiz"
        assert is_right("keep-it-afloat", owner.password_hash)
        assert (demo.name, demo.currency, demo.time_zone) == (
            "Harbour Voice",
            "USD",
            "Europe/Dublin",
        )
        assert demo.billing_emails == ["owner@demo.test"]

    def test_the_balance_is_63_40(self, demo):
        assert demo.show(demo.balance) == "$63.40"

    def test_the_methods_and_their_status(self, demo, session, clock):
        methods = listed(session, demo.id)
        assert [(m.label, m.expiry, m.standing(clock.at).value) for m in methods] == [
            ("Visa •••• 4242", "08/28", "ready"),
            ("Mastercard •••• 4444", "12/26", "ready"),
            ("American Express •••• 0005", "03/29", "suspended"),
            ("PayPal ana@example.com", "", "auto_charge_off"),
        ]
        amex = methods[2]
        assert amex.auto_charge
        assert amex.suspended_until == datetime(2026, 11, 24, 10, 2, tzinfo=UTC)

    def test_the_settings(self, demo, session, clock):
        settings = LowBalanceSettings.of(session, demo.id)
        choice = settings.chosen()
        amounts = (choice.threshold, choice.refill_amount, choice.day_limit)
        assert [money.decimal_text(amount) for amount in amounts] == ["50.00", "100.00", "300.00"]
        assert choice.refill_on
        assert choice.notification_on
        assert choice.notification_threshold == 75_000_000
        assert settings.applied_at.date() == (clock.at - timedelta(days=10)).date()

    def test_the_failed_payments(self, demo, session, clock):
        first, second = read_failed_payments(context(session, now=clock.at), demo)
        assert (first.amount, first.method) == ("$250.00", "American Express •••• 0005")
        assert first.reason == "Insufficient funds"
        assert first.detail.startswith("Today, 10:02")
        assert "Ana Ruiz" in first.detail
        assert (second.amount, second.method) == ("$100.00", "Visa •••• 4242")
        assert second.detail == "Thu 5 Nov, 03:17 · Automatic refill"
        assert second.paid_by == "Paid by Mastercard •••• 4444"

    def test_there_are_three_refills_in_thirty_days(self, demo, session, clock):
        refills = session.scalars(
            select(LedgerEntry.amount).where(
                LedgerEntry.kind == EntryKind.PAYMENT,
                LedgerEntry.posted_at > clock.at - timedelta(days=30),
            )
        ).all()
        assert refills == [100_000_000] * 3

    def test_no_timestamp_is_in_the_future(self, demo, session, clock):
        for column in (
            LedgerEntry.posted_at,
            LedgerEntry.occurred_at,
            Attempt.answered_at,
            Notice.sent_at,
            Account.created_at,
        ):
            assert session.scalar(select(func.max(column))) <= clock.at

    def test_usage_is_realistic(self, demo, session):
        rows = session.execute(
            select(LedgerEntry.amount, LedgerEntry.description, LedgerEntry.posted_at).where(
                LedgerEntry.kind == EntryKind.USAGE
            )
        ).all()
        assert {description for _, description, _ in rows} == {
            route.description for route in (*calls.ROUTES, calls.NIGHT)
        }
        decimals = {len(money.decimal_text(-amount).split(".")[1]) for amount, _, _ in rows}
        assert decimals >= {4, 5, 6}
        by_weekday = [0] * 7
        for amount, _, at in rows:
            by_weekday[at.weekday()] -= amount
        assert min(by_weekday[:5]) > max(by_weekday[5:])

    def test_its_emails_are_kept_and_never_sent(self, demo, session):
        query = select(Notice.kind, func.count(Notice.id)).group_by(Notice.kind)
        kinds = session.execute(query).all()
        assert dict(kinds) == {"receipt": 7, "low_balance": 7, "method_suspended": 2}
        assert set(session.scalars(select(Notice.state))) == {"kept"}

    def test_seeding_twice_does_nothing(self, flask, demo, session):
        entries = session.scalar(select(func.count(LedgerEntry.id)))
        again = flask("demo seed")
        assert (again.exit_code, again.output) == (
            0,
            "No demo data was created: the database already has accounts.\n",
        )
        assert session.scalar(select(func.count(LedgerEntry.id))) == entries


@on_sqlite
def test_an_empty_database_is_seeded(flask, app, session):
    made = json.loads(flask("demo seed --json").output)
    assert made["seeded"] is True
    answer = app.test_client().get("/v3/balance", headers={"Api-Key": made["api_key"]})
    assert answer.json["data"]["attributes"]["balance"].startswith("63.40")


@on_postgres
def test_concurrent_seeding_creates_one_account(app):
    """On SQLite the second waits for the first and finds its account."""
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(app.test_cli_runner().invoke, args=["demo", "seed"]) for _ in range(2)]
        assert [run.result().exit_code for run in runs] == [0, 0]
    assert db.session.scalar(select(func.count(Account.id))) == 1


def test_a_database_with_customers_is_not_seeded(flask, world, session):
    assert json.loads(flask("demo seed --json").output) == {"seeded": False}
    assert session.scalar(select(func.count(Account.id))) == 1


def test_a_failed_seeding_leaves_no_account(flask, session, monkeypatch):
    monkeypatch.setattr("webapp.cli.demo.story.Story._declined_by_amex", lambda self: 1 / 0)
    assert flask("demo seed").exit_code == 1
    assert session.scalar(select(func.count(Account.id))) == 0


@on_sqlite
@pytest.mark.parametrize("environ", [{"CURRENCY": "JPY"}])
def test_the_demo_is_in_the_installations_currency_l1(flask, app, session):
    """L1: in yen a hundredfold; otherwise the server would not start."""
    assert flask("demo seed").exit_code == 0

    account = session.scalar(select(Account))
    assert account.show(account.balance) == "¥6,340"
    settings = LowBalanceSettings.of(session, account.id)
    assert (settings.threshold, settings.day_limit) == (5_000 * MICROS, 30_000 * MICROS)
    assert check_ledger(session, app.extensions["ballast"].sandbox.paid_charges).agrees
    assert [*findings_of_database(make_context(), services().settings)] == []


@pytest.mark.parametrize(
    "now",
    [
        "2026-12-02T23:59:00+00:00",  # no month ends 30 to 59 days from here
        # long before ten o'clock, and just after the change to summer time
        "2027-03-29T00:01:00+00:00",
    ],
)
def test_the_demo_can_be_seeded_on_any_day(flask, app, session, clock, now):
    clock.at = datetime.fromisoformat(now)
    assert flask("demo seed").exit_code == 0

    account = session.scalar(select(Account))
    assert account.show(account.balance) == "$63.40"
    assert check_ledger(session, app.extensions["ballast"].sandbox.paid_charges).agrees
    states = [attempt.state for attempt in session.scalars(select(Attempt).order_by(Attempt.id))]
    assert states == ["paid"] * 5 + ["declined"] + ["paid"] * 2 + ["declined"]
    _, mastercard, amex, _ = listed(session, account.id)
    assert 29 <= mastercard.days_left(clock.at, "Europe/Dublin") <= 59
    assert amex.is_suspended(clock.at)
    assert session.scalar(select(func.max(LedgerEntry.posted_at))) <= clock.at
