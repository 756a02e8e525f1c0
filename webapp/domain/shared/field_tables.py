"""Field tables: one definition of each settings field, for every place that uses it.

A table is a frozen dataclass whose fields are annotated with `Switch`, `Amount`, `Limit` or
`Option`. The form, the API, the command line, the audit log, webhooks and the check whether
re-authentication is needed iterate over `table_of(…)` and name no field themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, get_type_hints

from webapp.domain.shared import money

Show = Callable[[int], str]
"""Formats micros in the account's currency and number format."""


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str = ""
    """Name of the attribute, the form field and the JSON member; set by `table_of`."""
    default: Any = None
    """Set by `table_of`."""
    label: str
    """Label on the form: "Monthly limit"."""
    noun: str = ""
    """In sentences: "monthly limit". By default the label with a small first letter."""
    is_folded: bool = False
    """Whether the form shows it only under More options."""
    about: str
    """Description in the API reference and in `--help`; Markdown."""
    option: str = ""
    """Name of the command-line option; by default the name with hyphens."""
    api_note: str = ""
    """More about the field, only for the API reference."""
    api_requires: bool = False
    """Whether a request to the API must contain the field."""

    def read(self, form: Mapping[str, str]) -> Any:
        """Parse the field of a submitted form. Raises `money.BadAmount`."""
        raise NotImplementedError

    def typed(self, form: Mapping[str, str], saved: str) -> str:
        """Return what the form contains, to show it again."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """Return a value as the form sends it."""
        raise NotImplementedError

    def exact(self, value: Any) -> object:
        """Return a value as JSON for programs."""
        return value

    def restore(self, stored: Any) -> Any:
        """Return a value from the database or the audit log with its proper type."""
        return stored

    def show(self, value: Any, show: Show) -> str:
        """Return a value for a sentence: "$55.00", "on"."""
        raise NotImplementedError

    def widens(self, before: Any, after: Any) -> bool:
        """Return whether the change lets more money be taken automatically."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Switch(Field):
    """A checkbox; `bool`."""

    widens_spending: bool
    """Whether switching it on lets more money be taken."""
    clears: str = ""
    """Name of the field that is empty while this is on."""

    def read(self, form: Mapping[str, str]) -> bool:
        return form.get(self.name) == "1"

    def typed(self, form: Mapping[str, str], saved: str) -> str:
        return self.text(self.read(form))

    def text(self, value: bool) -> str:
        return "1" if value else ""

    def show(self, value: bool, show: Show) -> str:
        return "on" if value else "off"

    def widens(self, before: bool, after: bool) -> bool:
        return self.widens_spending and after and not before


@dataclass(frozen=True, kw_only=True)
class Amount(Field):
    """An amount of money in whole minor units; micros, or None for an empty field."""

    widens_spending: bool
    """Whether a higher amount lets more money be taken."""
    example: str

    def read(self, form: Mapping[str, str]) -> int | None:
        return money.read_field(form.get(self.name, ""))

    def typed(self, form: Mapping[str, str], saved: str) -> str:
        return form.get(self.name, saved)

    def text(self, value: int | None) -> str:
        return money.field_text(value)

    def exact(self, value: int | None) -> money.DecimalText | None:
        return None if value is None else money.decimal_text(value)

    def show(self, value: int | None, show: Show) -> str:
        return "none" if value is None else show(value)

    def widens(self, before: int | None, after: int | None) -> bool:
        return self.widens_spending and (after or 0) > (before or 0)


@dataclass(frozen=True, kw_only=True)
class Limit(Amount):
    """A limit of automatic payments; None: no limit. Raising or removing it widens spending."""

    widens_spending: bool = True
    span: str
    """ "day", "month"."""
    way_out: str
    """How to have no limit: "or empty for no limit"."""

    def widens(self, before: int | None, after: int | None) -> bool:
        return before is not None and (after is None or after > before)


@dataclass(frozen=True, kw_only=True)
class Option(Field):
    """One of a few options; the first one is the default."""

    widens_spending: bool
    """Whether choosing another option lets more money be taken."""
    options: Mapping[StrEnum, str]
    """Labels by value."""

    def read(self, form: Mapping[str, str]) -> StrEnum:
        sent = form.get(self.name)
        return next((option for option in self.options if option == sent), next(iter(self.options)))

    def typed(self, form: Mapping[str, str], saved: str) -> str:
        return str(self.read(form))

    def text(self, value: StrEnum) -> str:
        return str(value)

    def exact(self, value: StrEnum) -> str:
        return str(value)

    def restore(self, stored: str) -> StrEnum:
        return next(option for option in self.options if option == stored)

    def show(self, value: StrEnum, show: Show) -> str:
        return self.options.get(value, str(value))

    def widens(self, before: StrEnum, after: StrEnum) -> bool:
        return self.widens_spending and before != after


Table = Mapping[str, Field]
"""Fields by name, in the order of the form."""


def table_of(settings: type) -> Table:
    """Return the field table of a dataclass. Raises `TypeError` if an attribute has no `Field`."""
    table, defaults = {}, vars(settings)
    for name, hint in get_type_hints(settings, include_extras=True).items():
        found = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Field)]
        if len(found) != 1:
            raise TypeError(f"{settings.__name__}.{name} needs one Field")
        [field] = found
        table[name] = replace(
            field,
            name=name,
            default=defaults.get(name),
            noun=field.noun or field.label[0].lower() + field.label[1:],
            option=field.option or name.replace("_", "-"),
        )
    return table


def read_form(table: Table, form: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of a submitted form, and an error for each field that is no amount."""
    values, errors = dict[str, Any](), dict[str, str]()
    cleared = cleared_fields(table, form)
    for name, field in table.items():
        try:
            values[name] = None if name in cleared else field.read(form)
        except money.BadAmount as fault:
            values[name], errors[name] = None, str(fault)
    return values, errors


def as_typed(table: Table, form: Mapping[str, str], saved: Mapping[str, str]) -> dict[str, str]:
    """Return what the form contains by field name, so that a rejected form keeps it."""
    cleared = cleared_fields(table, form)
    return {
        name: "" if name in cleared else field.typed(form, saved[name])
        for name, field in table.items()
    }


def controls(table: Table) -> dict[str, tuple[str, ...]]:
    """Return the names of the fields that belong to one control: an amount and its checkbox."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in table.items():
        of = field.clears if isinstance(field, Switch) and field.clears else name
        found[of] = (*found.get(of, ()), name)
    return found


def cleared_fields(table: Table, form: Mapping[str, str]) -> set[str]:
    """Return the names of fields that a checked box of the form empties, even without a script."""
    boxes = (field for field in table.values() if isinstance(field, Switch) and field.clears)
    return {box.clears for box in boxes if box.read(form)}
