"""T14: a withdrawal during an automatic charge lets it finish; the timeline says what follows.

The tests check that exactly that follows.
"""

from datetime import timedelta

import pytest

from tests.factories import AMEX, MASTERCARD, VISA
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.top_ups.pause_automatic import pause_automatic
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.domain.shared.errors import Conflict
from webapp.processors.sandbox.processor import SandboxProcessor
from webapp.reads.payment_methods.main_screen import MainScreen

pytestmark = pytest.mark.story

SENT = "That charge cannot be cancelled. If it is declined: "
NOTHING = f"{SENT}Nothing is charged next."
AMEX_NEXT = f"{SENT}$100.00 is charged to American Express •••• 0005 next."
LESS_NEXT = f"{SENT}$60.00 is charged to Mastercard •••• 4444 next."


class Interrupted(SandboxProcessor):
    """Runs a change during each charge, before it is answered."""

    def __init__(self, *args, meanwhile, **more):
        super().__init__(*args, **more)
        self.meanwhile = list(meanwhile)

    def charge(self, request):
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return super().charge(request)


@pytest.fixture
def during(world):
    """Makes these changes during the next calls, one per call."""

    def change(*meanwhile):
        world.services.processors["sandbox"] = Interrupted(
            world.books, world.clock, sleep=lambda seconds: None, meanwhile=meanwhile
        )

    return change


@pytest.fixture
def due(world):
    """Three cards with auto-charge; a refill of 100.00 is due."""
    world.cards(VISA, MASTERCARD, AMEX)
    world.refill()
    world.use("60.00")
    return world


def withdrawal_lines(world):
    return [d.sentence for d in world.lines if d.code == "withdrawn_after_start"]


def decline(world, times=1):
    for _ in range(times):
        world.next_answer("decline", decline_code="do_not_honor")


def refill_off(world):
    world.apply(refill_on=False)


def first_off(world):
    world.consent(world.method("4242"), False)


def second_off(world):
    world.consent(world.method("4444"), False)


def second_removed(world):
    world.remove(world.method("4444"))


def smaller_limit(world):
    world.apply(day_limit="60.00")


def notification(world):
    world.apply(notification_on=True, notification_threshold="75.00")


def pause(world):
    pause_automatic(world.ctx, world.account_id, "Fraud")


def reverse(world):
    ids = [method.id for method in world.methods]
    now, owner = world.clock.now(), world.owner
    reorder_methods(world.ctx.by(owner).at(now), world.account_id, ids[::-1], ids)


CHARGED = " while $100.00 was being charged to Visa •••• 4242. "
AMEX_PAID = [("0005", "100.00", "paid")]
CASES = {
    refill_off: ("Automatic refill was switched off", NOTHING, []),
    first_off: ("Auto-charge for Visa •••• 4242 was switched off", NOTHING, []),
    second_off: ("Auto-charge for Mastercard •••• 4444 was switched off", AMEX_NEXT, AMEX_PAID),
    second_removed: ("Mastercard •••• 4444 was removed", AMEX_NEXT, AMEX_PAID),
    smaller_limit: (
        "The refill settings were changed",
        LESS_NEXT,
        [("4444", "60.00", "paid")],
    ),
    pause: ("Automatic refills were paused", NOTHING, []),
    reverse: ("The order of methods was changed", AMEX_NEXT, AMEX_PAID),
}


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__)
def test_the_timeline_says_what_follows_a_decline(due, during, change):
    """T14: and exactly that follows."""
    changed, follows, charged = CASES[change]
    during(lambda: change(due))
    decline(due)
    due.work()
    due.run()
    assert withdrawal_lines(due) == [changed + CHARGED + follows]
    assert due.tries == [("4242", "100.00", "declined"), *charged]


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__)
def test_a_successful_charge_is_credited_despite_a_withdrawal(due, during, change):
    """T14: a request that was sent is not recalled, and counts once."""
    during(lambda: change(due))
    due.work()
    due.run()
    changed, follows, _ = CASES[change]
    assert withdrawal_lines(due) == [changed + CHARGED + follows]
    assert due.tries == [("4242", "100.00", "paid")]
    assert due.balance == "140.00"


def test_a_method_switched_off_during_its_own_call_is_followed_by_the_next(due, during):
    """T14: the second in line is switched off; the timeline announces the third."""
    during(lambda: None, lambda: second_off(due))
    decline(due, times=2)
    due.work()
    (line,) = withdrawal_lines(due)
    assert "being charged to Mastercard •••• 4444" in line
    assert line.endswith(AMEX_NEXT)
    assert [last4 for last4, _, _ in due.tries] == ["4242", "4444", "0005"]


def test_the_last_method_switched_off_during_its_call_is_followed_by_none(due, during):
    """T14, T11"""
    during(lambda: None, lambda: None, lambda: due.consent(due.method("0005"), False))
    decline(due, times=3)
    due.work()
    assert withdrawal_lines(due)[0].endswith(NOTHING)
    assert len(due.tries) == 3


def test_a_method_cannot_be_removed_during_its_own_call(due, during):
    """M10, T14: the removal is refused, so nothing is withdrawn."""

    def remove():
        with pytest.raises(Conflict, match="in progress"):
            due.remove(due.method("4242"))
        due.session.rollback()

    during(remove)
    due.work()
    assert withdrawal_lines(due) == []
    assert due.balance == "140.00"


def test_a_change_of_the_notification_leaves_no_line(due, during):
    """T14, N1"""
    during(lambda: notification(due))
    due.work()
    assert withdrawal_lines(due) == []


def test_a_pause_and_resume_during_a_call_continue_the_fallback(due, during):
    """T14: the line was true at that moment; the next answer is in the timeline too."""

    def pause_and_resume():
        pause(due)
        now = due.clock.now() + timedelta(seconds=1)
        resume_automatic(due.ctx.at(now), due.account_id, reason="Checked")

    during(pause_and_resume)
    decline(due)
    due.work()
    assert withdrawal_lines(due)[0].endswith(NOTHING)
    assert "resumed" in due.timeline
    assert due.tries[-1] == ("4444", "100.00", "paid")


@pytest.mark.parametrize(
    ("change", "announcement", "tries"),
    [
        (
            refill_off,
            "It will not be sent again. Nothing is charged instead.",
            [("4242", "100.00", "abandoned")],
        ),
        (
            smaller_limit,
            "It will not be sent again. $60.00 is charged to Visa •••• 4242 instead.",
            [("4242", "100.00", "abandoned"), ("4242", "60.00", "paid")],
        ),
        (
            second_off,
            "The processor has not accepted that charge yet. It will be sent again.",
            [("4242", "100.00", "paid")],
        ),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_a_rejected_charge_is_repeated_only_if_still_wanted(due, change, announcement, tries):
    """T14, T13, L8: nothing was charged, so a withdrawal stops it."""
    due.next_answer("refuse_to_look")
    due.work()
    change(due)
    assert withdrawal_lines(due)[0].endswith(announcement)
    screen = MainScreen(due.ctx, due.account_id)
    sentence = "".join(run.text for run in screen.next.sentence)
    assert ("we try again" in sentence) is (change is second_off)
    assert ("is not sent again" in sentence) is (change is not second_off)
    due.pass_time(seconds=10)
    due.work()
    assert due.tries == tries
