"""Strategic merge patch for the built-in kinds: lists whose items have a key are merged by it.

Which key is a table by field name; the few fields whose key depends on where they stand are listed
with their parent. Source: the `patchMergeKey` tags of k8s.io/api and
`apimachinery/pkg/util/strategicpatch`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sandbox.apiserver.objects import Obj, clone

MERGE_KEYS: Final[Mapping[str, str]] = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "resourceClaims": "name",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
MERGE_KEYS_BY_PARENT: Final[Mapping[tuple[str, str], str]] = {
    ("containers", "ports"): "containerPort",
    ("initContainers", "ports"): "containerPort",
    ("ephemeralContainers", "ports"): "containerPort",
    ("spec", "ports"): "port",
}
MERGED_PRIMITIVES: Final = frozenset({"finalizers"})

ORDER: Final = "$setElementOrder/"
DELETE_PRIMITIVE: Final = "$deleteFromPrimitiveList/"
RETAIN: Final = "$retainKeys"
DIRECTIVE: Final = "$patch"


def merge_key(parent: str, field: str) -> str | None:
    """The field that identifies the items of list `field`; None when the list is atomic."""
    return MERGE_KEYS_BY_PARENT.get((parent, field)) or MERGE_KEYS.get(field)


def merge(target: Obj, patch: Mapping[str, Any], parent: str = "") -> Obj:
    """`target` changed by a strategic merge patch, directives included."""
    if patch.get(DIRECTIVE) == "replace":
        return clone({name: value for name, value in patch.items() if name != DIRECTIVE})
    if patch.get(DIRECTIVE) == "delete":
        return {}
    result = _retained(dict(target), patch.get(RETAIN))
    for name, value in patch.items():
        if name.startswith(DELETE_PRIMITIVE):
            field = name.removeprefix(DELETE_PRIMITIVE)
            result[field] = [item for item in result.get(field) or () if item not in value]
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            result.pop(name, None)
        else:
            order = patch.get(f"{ORDER}{name}")
            result[name] = _merged(result.get(name), value, parent, name, order)
    return _reordered(result, patch, parent)


def _retained(target: Obj, keep: Sequence[str] | None) -> Obj:
    if keep is None:
        return target
    return {name: value for name, value in target.items() if name in keep}


def _merged(current: Any, value: Any, parent: str, name: str, order: Any) -> Any:
    match value:
        case dict():
            return merge(current if isinstance(current, dict) else {}, value, name)
        case list():
            return _merged_list(current or [], value, parent, name, order)
        case _:
            return value


def _merged_list(
    current: list[Any], items: list[Any], parent: str, name: str, order: list[Any] | None
) -> list[Any]:
    key = merge_key(parent, name)
    if key is None:
        if name in MERGED_PRIMITIVES:
            merged = [*current, *(item for item in items if item not in current)]
            return _in_order(merged, order, lambda item: item)
        return clone(items)
    if any(item.get(DIRECTIVE) == "replace" for item in items):
        return clone([item for item in items if DIRECTIVE not in item])
    by_key: dict[Any, Obj] = {item.get(key): item for item in current}
    for item in items:
        if item.get(DIRECTIVE) == "delete":
            by_key.pop(item.get(key), None)
        else:
            by_key[item.get(key)] = merge(by_key.get(item.get(key), {}), item, name)
    wanted = None if order is None else [item.get(key) for item in order]
    return _in_order(list(by_key.values()), wanted, lambda item: item.get(key))


def _reordered(result: Obj, patch: Mapping[str, Any], parent: str) -> Obj:
    """Applies `$setElementOrder` to lists the patch orders without changing."""
    for name, order in patch.items():
        field = name.removeprefix(ORDER)
        if not name.startswith(ORDER) or field in patch or not result.get(field):
            continue
        key = merge_key(parent, field)
        if key is None:
            result[field] = _in_order(result[field], order, lambda item: item)
        else:
            wanted = [item.get(key) for item in order]
            result[field] = _in_order(result[field], wanted, lambda item, key=key: item.get(key))
    return result


def _in_order(items: list[Any], wanted: list[Any] | None, identity: Any) -> list[Any]:
    """`items` with those in `wanted` in that order; the others keep their places."""
    if wanted is None:
        return items
    rank = {value: place for place, value in enumerate(wanted)}
    listed = iter(
        sorted(
            (item for item in items if identity(item) in rank),
            key=lambda item: rank[identity(item)],
        )
    )
    return [next(listed) if identity(item) in rank else item for item in items]
