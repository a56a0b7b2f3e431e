"""The fields of built-in kinds: their schemas for pruning and type checks, from `fields.json`.

The table maps a Go type to its JSON fields, each `NUMBER[!] TYPE`: the protobuf field number, `!`
when a zero value is kept, and the type. A field named `@NUMBER` is inlined into its parent. Types
are scalars, `[]TYPE`, `map:TYPE` or the name of another Go type. `field_table` makes the file.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from sandbox.apiserver.resources import Schema
from sandbox.apiserver.schema import QUANTITY

INLINE: Final = "@"
_PACKAGES: Final[Mapping[str, str]] = {
    "apps": "apps/v1",
    "autoscaling": "autoscaling/{}",
    "coordination.k8s.io": "coordination/v1",
    "discovery.k8s.io": "discovery/v1",
    "networking.k8s.io": "networking/v1",
    "rbac.authorization.k8s.io": "rbac/v1",
    "": "core/v1",
}
_SCALARS: Final[Mapping[str, Schema]] = {
    "bool": {"type": "boolean"},
    "bytes": {"type": "string"},
    "float": {"type": "number"},
    "int": {"type": "integer"},
    "intstr": {"x-kubernetes-int-or-string": True},
    "microtime": {"type": "string"},
    "quantity": {QUANTITY: True},
    "raw": {"x-kubernetes-preserve-unknown-fields": True},
    "string": {"type": "string"},
    "time": {"type": "string"},
}


@dataclass(frozen=True)
class Field:
    """One field of a message: `keeps_zero` tells an explicit zero from an absent value."""

    name: str
    number: int
    type: str
    keeps_zero: bool


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, str]]:
    file = resources.files("sandbox.apiserver") / "fields.json"
    table: Mapping[str, Mapping[str, str]] = json.loads(file.read_text("utf-8"))
    return table


@lru_cache(maxsize=512)
def fields_of(message: str) -> tuple[Field, ...]:
    """The fields of a Go type such as `core/v1.Pod`; raises KeyError for one not in the table."""
    return tuple(_field(name, text) for name, text in _table()[message].items())


def _field(name: str, text: str) -> Field:
    number, kind = text.split(" ")
    return Field(name, int(number.rstrip("!")), kind, number.endswith("!"))


def message_of(group: str, version: str, kind: str) -> str | None:
    """The Go type of a built-in kind; None when the table does not have it."""
    if kind == "DeleteOptions":
        return "meta/v1.DeleteOptions"
    package = _PACKAGES.get(group)
    name = f"{package.format(version)}.{kind}" if package is not None else ""
    return name if name in _table() else None


def schema_of(group: str, version: str, kind: str) -> Schema:
    """The structural schema of a built-in kind; empty (anything goes) for one not in the table."""
    message = message_of(group, version, kind)
    return {} if message is None else _message_schema(message)


@lru_cache(maxsize=512)
def _message_schema(message: str) -> Schema:
    properties: dict[str, Any] = {}
    for field in fields_of(message):
        if field.name.startswith(INLINE):
            properties |= _message_schema(field.type)["properties"]
        else:
            properties[field.name] = _schema(field.type)
    return {"type": "object", "nullable": True, "properties": properties}


def _schema(kind: str) -> Schema:
    if kind.startswith("[]"):
        return {"type": "array", "nullable": True, "items": _schema(kind[2:])}
    if kind.startswith("map:"):
        values = _schema(kind.removeprefix("map:"))
        return {"type": "object", "nullable": True, "additionalProperties": values}
    if kind in _SCALARS:
        return {**_SCALARS[kind], "nullable": True}
    return _message_schema(kind)


METADATA_SCHEMA: Final = _message_schema("meta/v1.ObjectMeta")
"""Of the `metadata` every object has."""
