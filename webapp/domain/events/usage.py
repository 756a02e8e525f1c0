"""Events about usage records and their import."""

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Line
from webapp.domain.events.timeline import Code
from webapp.domain.shared.money import LARGEST
from webapp.domain.usage.imports import count_words


class UsageTooLarge(Event):
    """Records above USAGE_MAX were refused (L14)."""

    timeline = Line(Code.USAGE_TOO_LARGE)
    count: int
    largest: int
    reference: str
    """Of the largest record."""
    limit: int

    def line(self, account: Account) -> str:
        amount = account.show(min(self.largest, LARGEST))
        if self.largest > LARGEST:
            amount = f"more than {amount}"
        which = f"Usage of {amount} ({self.reference}) was"
        if self.count > 1:
            which = f"{self.count:,} usage records, up to {amount}, were"
        return f"{which} refused: a record may be at most {account.show(self.limit)}."


class UsageImported(Event):
    audit = Audit(Group.DEVELOPERS, "Usage imported")
    file: str
    posted: int | None = None
    duplicate: int = 0
    bad: int = 0

    def audited(self, account: Account) -> str:
        if self.posted is None:
            return f"{self.file}."
        return f"{self.file}: {count_words(self.posted, self.duplicate, self.bad)}."
