"""Column queries, instants, and loading an account with its settings."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import bindparam, func, inspect, literal, select, union_all, update

from tests.factories import START, VISA
from webapp.database.base import UtcDateTime
from webapp.database.statements import select_columns
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.top_ups.settings import LowBalanceSettings


def test_column_queries_see_pending_changes(world):
    """Like the session's own queries: an action sees its own changes."""
    (visa,) = world.cards(VISA)
    query = select(PaymentMethod.auto_charge).where(PaymentMethod.id == bindparam("id"))
    parameters = {"id": visa.id}
    visa.auto_charge = False
    assert select_columns(world.session, query, parameters).scalar_one() is False


FAILED, RESTORED = PaymentMethod.failed_at, PaymentMethod.restored_at


@pytest.mark.parametrize(
    "statement",
    [
        select(FAILED),
        select(func.max(FAILED)),
        select(func.coalesce(RESTORED, FAILED).label("at")).order_by("at"),
        select(select(FAILED).scalar_subquery()),
        select(union_all(select(FAILED), select(RESTORED)).subquery()),
        union_all(select(FAILED), select(RESTORED)),
        update(PaymentMethod).values(position=2).returning(FAILED),
        select(literal(START, UtcDateTime())),
    ],
    ids=["column", "maximum", "ordered", "scalar", "subquery", "union", "returning", "literal"],
)
def test_an_instant_is_read_in_utc(world, statement):
    """Also where it was stored in another zone."""
    (visa,) = world.cards(VISA)
    visa.failed_at, visa.restored_at = START.astimezone(ZoneInfo("Asia/Kolkata")), None
    world.session.commit()
    found = world.session.execute(statement).scalars().all()
    assert [(at, at.tzinfo) for at in found if at is not None] == [(START, UTC)]
    assert (visa.failed_at.tzinfo, visa.restored_at) == (UTC, None)


def test_an_account_is_reloaded_with_its_settings_after_a_commit(world):
    account = Account.with_settings(world.session, world.account_id)
    assert Account.with_settings(world.session, world.account_id) is account
    settings = account.settings
    world.session.commit()
    world.session.execute(
        update(LowBalanceSettings).values(version=7),
        execution_options={"synchronize_session": False},
    )
    world.session.commit()
    assert Account.with_settings(world.session, world.account_id) is account
    assert not {"version", "threshold"} & inspect(settings).unloaded
    assert settings.version == 7
