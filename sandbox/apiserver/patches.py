"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), as pure functions.

Strategic merge patches are `strategic`, server-side apply is `applied`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.apiserver import errors
from sandbox.apiserver.objects import clone


def merge(target: Any, patch: Any) -> Any:
    """`target` changed by a merge patch: dicts merge, null removes, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """`target` after all `operations`.

    Raises BadRequest when they cannot be read, and the API server's 422 when they can be read and
    not carried out (an absent path, a failed `test`).
    """
    if not isinstance(operations, list):
        raise errors.bad_request("error decoding patch: a JSON patch is a list of operations")
    document = {"": clone(target)}
    for operation in operations:
        if not isinstance(operation, Mapping) or "op" not in operation or "path" not in operation:
            raise errors.bad_request("error decoding patch: an operation needs op and path")
        _carry_out(document, operation)
    return document[""]


def _carry_out(document: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = _pointer(operation["path"])
    match operation["op"]:
        case "add":
            _add(document, path, clone(operation.get("value")))
        case "remove":
            _remove(document, path)
        case "replace":
            _remove(document, path)
            _add(document, path, clone(operation.get("value")))
        case "move":
            _add(document, path, _remove(document, _pointer(operation.get("from", ""))))
        case "copy":
            _add(document, path, clone(_read(document, _pointer(operation.get("from", "")))))
        case "test":
            if _read(document, path) != operation.get("value"):
                raise errors.rejected_patch()
        case unknown:
            raise errors.bad_request(f"error decoding patch: unknown operation {unknown!r}")


def _pointer(text: str) -> list[str]:
    """The tokens of a JSON pointer, with the wrapping document's "" in front."""
    if text and not text.startswith("/"):
        raise errors.rejected_patch()
    return [token.replace("~1", "/").replace("~0", "~") for token in text.split("/")]


def _read(document: Any, path: Sequence[str]) -> Any:
    value = document
    for token in path:
        value = _child(value, token)
    return value


def _child(container: Any, token: str) -> Any:
    if isinstance(container, dict) and token in container:
        return container[token]
    if isinstance(container, list):
        return container[_index(token, len(container) - 1)]
    raise errors.rejected_patch()


def _index(token: str, last: int) -> int:
    if not token.isdigit() or int(token) > last:
        raise errors.rejected_patch()
    return int(token)


def _add(document: Any, path: Sequence[str], value: Any) -> None:
    container, last = _read(document, path[:-1]), path[-1]
    if isinstance(container, dict):
        container[last] = value
    elif isinstance(container, list):
        place = len(container) if last == "-" else _index(last, len(container))
        container.insert(place, value)
    else:
        raise errors.rejected_patch()


def _remove(document: Any, path: Sequence[str]) -> Any:
    container, last = _read(document, path[:-1]), path[-1]
    if isinstance(container, dict) and last in container:
        return container.pop(last)
    if isinstance(container, list):
        return container.pop(_index(last, len(container) - 1))
    raise errors.rejected_patch()
