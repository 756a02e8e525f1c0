"""Apply Changes saves all settings or none (T1, T2, T9, N4, N5)."""

from dataclasses import replace

import pytest

from tests.factories import VISA, micros
from webapp.actions.top_ups.apply_settings import apply_settings
from webapp.domain.accounts.account import Account
from webapp.domain.events.rows import EventRow
from webapp.domain.shared.errors import Invalid, NotFound, Stale
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.settings import NEEDS_METHOD, Choice, LowBalanceSettings, RefillMode
from webapp.reads.top_ups.settings_panel import read_settings

GOOD = Choice(refill_on=True, threshold=micros("50"), refill_amount=micros("100"))


def apply(world, choice, seen=None, **options):
    now, policy = world.clock.now(), world.policy
    if seen is None:
        seen = settings(world).version
    return apply_settings(
        replace(world.ctx.at(now), policy=policy), world.account_id, choice, seen, **options
    )


def settings(world):
    world.session.rollback()
    return LowBalanceSettings.of(world.session, world.account_id)


def audits(world):
    world.session.rollback()
    query = world.session.query(EventRow).filter_by(account_id=world.account_id, audit="settings")
    return query.order_by(EventRow.id).all()


def panel(world):
    account = world.session.get(Account, world.account_id)
    inputs = top_ups.gather(world.ctx, account)
    return read_settings(world.ctx, account, inputs, None)


def test_settings_are_off_by_default_t1(world):
    """T1."""
    assert settings(world).chosen() == Choice()


def test_settings_are_saved_together_t1(world):
    """T1, P2: the audit entry names the user, the address and the previous values."""
    world.cards(VISA)
    chosen = replace(
        GOOD,
        day_limit=micros("300"),
        month_limit=micros("1000"),
        notification_on=True,
        notification_threshold=micros("75"),
    )
    apply(world, chosen)
    saved = settings(world)
    assert saved.chosen() == chosen
    assert (saved.version, saved.applied_by_id) == (1, world.owner.user_id)
    (entry,) = audits(world)
    assert (entry.user_id, entry.address) == (world.owner.user_id, "127.0.0.1")
    assert entry.facts["changed"]["threshold"] == [None, micros("50")]
    assert "refill_mode" not in entry.facts["changed"]


def test_all_bad_fields_are_reported_and_nothing_is_saved_t1(world):
    """T1, T2."""
    bad = Choice(
        refill_on=True,
        refill_amount=micros("29.99"),
        day_limit=micros("10"),
        month_limit=micros("29.99"),
        notification_on=True,
    )
    with pytest.raises(Invalid) as refused:
        apply(world, bad)
    assert refused.value.fields == {
        "refill_on": NEEDS_METHOD,
        "threshold": "Enter an amount",
        "refill_amount": "At least $30.00",
        "day_limit": "At least $30.00, or choose no daily limit",
        "month_limit": "At least $30.00, or empty for no limit",
        "notification_threshold": "Enter an amount",
    }
    assert refused.value.sentence == "6 fields to fix"
    assert settings(world).chosen() == Choice()
    assert settings(world).version == 0
    assert audits(world) == []


def test_one_bad_field_prevents_saving_the_others_t1(world):
    world.cards(VISA)
    with pytest.raises(Invalid) as refused:
        apply(world, replace(GOOD, notification_on=True))
    assert list(refused.value.fields) == ["notification_threshold"]
    assert not settings(world).refill_on


def test_unreadable_fields_are_reported_with_the_rest_t1(world):
    """T1: one response lists all errors; the parse error of a field takes precedence."""
    with pytest.raises(Invalid) as refused:
        apply(world, replace(GOOD, threshold=None), unreadable={"threshold": "At most 2 decimals"})
    assert refused.value.fields == {"refill_on": NEEDS_METHOD, "threshold": "At most 2 decimals"}


def test_switching_on_needs_a_method_with_auto_charge_t2(world):
    """T2: a card with auto-charge off is not enough."""
    visa = world.card(VISA)
    world.consent(visa, False)
    with pytest.raises(Invalid) as refused:
        apply(world, GOOD)
    assert refused.value.fields == {"refill_on": NEEDS_METHOD}
    world.consent(visa, True)
    apply(world, GOOD)
    assert settings(world).refill_on


def test_active_settings_can_be_changed_without_a_method_t2(world):
    """T2 applies to switching on only; T5's banner covers a method switched off later."""
    (visa,) = world.cards(VISA)
    apply(world, GOOD)
    world.consent(visa, False)
    apply(world, replace(GOOD, threshold=micros("60")))
    assert settings(world).threshold == micros("60")


@pytest.mark.parametrize(
    ("chosen", "field", "message"),
    [
        ({"refill_amount": "29.99"}, "refill_amount", "At least $30.00"),
        ({"refill_amount": "10000.01"}, "refill_amount", "At most $10,000.00"),
        ({"refill_amount": None}, "refill_amount", "Enter an amount"),
        ({"threshold": None}, "threshold", "Enter an amount"),
        ({"refill_mode": "target"}, "target", "Enter an amount"),
        ({"refill_mode": "target", "target": "49.99"}, "target", "At least the threshold, $50.00"),
        (
            {"refill_mode": "target", "target": "150"},
            "largest_charge",
            "Enter an amount",
        ),
        (
            {"refill_mode": "target", "target": "150", "largest_charge": "99.99"},
            "largest_charge",
            "At least $100.00",
        ),
        (
            {"refill_mode": "target", "target": "50", "largest_charge": "29.99"},
            "largest_charge",
            "At least $30.00",
        ),
        (
            {"refill_mode": "target", "target": "90000", "largest_charge": "10000.01"},
            "largest_charge",
            "At most $10,000.00",
        ),
        (
            {"refill_mode": "target", "target": "90000", "largest_charge": "9999.99"},
            "largest_charge",
            "At least $10,000.00",
        ),
        ({"day_limit": "29.99"}, "day_limit", "At least $30.00, or choose no daily limit"),
        ({"month_limit": "0.01"}, "month_limit", "At least $30.00, or empty for no limit"),
    ],
)
def test_out_of_bounds_amounts_are_rejected_t9(world, chosen, field, message):
    """T9, T10: amounts, targets below the threshold, and limits too small for any payment."""
    world.cards(VISA)
    mode = RefillMode(chosen.get("refill_mode", "add"))
    amounts = {name: micros(text) for name, text in chosen.items() if name != "refill_mode"}
    with pytest.raises(Invalid) as refused:
        apply(world, replace(GOOD, refill_mode=mode, **amounts))
    assert refused.value.fields == {field: message}


@pytest.mark.parametrize(
    "chosen",
    [
        {"refill_amount": "30.00"},
        {"refill_amount": "10000.00"},
        {
            "refill_mode": "target",
            "target": "50.00",
            "refill_amount": None,
            "largest_charge": "30.00",
        },
        {"refill_mode": "target", "target": "90000", "largest_charge": "10000.00"},
        {"day_limit": "30.00", "month_limit": "30.00"},
        {"threshold": "0.01"},
    ],
)
def test_boundary_amounts_are_allowed_t9(world, chosen):
    world.cards(VISA)
    mode = RefillMode(chosen.get("refill_mode", "add"))
    amounts = {name: micros(text) for name, text in chosen.items() if name != "refill_mode"}
    apply(world, replace(GOOD, refill_mode=mode, **amounts))
    assert settings(world).refill_on


def test_amounts_of_an_inactive_switch_are_stored_unchecked_t1(world):
    """T1."""
    apply(world, Choice(refill_amount=micros("5"), notification_threshold=micros("7")))
    assert settings(world).refill_amount == micros("5")


def test_a_stale_form_is_refused_t1(world):
    """T1: when two people apply at once, the second sees what the first saved."""
    world.cards(VISA)
    apply(world, GOOD, seen=0)
    with pytest.raises(Stale, match="Your changes were not applied"):
        apply(world, replace(GOOD, threshold=micros("10")), seen=0)
    assert settings(world).threshold == micros("50")


def test_applying_the_same_choice_again_changes_nothing_t1(world):
    """T1, N5: a double click or an unchanged form adds no version, audit entry or email."""
    world.cards(VISA)
    apply(world, GOOD, seen=0)
    apply(world, GOOD, seen=0)
    assert settings(world).version == 1
    assert len(audits(world)) == 1


def test_invalid_fields_are_reported_before_a_stale_version_t1(world):
    world.cards(VISA)
    apply(world, GOOD, seen=0)
    with pytest.raises(Invalid):
        apply(world, replace(GOOD, threshold=None), seen=0)


def test_an_unknown_account_is_not_found_p1(world):
    with pytest.raises(NotFound):
        apply_settings(world.ctx, 999, GOOD, 0)


def test_applying_settings_starts_a_due_refill_t4(world):
    """T4: a balance already below the threshold is refilled without waiting for usage."""
    world.cards(VISA)
    world.use("60.00")
    apply(world, GOOD)
    world.run("top up")
    assert world.tries == [("4242", "100.00", "paid")]


def test_a_raised_limit_resumes_refills_t4(world):
    """T4, T10."""
    world.cards(VISA)
    apply(world, replace(GOOD, day_limit=micros("100")))
    for _ in range(2):
        world.use("100.00")
        world.work()
    assert len(world.tries) == 1
    apply(world, replace(GOOD, day_limit=micros("200")))
    world.run("top up")
    assert len(world.tries) == 2


@pytest.mark.parametrize(
    ("notification", "advised"), [("49.99", True), ("50.00", True), ("50.01", False)]
)
def test_a_notification_at_or_below_the_threshold_has_a_hint_n4(world, notification, advised):
    """N4: it is allowed, with a hint beside it."""
    world.cards(VISA)
    apply(
        world,
        replace(GOOD, notification_on=True, notification_threshold=micros(notification)),
    )
    hint = panel(world).notification_hint
    assert ("You’ll usually be refilled before this is sent" in hint) is advised


def test_no_hint_while_refill_is_off_n4(world):
    apply(
        world,
        Choice(threshold=micros("50"), notification_on=True, notification_threshold=micros("10")),
    )
    assert "refilled" not in panel(world).notification_hint


@pytest.mark.parametrize(("threshold", "recommended"), [("49.99", True), ("50.00", False)])
def test_a_low_threshold_has_a_recommendation_t12(world, threshold, recommended):
    """T12: at least $50.00 is recommended."""
    world.cards(VISA)
    apply(world, replace(GOOD, threshold=micros(threshold)))
    assert ("We recommend a threshold of at least $50.00" in panel(world).hint) is recommended


def test_the_help_text_says_falls_below_t3(world):
    """T3."""
    assert "falls below" in panel(world).hint
