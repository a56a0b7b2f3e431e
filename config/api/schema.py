"""A pydantic model as a Kubernetes structural schema.

Structural means: no `$ref`, every node typed, no null types, no schema-level titles, and nothing
typed inside the branches of `oneOf`. Constraints that types do not express are written beside the
fields as `json_schema_extra`, in the words of OpenAPI; upper bounds come from `bounds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from config.api import bounds
from config.api.model import Model

#: Order of keys in the generated YAML: what a reader looks for first comes first.
_ORDER: Final = ("description", "type", "format", "default", "enum", "pattern", "required")

_DROPPED: Final = frozenset({"title", "$defs", "default"})


Words = Callable[[dict[str, Any], str], Mapping[str, Any]]
"""What to write into a node for its bound, given the node and its path in the table of bounds."""


def bounded(model: type[Model], words: Words = bounds.keywords) -> dict[str, Any]:
    """The schema of a spec, with an upper bound wherever a number or a size may be given."""
    return _bounded(structural(model), "spec", words)


def _bounded(node: dict[str, Any], path: str, words: Words) -> dict[str, Any]:
    limited = {**node, **words(node, path)}
    if fields := node.get("properties"):
        limited["properties"] = {
            name: _bounded(child, f"{path}.{name}", words) for name, child in fields.items()
        }
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(key), Mapping):
            limited[key] = _bounded(node[key], path + mark, words)
    return limited


def structural(model: type[Model]) -> dict[str, Any]:
    """The schema of the model with everything inlined."""
    raw = model.model_json_schema(by_alias=True)
    return _node(raw, raw.get("$defs", {}))


def _node(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """One node: references followed, null branches removed, children converted."""
    merged = _without_null(_resolved(raw, definitions), definitions)
    node = {key: value for key, value in merged.items() if key not in _DROPPED}
    if "x-default" in merged:
        node["default"] = node.pop("x-default")
    if node.get("type") == "array":
        node["items"] = _node(merged.get("items", {}), definitions)
    if "properties" in node:
        node["properties"] = {
            name: _node(child, definitions) for name, child in merged["properties"].items()
        }
    if isinstance(node.get("additionalProperties"), Mapping):
        node["additionalProperties"] = _node(node["additionalProperties"], definitions)
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if node.get("required") is None:
        node.pop("required", None)
    return _ordered(node)


def _resolved(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """The node with its `$ref` replaced by what it points to; keys beside the `$ref` win."""
    reference = raw.get("$ref")
    if reference is None:
        return dict(raw)
    target = definitions[reference.removeprefix("#/$defs/")]
    beside = {key: value for key, value in raw.items() if key != "$ref"}
    return {**_resolved(target, definitions), **beside}


def _without_null(node: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """`anyOf: [X, null]`, pydantic's form of an optional field, as X: absent is not null here."""
    branches = [branch for branch in node.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) != 1:
        return node
    beside = {key: value for key, value in node.items() if key != "anyOf"}
    return {**_resolved(branches[0], definitions), **beside}


def _ordered(node: dict[str, Any]) -> dict[str, Any]:
    first = {key: node[key] for key in _ORDER if key in node}
    return first | {key: value for key, value in node.items() if key not in first}
