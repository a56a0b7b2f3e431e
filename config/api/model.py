"""The base of all resource models, and the leaf types their fields are made of.

Rules all models share: frozen; snake_case in Python, camelCase on the wire; keys they do not
know are ignored, as the API server prunes them; a null counts as absent, as in the API server;
containers become tuples and mappings. Leaves are strict: the text "5" is not a number, 2.5 is not
a count, "yes" is not a boolean. Values are kept as given, and a plain default stands beside its
field; floors, and what depends on several fields, are `derived`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, PydanticUseDefault

_INT32: Final = 2**31
_INT64: Final = 2**63


class Model(BaseModel):
    """A frozen part of a custom resource; see the module for the rules it keeps."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        protected_namespaces=(),
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {key: value for key, value in given.items() if value is not None}

    def wire(self) -> dict[str, Any]:
        """The part as JSON-ready data with wire names, holding only what was given."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)

    def given(self, field: str) -> bool:
        """Whether `field` (its Python name) was present, whatever its value."""
        return field in self.model_fields_set

    def which_given(self, *fields: str) -> list[str]:
        """The wire names of those of `fields` (their Python names) that were present."""
        return [to_camel(field) for field in fields if self.given(field)]


def _refusal(kind: str, allowed: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "must be {allowed}", {"allowed": allowed})


def whole_between(low: int, high: int) -> BeforeValidator:
    """A check that refuses everything but whole numbers from `low` to `high`, both included.

    20.0 counts as whole: JSON does not tell it from 20.
    """

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _refusal("whole_number", "a whole number")
        if isinstance(value, float) and not value.is_integer():
            raise _refusal("whole_number", "a whole number")
        if not low <= value <= high:
            raise _refusal("whole_number", f"a whole number from {low} to {high}")
        return int(value)

    return BeforeValidator(check)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refusal("number", "a number")
    try:
        number = float(value)
    except OverflowError:
        raise _refusal("number", "a number") from None
    if not math.isfinite(number):
        raise _refusal("number", "a finite number")
    return number


def _int_or_string(value: Any) -> int | str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and -_INT32 <= value < _INT32:
        return value
    raise _refusal("int_or_string", "a port number or a port name")


def _timestamp(value: Any) -> Any:
    if isinstance(value, str | datetime):
        return value
    raise _refusal("timestamp", "an RFC 3339 date and time")


def _empty_is_unset(value: Any) -> Any:
    if value == "":
        raise PydanticUseDefault
    return value


Text = StrictStr
Flag = StrictBool

#: Counts, weights, ports; Go's int.
Whole = Annotated[int, whole_between(-_INT64, _INT64 - 1), WithJsonSchema({"type": "integer"})]
Int32 = Annotated[
    int, whole_between(-_INT32, _INT32 - 1), WithJsonSchema({"type": "integer", "format": "int32"})
]
Int64 = Annotated[
    int, whole_between(-_INT64, _INT64 - 1), WithJsonSchema({"type": "integer", "format": "int64"})
]
#: Measured values and their bounds: the only fields where fractions make sense.
Number = Annotated[float, BeforeValidator(_number), WithJsonSchema({"type": "number"})]

IntOrString = Annotated[
    int | str, BeforeValidator(_int_or_string), WithJsonSchema({"x-kubernetes-int-or-string": True})
]
Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_timestamp),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
#: Marks an enumeration whose empty text means "not set": the default.
EMPTY_IS_UNSET: Final = BeforeValidator(_empty_is_unset)

StringMap = Mapping[Text, Text]
Texts = tuple[Text, ...]


def described(
    text: str,
    default: Any = None,
    *,
    alias: str | None = None,
    in_schema: bool = False,
    **extra: Any,
) -> Any:
    """A field that may be absent and is `default` then; `extra` goes into its CRD schema.

    The API server writes the default down for one that is `in_schema`.
    """
    if in_schema:
        extra["x-default"] = default
    return Field(default=default, alias=alias, description=text, json_schema_extra=extra or None)


def switch(text: str, alias: str | None = None) -> Any:
    """A flag that may be absent and is off then."""
    return described(text, default=False, alias=alias)


def exactly_one(*keys: str) -> dict[str, Any]:
    """The CRD schema of a part that has exactly one of the keys (Python names)."""
    return {"oneOf": [{"required": [to_camel(key)]} for key in keys]}
