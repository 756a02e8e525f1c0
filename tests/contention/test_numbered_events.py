"""V7: the provider reads every event once and in order while many processes write."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from time import sleep

from webapp.actions.webhooks.number_events import number_events
from webapp.domain.accounts.account import Account
from webapp.domain.events import recording as events
from webapp.domain.events.accounts import BalanceExhausted
from webapp.extensions import db
from webapp.reads.records.events import read_events

WRITERS, EVENTS, READERS = 4, 12, 2


def test_readers_miss_no_event_while_others_write(app, world):
    """V7: without a gap, and no event appears later under a lower sequence."""
    accounts = [world.account(name=f"Quay {number}").account_id for number in range(WRITERS)]
    number_events(world.ctx)
    start = read_events(world.ctx, None, 1000).next_after
    world.session.rollback()

    def write(account_id):
        dice, written = Random(account_id), []
        with app.app_context():
            ctx = world.on(db.session())
            for _ in range(EVENTS):
                Account.locked(ctx.session, account_id)
                row = events.record(ctx, account_id, BalanceExhausted(0, 0, "USD"))
                ctx.session.flush()
                written.append(f"evt_{row.id:012}")
                sleep(dice.uniform(0, 0.01))  # so that a higher id can be committed first
                ctx.session.commit()
        return written

    def read(_):
        found, after = [], start
        with app.app_context():
            ctx = world.on(db.session())
            while len(found) < WRITERS * EVENTS:
                number_events(ctx)
                page = read_events(ctx, after, 7)
                ctx.session.rollback()
                found += [(event.sequence, event.id) for event in page.events]
                after = page.next_after
        return found

    with ThreadPoolExecutor(WRITERS + READERS) as pool:
        readings = [pool.submit(read, reader) for reader in range(READERS)]
        written = [pool.submit(write, account_id) for account_id in accounts]
        by_account = [future.result(timeout=60) for future in written]
        readings = [future.result(timeout=60) for future in readings]

    first, *others = readings
    assert all(other == first for other in others)
    assert [sequence for sequence, _ in first] == [
        start + step for step in range(1, WRITERS * EVENTS + 1)
    ]
    ids = [event_id for _, event_id in first]
    assert sorted(ids) == sorted(event_id for written in by_account for event_id in written)
    for written in by_account:
        assert [event_id for event_id in ids if event_id in set(written)] == written
