"""Table output: what `kubectl get` prints, computed by the server from columns."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from sandbox.apiserver.cells import CELLS, since
from sandbox.apiserver.objects import Obj, encode
from sandbox.apiserver.resources import Column, Resource

PARTIAL: Final = "PartialObjectMetadata"
META: Final = "meta.k8s.io/v1"
_STEP: Final = re.compile(
    r"\.(?P<field>[A-Za-z0-9_$-]+(?:\\\.[A-Za-z0-9_/-]+)*)"
    r"|\['(?P<quoted>[^']*)'\]"
    r"|\[(?P<index>-?\d+|\*)\]"
    r"|\[\?\(@\.(?P<name>[\w.]+)\s*==\s*['\"](?P<value>[^'\"]*)['\"]\)\]"
)


def table(
    resource: Resource,
    objects: Iterable[Obj],
    metadata: Obj,
    now: datetime,
    include: str = "Metadata",
) -> Obj:
    """The Table of `objects`; `include` says what each row carries: Metadata, Object or None."""
    return {
        "kind": "Table",
        "apiVersion": META,
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in resource.columns],
        "rows": [_row(resource, obj, now, include) for obj in objects],
    }


def partial(obj: Obj) -> Obj:
    """The PartialObjectMetadata of `obj`."""
    return {"kind": PARTIAL, "apiVersion": META, "metadata": obj["metadata"]}


def _definition(column: Column) -> Obj:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(resource: Resource, obj: Obj, now: datetime, include: str) -> Obj:
    row: Obj = {"cells": [_cell(column, obj, now) for column in resource.columns]}
    match include:
        case "Metadata":
            row["object"] = partial(obj)
        case "Object":
            row["object"] = obj
    return row


def _cell(column: Column, obj: Obj, now: datetime) -> Any:
    if column.cell:
        return CELLS[column.cell](obj, now)
    found = list(json_path(column.path, obj))
    if not found:
        return None
    if column.type == "date":
        return since(found[0], now)
    return _typed(column.type, found)


def _typed(kind: str, found: list[Any]) -> Any:
    first = found[0]
    match kind:
        case "integer" if isinstance(first, int | float):
            return int(first)
        case "number" if isinstance(first, int | float):
            return float(first)
        case "boolean" if isinstance(first, bool):
            return first
        case "string":
            return ",".join(_text(value) for value in found)
        case _:
            return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else encode(value).decode()


def json_path(path: str, obj: Obj) -> Iterator[Any]:
    """The non-null values under a JSONPath of the printer-column kind.

    Fields, quoted fields, indexes, `[*]` and `[?(@.field=="value")]` are understood; anything else
    finds nothing, as a path without a match does.
    """
    values: list[Any] = [obj]
    for field, index, name, wanted in _steps(path):
        values = [below for value in values for below in _below(value, field, index, name, wanted)]
    return (value for value in values if value is not None)


@lru_cache(maxsize=256)
def _steps(path: str) -> tuple[tuple[str | None, str | None, str | None, str | None], ...]:
    return tuple(
        (
            (found["field"] or found["quoted"] or "").replace("\\.", ".") or None,
            found["index"],
            found["name"],
            found["value"],
        )
        for found in _STEP.finditer(path)
    )


def _below(
    value: Any, field: str | None, index: str | None, name: str | None, wanted: str | None
) -> list[Any]:
    if field is not None:
        return [value[field]] if isinstance(value, dict) and field in value else []
    if not isinstance(value, list):
        return list(value.values()) if index == "*" and isinstance(value, dict) else []
    if index == "*":
        return value
    if index is not None:
        place = int(index)
        return [value[place]] if -len(value) <= place < len(value) else []
    return [item for item in value if isinstance(item, dict) and str(item.get(name)) == wanted]
