"""What a press charges at once (T18): said before it, and confirmed by the person who presses.

The planner that charges is asked with the wished change applied, so what is said is what is done.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.errors import Refusal
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Plan, PlanInput


@dataclass(frozen=True)
class ChargeNow:
    """Amounts in micros."""

    account_id: int
    amount: int
    method_id: int
    """Of the method that is charged first; 0 for one that is not saved yet."""
    method: str
    """Its label."""
    brand: str
    falls_back: bool
    """Other methods are tried if it is declined."""
    balance: int
    """Before the charge."""
    threshold: int

    @property
    def balance_after(self) -> int:
        return self.balance + self.amount

    @property
    def is_repeated(self) -> bool:
        """The balance is still below the threshold afterwards, so another refill may follow."""
        return self.balance_after < self.threshold

    @classmethod
    def of(cls, inputs: PlanInput, plan: Plan) -> "ChargeNow":
        first = plan.methods[0]
        return cls(
            account_id=first.account_id,
            amount=plan.amount,
            method_id=first.id,
            method=first.label,
            brand=first.chip,
            falls_back=len(plan.methods) > 1,
            balance=inputs.balance,
            threshold=inputs.choice.threshold or 0,
        )


class ChargeUnconfirmed(Refusal):
    """The press would charge more than its person has confirmed. Nothing was changed."""

    code = "charge_unconfirmed"

    def __init__(self, charge: ChargeNow) -> None:
        super().__init__("This charges a payment method now. Confirm the amount first.")
        self.charge = charge


def charged_by(inputs: PlanInput, wished: PlanInput) -> ChargeNow | None:
    """What a press charges that turns the situation `at` into `wished`; None if nothing.

    A refill that is due without it is not caused by it, unless it becomes larger.
    """
    # A person's change is a new cause for a refill that was held.
    wished = replace(wished, low_by_reversal=False, refill_held=False)
    plan, due = top_ups.plan(wished), top_ups.plan(inputs)
    if not plan.charges or (due.charges and plan.amount <= due.amount):
        return None
    return ChargeNow.of(wished, plan)


def with_method(inputs: PlanInput, method_id: int, **changed: object) -> PlanInput:
    """The same, with some of a listed method's values changed."""
    methods = (m.as_if(**changed) if m.id == method_id else m for m in inputs.methods)
    return replace(inputs, methods=tuple(methods))


def without_method(inputs: PlanInput, method_id: int) -> PlanInput:
    """The same, after Remove."""
    return replace(inputs, methods=tuple(m for m in inputs.methods if m.id != method_id))


def with_new_card(inputs: PlanInput, *, auto_charge: bool) -> PlanInput:
    """The same, after a card of which nothing is known yet has joined the end of the list."""
    card = PaymentMethod(id=0, auto_charge=auto_charge, declines_in_a_row=0)
    return replace(inputs, methods=(*inputs.methods, card))


def reordered(inputs: PlanInput, order: Sequence[int]) -> PlanInput:
    """The same, in this order of the methods' ids."""
    by_id = {method.id: method for method in inputs.methods}
    return replace(inputs, methods=tuple(by_id[method_id] for method_id in order))


def resumed(inputs: PlanInput) -> PlanInput:
    """The same, after Resume: the burst breaker counts anew."""
    return replace(
        inputs, paused=False, paused_by_operator=False, paused_by_dispute=False, recent_top_ups=0
    )
