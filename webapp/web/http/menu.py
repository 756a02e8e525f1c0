"""The left menu: its pages, and the right that each one requires.

Entries without the right are hidden.
"""

from dataclasses import dataclass

from webapp.domain.users.user import Right
from webapp.web.http.person import Person


@dataclass(frozen=True)
class Entry:
    page: str
    """The page's name in `responses.show`."""
    endpoint: str
    icon: str
    words: str
    right: Right | None
    """None: everyone who sees this menu."""


@dataclass(frozen=True)
class Group:
    id: str
    words: str
    entries: tuple[Entry, ...]


MENU = (
    Group(
        "billing",
        "Billing",
        (
            Entry(
                "payment_methods",
                "payment_methods.index",
                "credit-card",
                "Payment Methods",
                Right.BILLING,
            ),
            Entry("payments", "payments.index", "cash-banknote", "Payments", Right.BILLING),
            Entry("statement", "statement.index", "file-text", "Statement", Right.BILLING),
            Entry("activity", "activity.index", "timeline", "Activity", Right.BILLING),
        ),
    ),
    Group(
        "settings",
        "Settings",
        (
            Entry("users", "users.index", "users", "Users", Right.USERS),
            Entry("notifications", "notifications.index", "bell", "Notifications", Right.BILLING),
            Entry("api_keys", "api_keys.index", "key", "API keys", Right.TECHNICAL),
            Entry("webhooks", "webhook_endpoints.index", "webhook", "Webhooks", Right.TECHNICAL),
            Entry("data", "data.index", "upload", "Import and export", Right.TECHNICAL),
            Entry("audit_log", "audit_log.index", "history", "Audit log", Right.AUDIT),
        ),
    ),
)

OPERATORS = (
    Group(
        "operator",
        "Operator",
        (
            Entry("operator_accounts", "operator.accounts.index", "building", "Accounts", None),
            Entry(
                "operator_wires", "operator.wires.index", "building-bank", "Wire transfers", None
            ),
            Entry(
                "operator_attempts",
                "operator.attempts.index",
                "help-circle",
                "Unresolved charges",
                None,
            ),
            Entry("operator_mails", "operator.mails.index", "mail", "Emails", None),
            Entry("operator_keys", "operator.keys.index", "key", "Provider keys", None),
            Entry("operator_webhooks", "operator.webhooks.index", "webhook", "Webhooks", None),
        ),
    ),
)

FOR_EVERYONE = Entry("profile", "profile.index", "user", "Your profile", None)


def menu_of(person: Person) -> tuple[Group, ...]:
    """The menu that the person's rights allow, without empty groups."""
    if person.is_operator and not person.is_view_only:
        return OPERATORS
    groups = (
        Group(group.id, group.words, tuple(e for e in group.entries if may_open(person, e)))
        for group in MENU
    )
    return tuple(group for group in groups if group.entries)


def may_open(person: Person, entry: Entry) -> bool:
    return entry.right is None or person.may(entry.right)


def first_page(person: Person) -> str:
    """The endpoint of the person's start page."""
    return first_entry(person).endpoint


def first_entry(person: Person) -> Entry:
    """The first menu entry that the person may open."""
    return next((entry for group in menu_of(person) for entry in group.entries), FOR_EVERYONE)
