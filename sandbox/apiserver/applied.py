"""Server-side apply, with field ownership kept for appliers only.

Ownership is recorded in `metadata.managedFields` (operation Apply, FieldsV1), and used for two
things: fields a manager no longer applies are removed unless another applier owns them, and
changing a field another applier owns is a conflict unless forced. Simplified against Kubernetes:
plain updates and patches own nothing, so applying over them never conflicts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.apiserver import errors, strategic
from sandbox.apiserver.objects import Obj, clone, encode, without
from sandbox.apiserver.resources import Resource, Schema

_UNOWNED_METADATA: Final = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "uid",
)
_PORT_KEYS: Final = {"containerPort": ("containerPort", "protocol"), "port": ("port", "protocol")}
_KEY_DEFAULTS: Final = {"protocol": "TCP"}


@dataclass(frozen=True)
class Manager:
    """Who applies, and whether it takes over what others own."""

    name: str
    force: bool = False


@dataclass(frozen=True)
class Shape:
    """What is known of the value at one place: its schema (custom kinds) or its field names."""

    schema: Schema
    custom: bool
    parent: str = ""
    field: str = ""

    def child(self, name: str) -> "Shape":
        """The shape of field `name`."""
        known = self.schema.get("properties", {})
        part = known.get(name, self.schema.get("additionalProperties"))
        schema = part if isinstance(part, Mapping) else {}
        return Shape(schema, self.custom, parent=self.field, field=name)

    def item(self) -> "Shape":
        """The shape of the items of this list."""
        return Shape(self.schema.get("items", {}), self.custom, self.parent, self.field)

    def keys(self) -> tuple[str, ...]:
        """The fields that identify an item of this list; empty when the list is atomic."""
        if self.field == "ownerReferences":
            return ("uid",)
        if self.custom:
            is_map = self.schema.get("x-kubernetes-list-type") == "map"
            return tuple(self.schema.get("x-kubernetes-list-map-keys", ())) if is_map else ()
        key = strategic.merge_key(self.parent, self.field)
        return () if key is None else _PORT_KEYS.get(key, (key,))


def apply(resource: Resource, live: Obj, config: Obj, manager: Manager, now: str) -> Obj:
    """`live` after `manager` applied `config`; raises Conflict over fields of other appliers."""
    shape = Shape(resource.schema, resource.custom)
    wanted = _applied_part(config)
    entries = live.get("metadata", {}).get("managedFields") or []
    others = [entry for entry in entries if not _is_by(entry, manager)]
    previous: Obj = next((entry["fieldsV1"] for entry in entries if _is_by(entry, manager)), {})
    owned = _fields(shape, wanted)
    if not manager.force:
        _refuse_conflicts(shape, wanted, live, others)
    merged = _merge(shape, live, wanted)
    for entry in others:
        previous = _subtract(previous, entry["fieldsV1"])
    merged = _removed(shape, merged, _subtract(previous, owned))
    if manager.force:
        others = [{**e, "fieldsV1": _without_changed(shape, e, wanted, live)} for e in others]
    entry = {
        "manager": manager.name,
        "operation": "Apply",
        "apiVersion": resource.api_version,
        "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
    }
    unchanged = next((e for e in entries if _is_by(e, manager) and e["fieldsV1"] == owned), None)
    managed = sorted([*others, unchanged or entry], key=lambda item: str(item["manager"]))
    metadata = {**merged.get("metadata", {}), "managedFields": managed}
    version = config.get("metadata", {}).get("resourceVersion")
    if version:
        metadata["resourceVersion"] = version
    return {**merged, "metadata": metadata}


def _is_by(entry: Obj, manager: Manager) -> bool:
    return bool(entry["manager"] == manager.name)


def _applied_part(config: Obj) -> Obj:
    metadata = without(config.get("metadata") or {}, *_UNOWNED_METADATA)
    rest = without(config, "apiVersion", "kind", "metadata")
    return {**rest, "metadata": metadata} if metadata else rest


def _identity(keys: tuple[str, ...], item: Obj) -> str:
    values = {key: item.get(key, _KEY_DEFAULTS.get(key)) for key in keys}
    return f"k:{encode({k: v for k, v in values.items() if v is not None}).decode()}"


def _fields(shape: Shape, value: Any) -> Obj:
    """The FieldsV1 tree of what `value` sets; an empty tree is a leaf."""
    match value:
        case dict():
            return {f"f:{name}": _fields(shape.child(name), item) for name, item in value.items()}
        case list() if shape.keys():
            keys, part = shape.keys(), shape.item()
            return {_identity(keys, item): {".": {}, **_fields(part, item)} for item in value}
        case _:
            return {}


def _merge(shape: Shape, live: Any, wanted: Any) -> Any:
    match wanted:
        case dict():
            result = dict(live) if isinstance(live, dict) else {}
            for name, item in wanted.items():
                result[name] = _merge(shape.child(name), result.get(name), item)
            return result
        case list() if shape.keys():
            keys, part = shape.keys(), shape.item()
            items = {_identity(keys, item): item for item in live or ()}
            for item in wanted:
                identity = _identity(keys, item)
                items[identity] = _merge(part, items.get(identity), item)
            return list(items.values())
        case _:
            return clone(wanted)


def _subtract(fields: Obj, other: Obj) -> Obj:
    """The leaves of `fields` that are not in `other`."""
    left: Obj = {}
    for name, tree in fields.items():
        if name not in other:
            left[name] = tree
        elif tree and (rest := _subtract(tree, other[name])):
            left[name] = rest
    return left


def _removed(shape: Shape, value: Any, gone: Obj) -> Any:
    """`value` without the leaves of `gone`, and without dicts that this leaves empty."""
    match value:
        case dict():
            return _removed_fields(shape, value, gone)
        case list() if shape.keys():
            keys, part = shape.keys(), shape.item()
            kept = []
            for item in value:
                tree = gone.get(_identity(keys, item))
                if tree is None:
                    kept.append(item)
                elif "." not in tree:
                    kept.append(_removed(part, item, tree))
            return kept
        case _:
            return value


def _removed_fields(shape: Shape, value: Obj, gone: Obj) -> Obj:
    kept = dict(value)
    for name, tree in gone.items():
        field = name.removeprefix("f:")
        if name == "." or field not in kept:
            continue
        if not tree:
            del kept[field]
            continue
        kept[field] = _removed(shape.child(field), kept[field], tree)
        if kept[field] in ({}, []):
            del kept[field]
    return kept


def _leaves(
    shape: Shape, value: Any, live: Any, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The FieldsV1 paths of the leaves of `value` that differ in `live`."""
    match value:
        case dict() if value or isinstance(live, dict):
            for name, item in value.items():
                below = live.get(name) if isinstance(live, dict) else None
                yield from _leaves(shape.child(name), item, below, (*path, f"f:{name}"))
        case list() if shape.keys():
            keys, part = shape.keys(), shape.item()
            items = {_identity(keys, item): item for item in live or ()}
            for item in value:
                identity = _identity(keys, item)
                yield from _leaves(part, item, items.get(identity), (*path, identity))
        case _:
            if value != live:
                yield path


def _owns(fields: Obj, path: tuple[str, ...]) -> bool:
    tree = fields
    for name in path:
        if name not in tree:
            return False
        tree = tree[name]
    return True


def _refuse_conflicts(shape: Shape, wanted: Obj, live: Obj, others: list[Obj]) -> None:
    changed = list(_leaves(shape, wanted, live))
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{entry["manager"]}"',
            "field": _readable(path),
        }
        for entry in others
        for path in changed
        if _owns(entry["fieldsV1"], path)
    ]
    if not causes:
        return
    plural = "" if len(causes) == 1 else "s"
    where = ", ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    message = f"Apply failed with {len(causes)} conflict{plural}: {where}"
    raise errors.apply_conflict(message, causes)


def _readable(path: tuple[str, ...]) -> str:
    return "".join(
        f".{part[2:]}" if part.startswith("f:") else f"[{_key_text(part)}]" for part in path
    )


def _key_text(identity: str) -> str:
    return identity[2:].strip("{}").replace('":', "=").replace('"', "", 1)


def _without_changed(shape: Shape, entry: Obj, wanted: Obj, live: Obj) -> Obj:
    tree: Obj = {}
    for path in _leaves(shape, wanted, live):
        place = tree
        for name in path:
            place = place.setdefault(name, {})
    return _subtract(entry["fieldsV1"], tree)
