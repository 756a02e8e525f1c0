"""The context that every action and read takes as its first argument."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from sqlalchemy.orm import Session

from webapp.clock import Clock
from webapp.domain.shared.policy import Policy
from webapp.ports import Processors


@dataclass(frozen=True)
class Actor:
    """The person or system that makes a change. Without a user: the command line or Ballast."""

    user_id: int | None = None
    name: str = "Ballast"
    address: str = ""


SYSTEM = Actor()
COMMAND_LINE = Actor(name="Command line")


@dataclass(frozen=True)
class Context:
    """What an action or a read works with. Entry points build it and pass it on.

    `now` does not move while the context is passed: call `later` where time passes, such as after
    waiting for a lock or for a processor.
    """

    session: Session
    now: datetime
    """Aware, in UTC."""
    actor: Actor
    policy: Policy
    clock: Clock
    processors: Processors

    def later(self) -> Self:
        """Return the context at the clock's present time."""
        return self.at(self.clock.now())

    def at(self, now: datetime) -> Self:
        return replace(self, now=now)

    def by(self, actor: Actor) -> Self:
        return replace(self, actor=actor)
