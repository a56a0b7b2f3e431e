"""The two kinds of patches as pure functions: RFC 7386 merge patch and RFC 6902 JSON patch.

Used by the in-memory API server and by whoever wants to know beforehand what a patch will give.
Nothing given is changed; what comes back shares no container with the inputs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Final

PARENTS: Final = (dict, list)


class UnfitPatch(ValueError):
    """The patch cannot be carried out on this object; the message names the operation."""


def merged(target: Any, patch: Any) -> Any:
    """`target` after the merge patch: maps are merged, null deletes, all else replaces."""
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return {key: copy.deepcopy(value) for key, value in result.items()}


def operated(target: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """`target` after all operations of a JSON patch, in order.

    Raises UnfitPatch for the first one that is malformed, finds nothing, or tests false.
    """
    holder = {"": copy.deepcopy(target)}
    for number, operation in enumerate(operations):
        try:
            _operate(holder, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UnfitPatch(f"operation {number} ({dict(operation)}): {error}") from error
    return holder[""]


def _operate(holder: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = _keys(operation["path"])
    match operation["op"]:
        case "add":
            _add(holder, path, copy.deepcopy(operation["value"]))
        case "remove":
            _remove(holder, path)
        case "replace":
            _at(holder, path)
            _put(holder, path, copy.deepcopy(operation["value"]))
        case "move":
            _add(holder, path, _remove(holder, _keys(operation["from"])))
        case "copy":
            _add(holder, path, copy.deepcopy(_at(holder, _keys(operation["from"]))))
        case "test":
            if _at(holder, path) != operation["value"]:
                raise ValueError("the test does not hold")
        case unknown:
            raise ValueError(f"unknown op {unknown!r}: add, remove, replace, move, copy, test")


def _keys(pointer: str) -> list[str]:
    """The steps of an RFC 6901 pointer, from a holder whose key "" is the whole document."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON pointer")
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")]


def _at(holder: Any, path: Sequence[str]) -> Any:
    value = holder
    for key in path:
        value = value[_index(value, key)]
    return value


def _add(holder: Any, path: Sequence[str], value: Any) -> None:
    parent = _at(holder, path[:-1])
    if not isinstance(parent, list):
        _put(holder, path, value)
        return
    index = len(parent) if path[-1] == "-" else int(path[-1])
    if not 0 <= index <= len(parent):
        raise IndexError(f"index {index} of {len(parent)}")
    parent.insert(index, value)


def _put(holder: Any, path: Sequence[str], value: Any) -> None:
    parent = _at(holder, path[:-1])
    if not isinstance(parent, PARENTS):
        raise TypeError(f"{path[-1]!r} has no parent")
    parent[_index(parent, path[-1])] = value


def _remove(holder: Any, path: Sequence[str]) -> Any:
    parent = _at(holder, path[:-1])
    return parent.pop(_index(parent, path[-1]))


def _index(parent: Any, key: str) -> Any:
    if not isinstance(parent, list):
        return key
    index = int(key)
    if index < 0:
        raise IndexError(f"index {index}")
    return index
