"""JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386), as pure functions.

Strategic merge patches are `strategic`, server-side apply is `applied`.
"""

from collections.abc import Mapping
from typing import Any

import jsonpatch
from jsonpointer import JsonPointerException

from sandbox.apiserver import errors


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
    try:
        return jsonpatch.JsonPatch(operations).apply(target)
    except jsonpatch.InvalidJsonPatch as error:
        raise errors.bad_request(f"error decoding patch: {error}") from error
    except (jsonpatch.JsonPatchException, JsonPointerException) as error:
        raise errors.rejected_patch() from error
