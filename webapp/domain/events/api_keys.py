"""Events about API keys. The user who made the change is emailed."""

from collections.abc import Sequence

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import NOT_RECORDED, Audit, Group, Subject
from webapp.domain.events.users import SecurityChange
from webapp.domain.shared.i18n import N_


class ApiKeyEvent(SecurityChange):
    page_of = Subject.API_KEYS
    named_by = "name"
    key: str
    """The key's beginning."""
    name: str


class ApiKeyCreated(ApiKeyEvent):
    audit = Audit(Group.DEVELOPERS, "API key created")
    what = N_("An API key was created")
    scopes: Sequence[str] = ()
    networks: Sequence[str] = ()

    def audited(self, account: Account) -> str:
        scopes, networks = ", ".join(self.scopes) or NOT_RECORDED, ", ".join(self.networks)
        allowed = f"; allowed IP addresses: {networks}" if networks else ""
        return f"{self.name} ({self.key}…); permissions: {scopes}{allowed}."


class ApiKeyRotated(ApiKeyEvent):
    audit = Audit(Group.DEVELOPERS, "API key rotated", "{name} ({key}…) replaces {replaces}…")
    what = N_("An API key was rotated")
    replaces: str
    both_until: str


class ApiKeyRevoked(ApiKeyEvent):
    audit = Audit(Group.DEVELOPERS, "API key revoked", "{name} ({key}…).")
    what = N_("An API key was revoked")
