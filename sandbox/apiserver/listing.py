"""Lists: one consistent page of a resource, at the current or a past revision."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.apiserver import errors
from sandbox.apiserver.objects import Key, encode
from sandbox.apiserver.resources import Resource
from sandbox.apiserver.selectors import ALL, Selection
from sandbox.apiserver.storage import Storage, Stored


@dataclass(frozen=True)
class ListQuery:
    """What a list asks for; `namespace` "" means all, `limit` 0 means everything."""

    namespace: str = ""
    selection: Selection = ALL
    limit: int = 0
    continue_token: str = ""
    resource_version: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Page:
    """Objects in key order at `revision`; `remaining` counts what later pages hold."""

    items: tuple[Stored, ...]
    revision: int
    continue_token: str = ""
    remaining: int = 0


def page(storage: Storage, resource: Resource, query: ListQuery) -> Page:
    """The page `query` asks for.

    Raises Expired when the history it needs is gone, Timeout (504) when its resourceVersion lies
    in the future, BadRequest when its resourceVersion or continue token cannot be read.
    """
    with storage.lock:
        revision, after = _start(storage, query)
        objects = _objects(storage, resource, revision, query)
        found = _selected(resource, objects, query, after)
        if not query.limit or len(found) <= query.limit:
            return Page(tuple(stored for _, stored in found), revision)
        kept = found[: query.limit]
        token = _token(revision, kept[-1][0])
        items = tuple(stored for _, stored in kept)
        return Page(items, revision, token, len(found) - len(kept))


def _start(storage: Storage, query: ListQuery) -> tuple[int, Key | None]:
    if query.continue_token:
        return _read_token(query.continue_token)
    wanted = parse_version(query.resource_version)
    if wanted > storage.revision:
        raise errors.too_large_version(wanted, storage.revision)
    return (wanted if query.exact else storage.revision), None


def _objects(
    storage: Storage, resource: Resource, revision: int, query: ListQuery
) -> Mapping[Key, Stored]:
    if revision == storage.revision:
        return storage.snapshot(resource.group_resource)
    try:
        return storage.snapshot_at(resource.group_resource, revision)
    except errors.ApiError as expired:
        if query.continue_token:
            raise errors.continue_expired() from expired
        raise


def _selected(
    resource: Resource, objects: Mapping[Key, Stored], query: ListQuery, after: Key | None
) -> list[tuple[Key, Stored]]:
    chosen = query.selection
    found = [
        (key, stored.in_version(resource.api_version))
        for key, stored in objects.items()
        if (not query.namespace or key.namespace == query.namespace)
        and (after is None or key > after)
        and (chosen.everything or chosen.matches(stored.obj))
    ]
    return sorted(found, key=lambda pair: pair[0])


def parse_version(text: str) -> int:
    """The number in a resourceVersion, 0 for none; BadRequest when it is not one."""
    if not text:
        return 0
    if not text.isdigit():
        raise errors.bad_request(f"invalid resource version: {text!r}")
    return int(text)


def _token(revision: int, last: Key) -> str:
    return base64.urlsafe_b64encode(encode([revision, *last])).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, Key]:
    try:
        padded = token + "=" * (-len(token) % 4)
        revision, namespace, name = json.loads(base64.urlsafe_b64decode(padded))
    except ValueError as error:
        raise errors.bad_request("continue key is not valid") from error
    return int(revision), Key(str(namespace), str(name))
