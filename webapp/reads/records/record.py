"""The base of the records and the types of their fields."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, PlainSerializer
from pydantic import WithJsonSchema as Schema
from pydantic_core import CoreSchema

from webapp.domain.shared.datetimes import instant_text
from webapp.domain.shared.money import DecimalText

T = TypeVar("T")


class Record(BaseModel):
    """An object that programs read: an answer of the API, or the command line's `--json`."""

    model_config = ConfigDict(frozen=True)


class _OpenEnum:
    """Describes an enum as text with its known values, so that clients accept new ones."""

    def __get_pydantic_core_schema__(
        self, words: type[StrEnum], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = Schema({"type": "string", "x-extensible-enum": [str(word) for word in words]})
        return handler.generate_schema(Annotated[words, schema])


Open = Annotated[T, _OpenEnum()]
"""An enum in an answer. Values may be added."""

Instant = Annotated[
    datetime,
    PlainSerializer(instant_text, when_used="json"),
    Schema({"type": "string", "format": "date-time", "examples": ["2026-11-22T10:00:00Z"]}),
]
"""A date and time in UTC, in seconds."""

Money = Annotated[
    DecimalText,
    Schema(
        {
            "type": "string",
            "format": "decimal",
            "pattern": r"^-?[0-9]+\.[0-9]{2,6}$",
            "examples": ["63.40"],
        }
    ),
]
"""An exact decimal string, with two to six decimals."""

Id = Annotated[int, Field(description="The id of the record.")]
Amount = Annotated[Money, Field(description="The amount, in the account's currency.")]
Currency = Annotated[str, Field(description="The ISO 4217 code of the account's currency.")]
NextCursor = Annotated[
    str | None, Field(description="The cursor of the next page; null on the last page.")
]
