"""Reading by columns, and an account with its settings at once."""

from sqlalchemy import bindparam, inspect, select, update

from tests.factories import VISA
from webapp.database.statements import select_columns
from webapp.domain.accounts.account import Account
from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.top_ups.settings import LowBalanceSettings


def test_columns_show_what_is_pending(world):
    """As the session itself would: an action sees what it has just changed."""
    (visa,) = world.cards(VISA)
    asked = select(PaymentMethod.auto_charge).where(PaymentMethod.id == bindparam("id"))
    told = {"id": visa.id}
    visa.auto_charge = False
    assert select_columns(world.session, asked, told).scalar_one() is False


def test_an_account_is_read_anew_after_a_commit_and_its_settings_with_it(world):
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
