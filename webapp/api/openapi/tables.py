"""Bodies and answers whose fields are those of a field table."""

from collections.abc import Mapping
from dataclasses import MISSING, field, make_dataclass
from typing import Any

from webapp.api.openapi.fields import Cents
from webapp.domain.shared.field_tables import Amount, Setting
from webapp.domain.shared.money import DecimalText

Table = Mapping[str, Setting]


def request_body(name: str, table: Table, about: str) -> type:
    """Return the class of a request body. A field is optional unless `api_requires` it."""
    members = [
        _member(it, Cents, MISSING if it.api_requires else it.default) for it in table.values()
    ]
    return make_dataclass(name, members, frozen=True, kw_only=True, namespace={"__doc__": about})


def answer(name: str, table: Table, about: str) -> type:
    """Return the class of an answer; its amounts are decimal strings."""
    members = [_member(it, DecimalText, MISSING) for it in table.values()]
    return make_dataclass(name, members, frozen=True, namespace={"__doc__": about})


def _member(of: Setting, amount: Any, default: Any) -> tuple[str, Any, Any]:
    kind = amount | None if isinstance(of, Amount) else type(of.default)
    words = f"{of.about} {of.api_note}".strip()
    return of.name, kind, field(default=default, metadata={"description": words})
