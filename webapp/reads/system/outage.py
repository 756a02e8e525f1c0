"""Messages for people and API clients while the database or the disk is unavailable.

Operators find the cause in the log and at /readyz. Customers learn whether their request was done
and when to try again.
"""

from dataclasses import dataclass

from webapp.database.errors import Fault, fault_of, is_uncertain
from webapp.database.schema_version import OtherVersion
from webapp.database.vault import WrongKey

AGAIN = "Please try again in a few minutes."
NOTHING_DONE = f"Nothing was done. {AGAIN}"
BEGUN = (
    "Your request may have started and will then be completed as soon as possible. "
    "Check your payments before you try again: nothing is charged twice."
)

TITLES = {
    Fault.ABSENT: "Ballast is unavailable right now",
    Fault.DAMAGED: "Ballast is unavailable right now",
    Fault.READ_ONLY: "Changes are not possible right now",
    Fault.FULL: "Changes are not possible right now",
    Fault.BUSY: "Ballast is very busy right now",
}
UPDATING = "An update is being installed"


@dataclass(frozen=True)
class Outage:
    code: str
    """Stable, machine-readable: "updating" or "unavailable"."""
    title: str
    text: str
    retry_after: int = 30
    """Seconds."""

    @property
    def detail(self) -> str:
        """The API's problem detail; requests carry references, so repeating them is safe."""
        return f"{self.title}. Send the request again later: nothing is posted twice."


def outage_of(error: BaseException, *, reading: bool, committed: bool) -> Outage | None:
    """Return the outage behind an error; None if the error is a bug.

    `reading`: the request changes nothing. `committed`: the request committed a change before the
    error, such as a charge that has started.
    """
    text = AGAIN if reading else BEGUN if committed or is_uncertain(error) else NOTHING_DONE
    if isinstance(error, OtherVersion):
        return Outage("updating", UPDATING, text)
    fault = Fault.ABSENT if isinstance(error, WrongKey) else fault_of(error)
    return Outage("unavailable", TITLES[fault], text) if fault else None
