"""What people and machines are told while the surroundings keep us from working.

The operator reads why in the log and at /readyz; a customer needs to know only what became of what
they asked for, and when to come back.
"""

from dataclasses import dataclass

from webapp.database.errors import Fault, fault_of, is_uncertain
from webapp.database.schema_version import OtherVersion
from webapp.domain.shared.vault import WrongKey

AGAIN = "Please try again in a few minutes."
NOTHING_DONE = f"Nothing was done. {AGAIN}"
BEGUN = (
    "What you asked for may have been begun, and is then finished as soon as it can be. "
    "Look at your payments before you send it again: nothing is charged twice."
)

TITLES = {
    Fault.ABSENT: "Ballast cannot be used just now",
    Fault.DAMAGED: "Ballast cannot be used just now",
    Fault.READ_ONLY: "Nothing can be changed just now",
    Fault.FULL: "Nothing can be changed just now",
    Fault.BUSY: "Ballast is very busy just now",
}
UPDATING = "An update is being installed"


@dataclass(frozen=True)
class Outage:
    code: str
    """Stable, for a machine: "updating" or "unavailable"."""
    title: str
    text: str
    retry_after: int = 30
    """Seconds."""

    @property
    def detail(self) -> str:
        """For a machine, whose requests carry references of their own."""
        return f"{self.title}. Send it again later: what was posted is not posted twice."


def outage_of(error: BaseException, *, reading: bool, committed: bool) -> Outage | None:
    """None for an error that is ours. `reading`: the request asked for no change.

    `committed`: it had changed something before the error came, as a charge does that is under way.
    """
    text = AGAIN if reading else BEGUN if committed or is_uncertain(error) else NOTHING_DONE
    if isinstance(error, OtherVersion):
        return Outage("updating", UPDATING, text)
    fault = Fault.ABSENT if isinstance(error, WrongKey) else fault_of(error)
    return Outage("unavailable", TITLES[fault], text) if fault else None
