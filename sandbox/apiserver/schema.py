"""Structural OpenAPI v3 schemas: pruning, the form of quantities, defaulting.

All give new values and leave their input alone. Checking values against a schema is `validation`.
CEL rules (`x-kubernetes-validations`) are accepted and not evaluated.
"""

from collections.abc import Mapping
from typing import Any, Final

from sandbox.apiserver import quantities
from sandbox.apiserver.objects import Obj, clone
from sandbox.apiserver.resources import Schema

PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"
QUANTITY: Final = "x-sandbox-quantity"
"""Of a field of a built-in kind whose values are quantities."""
EMBEDDED: Final = "x-kubernetes-embedded-resource"
ROOT_FIELDS: Final = ("apiVersion", "kind", "metadata")


def child_path(path: str, name: str) -> str:
    """The path of field `name` inside `path`."""
    return f"{path}.{name}" if path else name


def pruned(schema: Schema, obj: Obj) -> tuple[Obj, list[str]]:
    """`obj` without the fields its schema does not know, and the paths of those dropped.

    Quantities are put into canonical form; ValueError for one that is none. apiVersion, kind and
    metadata belong to Kubernetes and are left as they are.
    """
    dropped: list[str] = []
    kept = {name: value for name, value in obj.items() if name in ROOT_FIELDS}
    rest = {name: value for name, value in obj.items() if name not in ROOT_FIELDS}
    return {**kept, **_pruned_map(schema, rest, "", dropped)}, dropped


def _pruned(schema: Schema, value: Any, path: str, dropped: list[str]) -> Any:
    match value:
        case None:
            return None
        case _ if QUANTITY in schema:
            return quantities.canonical(value)
        case dict() if schema.get(EMBEDDED):
            kept = {name: value[name] for name in ROOT_FIELDS if name in value}
            rest = {name: value[name] for name in value if name not in ROOT_FIELDS}
            return {**kept, **_pruned_map(schema, rest, path, dropped)}
        case dict():
            return _pruned_map(schema, value, path, dropped)
        case list() if "items" in schema:
            items = schema["items"]
            return [
                _pruned(items, item, f"{path}[{index}]", dropped)
                for index, item in enumerate(value)
            ]
        case _:
            return value


def _pruned_map(schema: Schema, value: Obj, path: str, dropped: list[str]) -> Obj:
    known = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    kept: Obj = {}
    for name, item in value.items():
        if name in known:
            kept[name] = _pruned(known[name], item, child_path(path, name), dropped)
        elif isinstance(extra, Mapping):
            kept[name] = _pruned(extra, item, child_path(path, name), dropped)
        elif extra or schema.get(PRESERVE) or not _is_closed(schema):
            kept[name] = item
        else:
            dropped.append(child_path(path, name))
    return kept


def _is_closed(schema: Schema) -> bool:
    """Whether the schema says what an object there may hold (an empty schema says nothing)."""
    return schema.get("type") == "object" or "properties" in schema


def defaulted(schema: Schema, value: Any) -> Any:
    """`value` with the schema's defaults put where it says nothing.

    A null where the schema has a default and is not nullable is treated as absent.
    """
    match value:
        case dict():
            return _defaulted_map(schema, value)
        case list() if "items" in schema:
            return [defaulted(schema["items"], item) for item in value]
        case _:
            return value


def _defaulted_map(schema: Schema, value: Obj) -> Obj:
    known: Mapping[str, Schema] = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    filled: Obj = {}
    for name, item in value.items():
        part = known.get(name, extra if isinstance(extra, Mapping) else None)
        if item is None and part is not None and "default" in part and not part.get("nullable"):
            continue
        filled[name] = item if part is None else defaulted(part, item)
    for name, part in known.items():
        if name not in filled and "default" in part:
            filled[name] = defaulted(part, clone(part["default"]))
    return filled
