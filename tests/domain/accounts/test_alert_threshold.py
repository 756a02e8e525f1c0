"""The stored threshold below which an account needs a check, derived from its settings (T4)."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from webapp.domain.accounts.account import Account
from webapp.domain.top_ups.settings import Choice

AMOUNTS = st.none() | st.integers(1, 500).map(lambda units: units * 1_000_000)


@given(
    refill_on=st.booleans(),
    threshold=AMOUNTS,
    notification_on=st.booleans(),
    notification_threshold=AMOUNTS,
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_the_alert_threshold_follows_every_change(
    world, refill_on, threshold, notification_on, notification_threshold
):
    session = world.session
    account = Account.locked(session, world.account_id)
    account.settings.apply(
        Choice(
            refill_on=refill_on,
            threshold=threshold,
            notification_on=notification_on,
            notification_threshold=notification_threshold,
        ),
        None,
        world.clock.now(),
    )
    session.flush()
    session.refresh(account)
    thresholds = [
        threshold if refill_on else None,
        notification_threshold if notification_on else None,
    ]
    assert account.alert_threshold == max(
        (amount for amount in thresholds if amount is not None), default=None
    )
    session.rollback()


def test_the_sweep_finds_low_accounts_by_the_index(world):
    if world.session.get_bind().dialect.name != "sqlite":
        return
    plan = world.session.execute(
        text(
            "EXPLAIN QUERY PLAN SELECT account.id FROM account JOIN low_balance_settings AS s "
            "ON s.account_id = account.id WHERE account.balance < account.alert_threshold "
            "AND s.refill_on AND account.balance < s.threshold"
        )
    ).all()
    assert any("ix_account_is_low" in row[-1] for row in plan), plan
