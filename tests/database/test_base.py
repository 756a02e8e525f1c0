"""Column queries, and loading an account with its settings."""

from sqlalchemy import bindparam, inspect, select, update

from tests.factories import VISA
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
