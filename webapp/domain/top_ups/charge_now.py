"""The charge that a change would cause at once (T18), shown to and confirmed by the person.

The planner that charges runs on the inputs with the change applied, so the charge that is shown is
the charge that is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from webapp.domain.payment_methods.payment_method import PaymentMethod
from webapp.domain.shared.errors import Refusal
from webapp.domain.top_ups import top_up as top_ups
from webapp.domain.top_ups.top_up import Plan, PlanInput


@dataclass(frozen=True)
class ChargeNow:
    """A charge that a change would cause at once. Amounts in micros."""

    account_id: int
    amount: int
    method_id: int
    """The first method to charge; 0 for one that is not saved yet."""
    method: str
    """Label of that method."""
    brand: str
    falls_back: bool
    """Whether other methods are tried if it is declined."""
    balance: int
    """Before the charge."""
    threshold: int

    @property
    def balance_after(self) -> int:
        return self.balance + self.amount

    @property
    def is_repeated(self) -> bool:
        """Whether the balance stays below the threshold, so that another refill may follow."""
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
    """The change would charge more than the person has confirmed. Nothing was changed."""

    code = "charge_unconfirmed"

    def __init__(self, charge: ChargeNow) -> None:
        super().__init__("This charges a payment method now. Confirm the amount first.")
        self.charge = charge


def charged_by(inputs: PlanInput, wished: PlanInput) -> ChargeNow | None:
    """Return the charge caused by the change from `inputs` to `wished`; None if there is none.

    A refill that is already due counts only if the change makes it larger.
    """
    # A change by a person releases a refill that was held.
    wished = replace(wished, low_by_reversal=False, refill_held=False)
    plan = top_ups.plan(wished)
    if not plan.charges:
        return None
    due = top_ups.plan(inputs)
    return None if due.charges and plan.amount <= due.amount else ChargeNow.of(wished, plan)


def with_method(inputs: PlanInput, method_id: int, **changed: object) -> PlanInput:
    """Return a copy with some values of a listed method changed."""
    methods = (m.as_if(**changed) if m.id == method_id else m for m in inputs.methods)
    return replace(inputs, methods=tuple(methods))


def without_method(inputs: PlanInput, method_id: int) -> PlanInput:
    """Return a copy without a method, as after Remove."""
    return replace(inputs, methods=tuple(m for m in inputs.methods if m.id != method_id))


def with_new_card(inputs: PlanInput, *, auto_charge: bool) -> PlanInput:
    """Return a copy with a card at the end of the list whose details are not known yet."""
    card = PaymentMethod(id=0, auto_charge=auto_charge, declines_in_a_row=0)
    return replace(inputs, methods=(*inputs.methods, card))


def reordered(inputs: PlanInput, order: Sequence[int]) -> PlanInput:
    """Return a copy with the methods in this order of their ids."""
    by_id = {method.id: method for method in inputs.methods}
    return replace(inputs, methods=tuple(by_id[method_id] for method_id in order))


def resumed(inputs: PlanInput) -> PlanInput:
    """Return a copy as after Resume, which also resets the burst breaker."""
    return replace(inputs, paused_by=None, recent_top_ups=0)
