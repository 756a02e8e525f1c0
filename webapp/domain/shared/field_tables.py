"""Field tables: one definition of each settings field, for every place that uses it.

A table is a frozen dataclass whose attributes are made with `Amount.field(…)` and the like. The
form, the API, the command line, the audit log, webhooks and the check whether re-authentication is
needed iterate over `table_of(…)` and name no field themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from webapp.domain.shared import money, texts
from webapp.domain.shared.money import AmountFormat

Show = Callable[[int], str]
"""Formats micros in the account's currency and number format."""
Form = Any
"""Submitted texts by name; a `MultiDict` for fields that have several values of one name."""
Errors = dict[str, str]
"""Errors by the name of the control."""


@dataclass(frozen=True, kw_only=True)
class Field:
    name: str = ""
    """Name of the attribute, the form field and the JSON member; set by `table_of`."""
    label: str
    """Label on the form: "Monthly limit"."""
    default: Any = field(default_factory=lambda: MISSING)
    """Value of a setting that was never chosen."""
    noun: str = ""
    """In sentences: "monthly limit". By default the label with a small first letter."""

    @classmethod
    def field(cls, **facts: Any) -> Any:
        """Return the default of an attribute of a table, with this field as its metadata."""
        made = cls(**facts)
        return field(default=made.default, metadata={"field": made})

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> Any:
        """Parse the field of a submitted form; an error is added if it cannot be parsed."""
        raise NotImplementedError

    def typed(self, form: Form, saved: Any) -> Any:
        """Return what the form contains, to show it again; `saved` if it lacks the field."""
        return form.get(self.name, saved)

    def text(self, value: Any, amounts: AmountFormat) -> Any:
        """Return a value as the form shows it."""
        return str(value)

    def stored(self, value: Any) -> Any:
        """Return a value as JSON for the audit log."""
        return value

    def restore(self, stored: Any) -> Any:
        """Return a value from the database or the audit log with its proper type."""
        return stored

    def show(self, value: Any, show: Show) -> str:
        """Return a value for a sentence: "$55.00", "on"."""
        raise NotImplementedError

    def change(self, before: Any, after: Any, show: Show) -> str:
        """Return the change for the audit log: "threshold from $50.00 to $60.00"."""
        return f"{self.noun} from {self.show(before, show)} to {self.show(after, show)}"


@dataclass(frozen=True, kw_only=True)
class Setting(Field):
    """A field that pages, programs and commands can set."""

    about: str
    """Description in the API reference and in `--help`; Markdown."""
    api_note: str = ""
    """More about the field, only for the API reference."""
    api_requires: bool = False
    """Whether a request to the API must contain the field."""
    option: str = ""
    """Name of the command-line option; by default the name with hyphens."""
    is_folded: bool = False
    """Whether the form shows it only under More options."""
    widens_spending: bool
    """Whether switching it on, choosing another option or a higher amount lets more money be
    taken, so that re-authentication is needed."""

    def exact(self, value: Any) -> object:
        """Return a value as JSON for programs."""
        return value

    def widens(self, before: Any, after: Any) -> bool:
        """Return whether this change lets more money be taken."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Switch(Setting):
    """A checkbox; `bool`."""

    clears: str = ""
    """Name of the field that is empty while this is on."""
    default: bool = False

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> bool:
        return self.is_on(form)

    def is_on(self, form: Form) -> bool:
        return bool(form.get(self.name) == "1")

    def typed(self, form: Form, saved: str) -> str:
        return "1" if self.is_on(form) else ""

    def text(self, value: bool, amounts: AmountFormat) -> str:
        return "1" if value else ""

    def show(self, value: bool, show: Show) -> str:
        return "on" if value else "off"

    def widens(self, before: bool, after: bool) -> bool:
        return self.widens_spending and after and not before


@dataclass(frozen=True, kw_only=True)
class Amount(Setting):
    """An amount of money in whole minor units; micros, or None for an empty field."""

    example: str
    default: None = None

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> int | None:
        return read_amount(form, self.name, errors, amounts)

    def text(self, value: int | None, amounts: AmountFormat) -> str:
        return amounts.field(value)

    def exact(self, value: int | None) -> money.DecimalText | None:
        return None if value is None else money.decimal_text(value)

    def show(self, value: int | None, show: Show) -> str:
        return "none" if value is None else show(value)

    def widens(self, before: int | None, after: int | None) -> bool:
        return self.widens_spending and (after or 0) > (before or 0)


@dataclass(frozen=True, kw_only=True)
class Limit(Amount):
    """A limit of automatic refills; None: no limit. Raising or removing it widens spending."""

    widens_spending: bool = True
    span: str
    """ "day", "month"."""
    way_out: str
    """How to have no limit: "or empty for no limit"."""

    def widens(self, before: int | None, after: int | None) -> bool:
        return before is not None and (after is None or after > before)


@dataclass(frozen=True, kw_only=True)
class Option(Setting):
    """One of a few options."""

    options: Mapping[StrEnum, str]
    """Labels by value."""
    default: StrEnum

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> StrEnum:
        return self.chosen(form)

    def chosen(self, form: Form) -> StrEnum:
        sent = form.get(self.name)
        return next((option for option in self.options if option == sent), self.default)

    def typed(self, form: Form, saved: str) -> str:
        return str(self.chosen(form))

    def exact(self, value: StrEnum) -> str:
        return str(value)

    def restore(self, stored: str) -> StrEnum:
        return type(self.default)(stored)

    def show(self, value: StrEnum, show: Show) -> str:
        return self.options.get(value, str(value))

    def widens(self, before: StrEnum, after: StrEnum) -> bool:
        return self.widens_spending and before != after


@dataclass(frozen=True, kw_only=True)
class Text(Field):
    """Text without surplus whitespace; one line, or a few."""

    longest: int
    """Maximum number of characters; a line break counts as one."""
    lines: int = 1
    default: str = ""

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> str:
        text = str(form.get(self.name, ""))
        lines = text.splitlines() if self.lines > 1 else [text]
        return "\n".join(" ".join(line.split()) for line in lines if line.strip())

    def fault(self, value: str) -> str:
        """Return why the text cannot be stored; empty if it can."""
        if value.count("\n") >= self.lines:
            return f"At most {self.lines} lines"
        return texts.fault(value.replace("\n", ""), self.longest - self.lines * (self.lines > 1))

    def show(self, value: str, show: Show) -> str:
        return ", ".join(value.splitlines())


@dataclass(frozen=True, kw_only=True)
class Listed(Field):
    """One entry of a list that the form offers; text."""

    entries: Callable[[], Mapping[str, str]]
    """Labels by value."""
    refusal: str
    """ "Choose a time zone from the list"."""

    def read(self, form: Form, errors: Errors, amounts: AmountFormat) -> str:
        return str(form.get(self.name, ""))

    def stored(self, value: str) -> str:
        return str(value)

    def show(self, value: str, show: Show) -> str:
        return self.entries().get(value, value)


Table = Mapping[str, Field]
"""Fields by name, in the order of the form."""


def table_of(settings: type) -> dict[str, Any]:
    """Return the field table of a dataclass. Raises `KeyError` if an attribute has no field."""
    table = {}
    for attribute in fields(settings):
        name, it = attribute.name, attribute.metadata["field"]
        it = replace(it, name=name, noun=it.noun or it.label[0].lower() + it.label[1:])
        if isinstance(it, Setting) and not it.option:
            it = replace(it, option=name.replace("_", "-"))
        table[name] = it
    return table


def changes(table: Table, before: object, after: object) -> dict[str, list[object]]:
    """Return the old and the new value of each field that differs, for the audit log."""
    values = {name: (getattr(before, name), getattr(after, name)) for name in table}
    return {
        name: [table[name].stored(old), table[name].stored(new)]
        for name, (old, new) in values.items()
        if old != new
    }


def read_amount(form: Form, name: str, errors: Errors, amounts: AmountFormat) -> int | None:
    """Return an amount in micros; None if it is empty, or invalid, which adds an error."""
    try:
        return amounts.read(form.get(name, ""))
    except money.BadAmount as fault:
        errors[name] = str(fault)
        return None


def read_form(table: Table, form: Form, amounts: AmountFormat) -> tuple[dict[str, Any], Errors]:
    """Return the values of a submitted form, and an error for each that cannot be parsed.

    `amounts` is the account's format.
    """
    errors = Errors()
    cleared = _cleared_fields(table, form)
    values = {
        name: None if name in cleared else field.read(form, errors, amounts)
        for name, field in table.items()
    }
    return values, errors


def as_typed(table: Table, form: Form, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the form contains by field name, so that a rejected form keeps it."""
    cleared = _cleared_fields(table, form)
    return {
        name: "" if name in cleared else field.typed(form, saved.get(name, ""))
        for name, field in table.items()
    }


def controls(table: Table) -> dict[str, tuple[str, ...]]:
    """Return the names of the fields that belong to one control: an amount and its checkbox."""
    found: dict[str, tuple[str, ...]] = {}
    for name, it in table.items():
        of = it.clears if isinstance(it, Switch) and it.clears else name
        found[of] = (*found.get(of, ()), name)
    return found


def _cleared_fields(table: Table, form: Form) -> set[str]:
    """Return the names of fields that a checked box of the form empties, even without a script."""
    boxes = (field for field in table.values() if isinstance(field, Switch) and field.clears)
    return {box.clears for box in boxes if box.is_on(form)}
