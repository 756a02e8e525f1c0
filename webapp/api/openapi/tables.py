"""Bodies and answers whose fields are those of a field table."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field as Described
from pydantic import create_model

from webapp.api.openapi.fields import Body, Cents, Switch
from webapp.domain.shared.field_tables import Amount, Setting
from webapp.reads.records.record import Money, Open, Record

Table = Mapping[str, Setting]


def request_body(name: str, table: Table, about: str) -> type[Body]:
    """Return the class of a request body. A field is optional unless `api_requires` it."""
    members: dict[str, Any] = {}
    for it in table.values():
        kind: Any = Switch if isinstance(it.default, bool) else type(it.default)
        kind = Cents | None if isinstance(it, Amount) else kind
        members[it.name] = (kind, _described(it, ... if it.api_requires else it.default))
    return create_model(name, __base__=Body, __doc__=about, **members)


def answer(name: str, table: Table, about: str, **more: Any) -> type[Record]:
    """Return the class of an answer, whose amounts are decimal strings, with `more` fields."""
    members: dict[str, Any] = {}
    for it in table.values():
        kind: Any = bool if isinstance(it.default, bool) else Open[type(it.default)]  # type: ignore[misc]
        kind = Money | None if isinstance(it, Amount) else kind
        members[it.name] = (kind, _described(it, ...))
    return create_model(name, __base__=Record, __doc__=about, **members, **more)


def _described(of: Setting, default: Any) -> Any:
    return Described(default, description=f"{of.about} {of.api_note}".strip())
