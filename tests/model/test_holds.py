"""Random opening, reporting, using and expiring of holds, beside a simple model of V5 and V6."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from webapp.actions.payments.adjust_balance import adjust_balance
from webapp.actions.usage.change_hold import change_hold
from webapp.actions.usage.expire_holds import expire_holds
from webapp.actions.usage.open_hold import open_hold
from webapp.actions.usage.post_usage import post_usage
from webapp.actions.usage.release_hold import release_hold
from webapp.domain.accounts.account import Account
from webapp.domain.shared.errors import Refusal
from webapp.domain.usage.funds import Funds
from webapp.domain.usage.hold_request import HoldChange, HoldRequest
from webapp.domain.usage.record import Usage

CALLS = ("call-1", "call-2", "call-3")

calls = st.sampled_from(CALLS)
amounts = st.integers(1, 60_000_000)
lasting = st.sampled_from([timedelta(seconds=10), timedelta(minutes=1), timedelta(hours=1)])
steps = st.one_of(
    st.tuples(st.just("open"), calls, amounts, st.none() | amounts, lasting),
    st.tuples(st.just("report"), calls, amounts, st.none() | amounts),
    st.tuples(st.just("use"), calls, amounts),
    st.tuples(st.just("release"), calls),
    st.tuples(st.just("wait"), lasting),
    st.tuples(st.just("expire")),
    st.tuples(st.just("credit"), amounts),
    st.tuples(st.just("credit_limit"), st.integers(0, 50_000_000)),
)


@dataclass
class Call:
    held: int
    asked: int
    minimum: int | None
    lasts: timedelta
    expires_at: datetime
    state: str = "open"


@dataclass
class Model:
    """What the rules say; amounts in micros."""

    now: datetime
    balance: int = 100_000_000
    credit_limit: int = 0
    calls: dict[str, Call] = field(default_factory=dict)
    posted: set[str] = field(default_factory=set)

    def held(self, without: str = "") -> int:
        return sum(
            call.held
            for name, call in self.calls.items()
            if name != without and call.state == "open" and call.expires_at > self.now
        )

    def grant(self, asked: int, minimum: int | None, without: str = "") -> int:
        """Return what is granted of what is there; 0 if that is less than the minimum."""
        there = self.balance + self.credit_limit - self.held(without)
        granted = min(asked, there)
        return granted if granted >= (minimum or asked) else 0

    def open(self, name, asked, minimum, lasts):
        if minimum is not None and minimum > asked:
            return False
        if name in self.calls:
            call = self.calls[name]
            is_open = call.state == "open" and call.expires_at > self.now
            return is_open and call.asked == asked
        granted = self.grant(asked, minimum) if name not in self.posted else 0
        if granted:
            self.calls[name] = Call(granted, asked, minimum, lasts, self.now + lasts)
        return bool(granted)

    def report(self, name, used, asked):
        call = self.calls.get(name)
        if call is None or call.state == "ended":
            return False
        if name in self.posted:
            return False
        self.balance -= used
        if call.state == "released":
            return False
        asked = call.asked if asked is None else asked
        minimum = None if call.minimum is None else min(call.minimum, asked)
        granted = self.grant(asked, minimum, without=name)
        call.held = granted
        if granted:
            call.asked, call.minimum = asked, minimum
            call.expires_at = self.now + call.lasts
        return bool(granted)

    def use(self, name, amount):
        if name not in self.posted:
            self.posted.add(name)
            self.balance -= amount
            if name in self.calls and self.calls[name].state == "open":
                self.calls[name].state = "ended"

    def release(self, name):
        if name in self.calls and self.calls[name].state == "open":
            self.calls[name].state = "released"
        return name in self.calls


RELEASED_LATE = [
    ("open", "call-1", 1_000_000, None, timedelta(seconds=10)),
    ("wait", timedelta(seconds=10)), ("release", "call-1"), ("report", "call-1", 1, None),
]  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(steps, min_size=1, max_size=25))
@example(RELEASED_LATE)
def test_holds_agree_with_a_model_of_the_rules_v5(world, sequence):
    """V5, V6: after each step, balance, holds and what is available are the model's."""
    made = world.account()
    model, base = Model(world.clock.now()), world.ctx

    def accepts(action, *arguments):
        try:
            result = action(base.at(model.now), made.account_id, *arguments)
            return getattr(result, "refusal", None) is None
        except Refusal:
            world.session.rollback()
            return False

    for kind, *given_ in sequence:
        if kind == "open":
            name, asked, minimum, lasts = given_
            request = HoldRequest(lasts, asked, None, minimum)
            assert accepts(open_hold, name, request) == model.open(*given_)
        elif kind == "report":
            name, used, asked = given_
            change = HoldChange(used=used, amount=asked)
            assert accepts(change_hold, name, change) == model.report(*given_)
        elif kind == "use":
            name, amount = given_
            post_usage(base.at(model.now), made.account_id, [Usage(amount, name, model.now)])
            model.use(name, amount)
        elif kind == "release":
            assert accepts(release_hold, *given_) == model.release(*given_)
        elif kind == "wait":
            model.now += given_[0]
        elif kind == "expire":
            expire_holds(base.at(model.now))
        elif kind == "credit":
            adjust_balance(base.at(model.now), made.account_id, given_[0], "Credit")
            model.balance += given_[0]
        else:
            Account.locked(world.session, made.account_id).credit_limit = given_[0]
            world.session.commit()
            model.credit_limit = given_[0]
        world.session.rollback()
        funds = Funds.of(base.at(model.now), made.account_id)
        assert (funds.balance, funds.held) == (model.balance, model.held()), (kind, given_)
        assert funds.available == model.balance + model.credit_limit - model.held()
