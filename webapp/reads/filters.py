"""Filters of a list, kept in the URL of its page."""

from dataclasses import dataclass, fields

PARAMETERS = {
    "first": "from",
    "last": "to",
    "text": "q",
    "order": "sort",
    "group": "what",
    "method_id": "method",
}
"""Names in the URL of fields that have another one there."""


@dataclass(frozen=True)
class UrlFilters:
    """Base of a list's filters. Every field has a default, with which it does not filter."""

    @property
    def query(self) -> dict[str, str]:
        """URL query parameters of the filters that are set."""
        values = {it: getattr(self, it.name) for it in fields(self)}
        return {
            PARAMETERS.get(it.name, it.name): str(value)
            for it, value in values.items()
            if value and value != it.default
        }
