"""The sandbox's books: its records, its scripted answers and the clock offset."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import delete, select, update

from webapp.processors.sandbox.challenges import Challenges
from webapp.processors.sandbox.charges import Charge, ChargeBook
from webapp.processors.sandbox.methods import Agreements, Vault
from webapp.processors.sandbox.records import (
    Agreement,
    AnswerKind,
    Card,
    Challenge,
    HeldCard,
    Owner,
    ScriptedAnswer,
    Token,
)
from webapp.processors.sandbox.reversals import Reversals
from webapp.processors.sandbox.store import Setting, Store

FARTHEST = timedelta(days=20 * 366)
"""Maximum clock offset: past any card's expiry, and well before the maximum date."""

LONGEST = 30.0
"""Maximum delay of an answer in seconds, so that a typing error cannot block a thread for long."""


@dataclass(frozen=True)
class NextAnswer:
    """A scripted answer. `last4` limits it to a card's last digits or to a payer's email address.

    An empty `last4` applies to the next charge of any method.
    """

    kind: AnswerKind
    decline_code: str = ""
    seconds: float = 0.0
    """Delay before the answer."""
    last4: str = ""


_ANY_ANSWER = select(ScriptedAnswer.id).limit(1)


class SandboxBooks:
    """Safe for use by several threads and processes at once."""

    def __init__(self, path: Path) -> None:
        self.store = Store(path)
        self.vault = Vault(self.store)
        self.agreements = Agreements(self.store)
        self.challenges = Challenges(self.store)
        self.charge_book = ChargeBook(self.store)
        self.reversals = Reversals(self.store, self.charge_book)

    def forget(self, account_id: int, references: Sequence[str]) -> None:
        """Erase the cardholders of the account's cards and the payers of its agreements."""
        owned = select(Owner.subject).where(Owner.account_id == account_id)
        held = select(Challenge.subject).where(Challenge.reference.in_(owned))
        names = ("cardholder", "address_line", "address_city", "address_postcode")
        blank = dict.fromkeys((*names, "address_country"), "")
        with self.store.writing() as session:
            session.execute(delete(Token).where(Token.id.in_(owned)))
            session.execute(delete(HeldCard).where(HeldCard.id.in_(held)))
            session.execute(update(Card).where(Card.id.in_(references)).values(**blank))
            gone = update(Agreement).where(Agreement.id.in_(references))
            session.execute(gone.values(payer_email="", payer_id=""))

    # The clock and the speed of answers

    def clock_offset(self) -> timedelta:
        """How far the product's clock is ahead of the wall clock. Read at every `now`."""
        return timedelta(microseconds=int(self.store.setting("clock_offset", "0")))

    def advance_clock(self, by: timedelta) -> timedelta:
        """Advance the product's clock in all processes and return the new offset.

        Raises:
            ValueError: `by` is negative, or the offset would exceed `FARTHEST`.
        """
        with self.store.writing() as session:
            offset = self.clock_offset() + by
            if by < timedelta(0) or offset > FARTHEST:
                raise ValueError(f"the clock cannot be moved by {by} to {offset} ahead")
            microseconds = offset // timedelta(microseconds=1)
            session.merge(Setting(name="clock_offset", value=str(microseconds)))
        return offset

    @property
    def latency(self) -> float:
        """Seconds that every call takes; stored in whole milliseconds."""
        return int(self.store.setting("latency", "0")) / 1000

    @latency.setter
    def latency(self, seconds: float) -> None:
        milliseconds = round(_bounded(seconds) * 1000)
        with self.store.writing() as session:
            session.merge(Setting(name="latency", value=str(milliseconds)))

    # Scripted answers

    def queue_answer(
        self,
        kind: AnswerKind,
        *,
        decline_code: str = "",
        seconds: float = 0.0,
        last4: str = "",
    ) -> None:
        """Script the answer to the next charge, of the given card or payer or of any."""
        answer = ScriptedAnswer(
            kind=AnswerKind(kind),
            decline_code=decline_code,
            seconds=_bounded(seconds),
            last4=last4,
        )
        with self.store.writing() as session:
            session.add(answer)

    def next_answers(self) -> list[NextAnswer]:
        """Scripted answers, oldest first, in the order of use."""
        with self.store.reading() as session:
            answers = session.scalars(select(ScriptedAnswer).order_by(ScriptedAnswer.id))
            return [_next(answer) for answer in answers]

    def clear_answers(self) -> None:
        with self.store.writing() as session:
            session.execute(delete(ScriptedAnswer))

    def take_answer(self, bound_to: Callable[[], str]) -> NextAnswer | None:
        """Remove and return the oldest answer for the card or payer that `bound_to` names."""
        # The queue is usually empty; then no write lock is taken.
        with self.store.connect() as connection:
            if connection.execute(_ANY_ANSWER).first() is None:
                return None
        applies = ScriptedAnswer.last4.in_(("", bound_to()))
        oldest = select(ScriptedAnswer).where(applies).order_by(ScriptedAnswer.id).limit(1)
        with self.store.writing() as session:
            answer = session.scalars(oldest).first()
            if answer is None:
                return None
            session.delete(answer)
        return _next(answer)

    # Charges

    def charges(
        self,
        count: int = 20,
        *,
        keys: Sequence[str] | None = None,
        method_references: Sequence[str] = (),
    ) -> list[Charge]:
        """Charges, newest first. With `keys`, only charges with these keys or methods."""
        if keys is None:
            return self.charge_book.last(count)
        return self.charge_book.last_of(count, keys, method_references)

    def paid_charges(self) -> list[tuple[str, int, str]]:
        """Key, micros and currency of each paid charge, oldest first (L13)."""
        return self.charge_book.paid()

    # The file

    def view(self) -> AbstractContextManager[sqlite3.Connection]:
        """A consistent view of the books, for a backup."""
        return self.store.view()

    def replace_by(self, copy: Path) -> None:
        """Replace the contents by those of a copy, for a restore."""
        self.store.replace_by(copy)

    def close(self) -> None:
        """Close the idle connections; the next use opens others."""
        self.store.close()


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)


def _next(answer: ScriptedAnswer) -> NextAnswer:
    return NextAnswer(answer.kind, answer.decline_code, answer.seconds, answer.last4)
