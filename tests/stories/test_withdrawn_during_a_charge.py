"""T14: what is withdrawn during an automatic charge lets it finish, and the timeline says what
follows; what follows is then what was said.
"""

from datetime import timedelta

import pytest

from tests.factories import AMEX, MASTERCARD, VISA
from webapp.actions.payment_methods.reorder_methods import reorder_methods
from webapp.actions.top_ups.pause_automatic import pause_automatic
from webapp.actions.top_ups.resume_automatic import resume_automatic
from webapp.domain.shared.errors import Conflict
from webapp.processors.sandbox.processor import SandboxProcessor
from webapp.reads.payment_methods.main_screen import read_screen

pytestmark = pytest.mark.story

SENT = "That charge cannot be cancelled. If it is declined: "
NOTHING = f"{SENT}Nothing is charged next."
AMEX_NEXT = f"{SENT}$100.00 is charged to American Express •••• 0005 next."
LESS_NEXT = f"{SENT}$60.00 is charged to Mastercard •••• 4444 next."


class Late(SandboxProcessor):
    """Somebody changes something while the charge is under way; then it is answered."""

    def __init__(self, *args, meanwhile, **more):
        super().__init__(*args, **more)
        self.meanwhile = list(meanwhile)

    def charge(self, request):
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return super().charge(request)


@pytest.fixture
def during(world):
    """Make each of these changes during one call, in turn."""

    def change(*meanwhile):
        world.services.processors["sandbox"] = Late(
            world.books, world.clock, sleep=lambda seconds: None, meanwhile=meanwhile
        )

    return change


@pytest.fixture
def due(world):
    """Three cards in line; the refill of 100.00 is due."""
    world.cards(VISA, MASTERCARD, AMEX)
    world.refill()
    world.use("60.00")
    return world


def lines(world):
    return [d.sentence for d in world.decisions if d.code == "withdrawn_after_start"]


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
    pause_automatic(
        world.session, world.account_id, "Fraud", world.owner, world.clock.now(), world.policy
    )


def reverse(world):
    ids = [method.id for method in world.methods]
    now, owner = world.clock.now(), world.owner
    reorder_methods(world.session, world.account_id, ids[::-1], ids, owner, now, world.policy)


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
    pause: ("Automatic payments were paused", NOTHING, []),
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
    assert lines(due) == [changed + CHARGED + follows]
    assert due.tries == [("4242", "100.00", "declined"), *charged]


@pytest.mark.parametrize("change", CASES, ids=lambda change: change.__name__)
def test_a_charge_that_succeeds_is_credited(due, during, change):
    """T14: nothing recalls what was sent; it counts, once."""
    during(lambda: change(due))
    due.work()
    due.run()
    changed, follows, _ = CASES[change]
    assert lines(due) == [changed + CHARGED + follows]
    assert due.tries == [("4242", "100.00", "paid")]
    assert due.balance == "140.00"


def test_a_method_that_is_switched_off_during_its_own_call(due, during):
    """T14: the second in line; the third is charged after it, and the timeline said so."""
    during(lambda: None, lambda: second_off(due))
    decline(due, times=2)
    due.work()
    (line,) = lines(due)
    assert "being charged to Mastercard •••• 4444" in line
    assert line.endswith(AMEX_NEXT)
    assert [last4 for last4, _, _ in due.tries] == ["4242", "4444", "0005"]


def test_the_last_in_line(due, during):
    """T14, T11"""
    during(lambda: None, lambda: None, lambda: due.consent(due.method("0005"), False))
    decline(due, times=3)
    due.work()
    assert lines(due)[0].endswith(NOTHING)
    assert len(due.tries) == 3


def test_a_method_is_not_removed_during_its_own_call(due, during):
    """M10, T14: the removal is refused, so nothing is withdrawn."""

    def remove():
        with pytest.raises(Conflict, match="in progress"):
            due.remove(due.method("4242"))
        due.session.rollback()

    during(remove)
    due.work()
    assert lines(due) == []
    assert due.balance == "140.00"


def test_what_moves_no_money_leaves_no_line(due, during):
    """T14, N1"""
    during(lambda: notification(due))
    due.work()
    assert lines(due) == []


def test_resumed_again_during_the_same_call(due, during):
    """T14: the line said what followed at that moment; the next answer is on the timeline too."""

    def pause_and_resume():
        pause(due)
        now = due.clock.now() + timedelta(seconds=1)
        resume_automatic(due.session, due.account_id, due.owner, now, due.policy, reason="Checked")

    during(pause_and_resume)
    decline(due)
    due.work()
    assert lines(due)[0].endswith(NOTHING)
    assert "resumed" in due.timeline
    assert due.tries[-1] == ("4444", "100.00", "paid")


@pytest.mark.parametrize(
    ("change", "said", "tries"),
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
def test_a_charge_that_the_processor_refused_to_look_at(due, change, said, tries):
    """T14, T13, L8: nothing has run, so it is sent again only if it is still wanted."""
    due.next_answer("refuse_to_look")
    due.work()
    change(due)
    assert lines(due)[0].endswith(said)
    screen = read_screen(due.session, due.account_id, due.clock.now(), due.policy)
    told = "".join(run.text for run in screen.next.sentence)
    assert ("we try again" in told) is (change is second_off)
    assert ("is not sent again" in told) is (change is not second_off)
    due.pass_time(seconds=10)
    due.work()
    assert due.tries == tries
