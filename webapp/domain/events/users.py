"""Events about users: signing in, passwords, second factors, passkeys, members and operators."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from webapp.domain.accounts.account import Account
from webapp.domain.events.event import Audit, Event, Group, Subject
from webapp.domain.notifications.outbox import NoticeKind
from webapp.domain.shared import datetimes
from webapp.domain.shared.context import Context
from webapp.domain.shared.i18n import ENGLISH, N_
from webapp.domain.users.user import ROLE_NAMES, Role, User

CONFIRM_WITHIN = timedelta(days=3)
RESET_WITHIN = timedelta(hours=1)


class SignedIn(Event):
    audit = Audit(Group.SIGN_IN, "Signed in")
    by: str = ""

    def audited(self, account: Account) -> str:
        return f"With password and {self.by}." if self.by else "With password."


class PortalLinkCreated(Event):
    """The provider asked for a link that signs somebody in (V8)."""

    audit = Audit(Group.SIGN_IN, "Portal link created")
    role: str
    email: str = ""

    def audited(self, account: Account) -> str:
        return f"For {self.email or 'a person of the provider’s portal'}, as {_names([self.role])}."


class SignedInByPortal(Event):
    audit = Audit(Group.SIGN_IN, "Signed in by portal")
    role: str

    def audited(self, account: Account) -> str:
        return f"From the provider’s portal, as {_names([self.role])}."


class PortalAccessEnded(Event):
    """A provider's key was revoked, and with it its unused links and its sessions (V8)."""

    audit = Audit(
        Group.SIGN_IN,
        "Portal access ended",
        "The provider’s key {key}… was revoked. Ended: {count}.",
    )
    key: str
    count: int
    """Links that were not used yet, and sessions."""


class PasswordAccepted(Event):
    audit = Audit(Group.SIGN_IN, "Password accepted", "Waiting for the code.")


class CodeRefused(Event):
    audit = Audit(Group.SIGN_IN, "Sign-in refused", "The code was wrong.")


class SignInRefused(Event):
    audit = Audit(Group.SIGN_IN, "Sign-in refused", "The password was wrong.")


class ProofRefused(Event):
    audit = Audit(Group.SIGN_IN, "Confirmation refused", "Wrong password or code.")


class SignedOutEverywhere(Event):
    audit = Audit(Group.SIGN_IN, "Signed out everywhere", "All sessions ended.")


class SessionEnded(Event):
    audit = Audit(Group.SIGN_IN, "Session ended", "{device}.")
    device: str


class SignUpExpired(Event):
    audit = Audit(Group.PEOPLE, "Sign-up expired", "The email was never confirmed.")


class SecurityChange(Event):
    """A change of a user's sign-in or API keys. An email tells the user about it."""

    page_of = Subject.USERS
    email_kind = NoticeKind.SECURITY_CHANGED
    what: ClassVar[str]
    """Sentence of the email, which the template translates."""
    named_by: ClassVar[str] = ""
    """Field with the name of the changed object."""

    def mailed(self, ctx: Context, reader: User) -> dict[str, object]:
        detail = getattr(self, self.named_by) if self.named_by else ""
        facts = {"name": reader.name, "what": self.what, "detail": detail}
        return {**facts, "at": _in_utc(ctx, reader), "address": ctx.actor.address}


class SecondFactorOn(SecurityChange):
    audit = Audit(Group.PEOPLE, "Two-step sign-in", "Turned on.")
    what = N_("Two-step sign-in was turned on")


class SecondFactorOff(SecurityChange):
    audit = Audit(Group.PEOPLE, "Two-step sign-in", "Turned off.")
    what = N_("Two-step sign-in was turned off")


class SecondFactorReset(SecurityChange):
    audit = Audit(Group.OPERATOR, "Two-step sign-in reset", "{person}.{because}")
    what = SecondFactorOff.what
    person: str
    reason: str


class RecoveryCodes(SecurityChange):
    audit = Audit(Group.PEOPLE, "Recovery codes created", "The old codes no longer work.")
    what = N_("New recovery codes were created")


class SecondFactorRequired(Event):
    audit = Audit(Group.PEOPLE, "Two-step sign-in for everyone", "Turned {on}.")
    on: bool


class PasskeyAdded(SecurityChange):
    audit = Audit(Group.PEOPLE, "Passkey added", "{passkey}.")
    what, named_by = N_("A passkey was added"), "passkey"
    passkey: str


class PasskeyRemoved(PasskeyAdded):
    audit = Audit(Group.PEOPLE, "Passkey removed", "{passkey}.")
    what = N_("A passkey was removed")


class PasswordForgotten(Event):
    audit = Audit(Group.SIGN_IN, "Password reset requested", "A link was requested.")
    email_kind = NoticeKind.RESET_PASSWORD

    def mailed(self, ctx: Context, reader: User | None) -> dict[str, object]:
        until = int((ctx.now + RESET_WITHIN).timestamp())
        return {
            "name": reader.name if reader else "",
            "email": reader.email if reader else "",
            "until": _in_utc(ctx, reader, RESET_WITHIN),
            "link": [reader.id, reader.session_version, until] if reader else [],
        }


class PasswordChanged(Event):
    audit = Audit(Group.PEOPLE, "Password changed", "All other sessions ended.")
    email_kind = NoticeKind.PASSWORD_CHANGED

    def mailed(self, ctx: Context, reader: User) -> dict[str, object]:
        return {"name": reader.name, "email": reader.email, "at": _in_utc(ctx, reader)}


class ConfirmationRequested(Event):
    """A link that confirms an address is sent to it."""

    email_kind = NoticeKind.CONFIRM_EMAIL
    email: str

    def mailed(self, ctx: Context, reader: User) -> dict[str, object]:
        until = int((ctx.now + CONFIRM_WITHIN).timestamp())
        return {
            "name": reader.name,
            "email": self.email,
            "until": _in_utc(ctx, reader, CONFIRM_WITHIN),
            "link": [reader.id, self.email, until, reader.session_version],
        }


class EmailAsked(SecurityChange):
    audit = Audit(Group.PEOPLE, "Email change requested", "New address: {email}.")
    what, named_by = N_("A change of your email address was requested"), "email"
    email: str


class EmailConfirmed(Event):
    audit = Audit(Group.PEOPLE, "Email confirmed", "{email}.")
    email: str


class EmailChanged(Event):
    audit = Audit(Group.PEOPLE, "Email changed", "From {before} to {after}.")
    email_kind = NoticeKind.EMAIL_CHANGED
    before: str
    after: str

    def mailed(self, ctx: Context, reader: User) -> dict[str, object]:
        return {"name": reader.name, "new_email": self.after, "at": _in_utc(ctx, reader)}


class NameChanged(Event):
    audit = Audit(Group.PEOPLE, "Name changed", "From {before} to {after}.", "name")
    before: str
    after: str


class Invited(Event):
    """An invitation was created and emailed."""

    audit = Audit(Group.PEOPLE, "Invited")
    email_kind = NoticeKind.INVITATION
    of_account = True
    email: str
    roles: Sequence[str]
    link: Sequence[int] = ()
    """Id of the invitation, and how many times it was sent."""
    until: str = ""
    """When the link ends, in the account's language."""

    def audited(self, account: Account) -> str:
        return f"{self.email}, as {_names(self.roles)}."

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        roles = [reader.translator.gettext(ROLE_NAMES[Role(role)]) for role in self.roles]
        facts = {"account_name": reader.name, "by": ctx.actor.name, "roles": ", ".join(roles)}
        return {**facts, "until": self.until, "link": list(self.link)}


class InvitedAgain(Invited):
    audit = Audit(Group.PEOPLE, "Invited again")

    def audited(self, account: Account) -> str:
        return f"{self.email}."


class OwnerInvited(Invited):
    """The provider invited the owner of an account."""

    page_of = Subject.USERS
    audit = Audit(Group.OPERATOR, "Owner invited")

    def audited(self, account: Account) -> str:
        return f"{self.email}."

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {**super().mailed(ctx, reader), "by": ctx.policy.provider.name}


class InvitationRevoked(Event):
    audit = Audit(Group.PEOPLE, "Invitation withdrawn", "{email}.")
    email: str


class Joined(Event):
    audit = Audit(Group.PEOPLE, "Joined")
    roles: Sequence[str]

    def audited(self, account: Account) -> str:
        return f"By invitation, as {_names(self.roles)}."


class RolesChanged(Event):
    audit = Audit(Group.PEOPLE, "Roles changed", code="roles")
    person: str
    before: Sequence[str]
    after: Sequence[str]

    def audited(self, account: Account) -> str:
        return f"{self.person}: from {_names(self.before)} to {_names(self.after)}."


class PersonRemoved(Event):
    audit = Audit(Group.PEOPLE, "User removed", "{person}, {email}.")
    person: str
    email: str


class OwnershipTransferred(Event):
    audit = Audit(Group.PEOPLE, "Ownership transferred", "From {before} to {after}.", "ownership")
    email_kind = NoticeKind.OWNERSHIP
    of_account = True
    before: str
    after: str

    def mailed(self, ctx: Context, reader: Account) -> dict[str, object]:
        return {"account_name": reader.name, **super().mailed(ctx, reader)}


class OperatorCreated(Event):
    audit = Audit(Group.OPERATOR, "Operator created", "User {operator}.")
    operator: int


class OperatorRemoved(OperatorCreated):
    audit = Audit(Group.OPERATOR, "Operator removed", "User {operator}.")


def _in_utc(ctx: Context, reader: User | None, later: timedelta = timedelta()) -> str:
    language = (reader.translator if reader else ENGLISH).language
    return datetimes.mailed(ctx.now + later, "UTC", ctx.now, language)


def _names(roles: Sequence[str]) -> str:
    return ", ".join(role.capitalize() for role in roles) or "no role"
