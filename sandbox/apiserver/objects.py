"""The JSON shapes every part of the sandbox API server shares, and small pure helpers on them.

An object is a plain JSON dict. Stored objects are never edited in place: every write builds a new
one, so a reader may keep what it was given.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

Obj: TypeAlias = dict[str, Any]
T = TypeVar("T")


class Key(NamedTuple):
    """An object's place inside its resource; `namespace` is "" when cluster-scoped."""

    namespace: str
    name: str


def key_of(obj: Mapping[str, Any]) -> Key:
    """The key under which `obj` is stored."""
    metadata = obj["metadata"]
    return Key(metadata.get("namespace", ""), metadata["name"])


def clone(value: T) -> T:
    """A copy of a JSON value that shares no dict or list with it."""
    return cast("T", _clone(value))


def _clone(value: Any) -> Any:
    match value:
        case dict():
            return {key: _clone(item) for key, item in value.items()}
        case list():
            return [_clone(item) for item in value]
        case _:
            return value


def encode(value: Any) -> bytes:
    """The compact JSON text of `value`, as the API server sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def decode_object(text: bytes) -> Obj:
    """The JSON object in `text`; raises ValueError when it is anything else."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got {type(value).__name__}")
    return cast("Obj", value)


def at(obj: Mapping[str, Any], path: Sequence[str], default: Any = None) -> Any:
    """The value under the field names of `path`, or `default` where one is absent or null."""
    value: Any = obj
    for field in path:
        if not isinstance(value, Mapping) or value.get(field) is None:
            return default
        value = value[field]
    return value


def replaced(obj: Mapping[str, Any], path: Sequence[str], value: Any) -> Obj:
    """`obj` with the value under `path` set, parents created where absent."""
    if not path:
        raise ValueError("path must name at least one field")
    head, *rest = path
    if not rest:
        return {**obj, head: value}
    return {**obj, head: replaced(obj.get(head) or {}, rest, value)}


def without(obj: Mapping[str, Any], *fields: str) -> Obj:
    """`obj` without its top-level `fields`."""
    return {key: value for key, value in obj.items() if key not in fields}


def under(given: Obj | None, defaults: Mapping[str, Any]) -> Obj:
    """`given` with `defaults` put where it says nothing; dicts are merged deeply, lists not."""
    merged = dict(given or {})
    for field, default in defaults.items():
        value = merged.get(field)
        if value is None:
            merged[field] = clone(default)
        elif isinstance(value, dict) and isinstance(default, Mapping):
            merged[field] = under(value, default)
    return merged
