"""Who manages API keys and webhook endpoints: technicians those of an account, operators those
of the provider. One set of pages serves both.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from webapp.domain.users.user import Right
from webapp.web.http.access import permit, permit_operator
from webapp.web.http.person import Person
from webapp.web.http.reauthentication import require_reauthentication


@dataclass(frozen=True)
class Manager:
    """The signed-in person, and whose keys or endpoints they manage."""

    person: Person
    account_id: int | None
    """None: those of the provider (V1, V7)."""
    rights: Collection[Right]


class Admit(Protocol):
    """Checks who asks. `proved`: they have authenticated recently, or do so with this form."""

    def __call__(self, *, confirmed: bool = False, proved: bool = False) -> Manager: ...


def admit_customer(*, confirmed: bool = False, proved: bool = False) -> Manager:
    person = permit(Right.TECHNICAL, confirmed=confirmed, proved=proved)
    return Manager(person, person.account_id, person.rights)


def admit_operator(*, confirmed: bool = False, proved: bool = False) -> Manager:
    person = permit_operator()
    if proved:
        require_reauthentication(person)
    return Manager(person, None, frozenset(Right))
