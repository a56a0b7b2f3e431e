"""What each verb does: a decoded request in, an answer out. Watching is `watching`."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from sandbox.apiserver import errors, listing, patching, protobuf, scale
from sandbox.apiserver.deletion import DeleteOptions
from sandbox.apiserver.listing import ListQuery
from sandbox.apiserver.negotiation import Renderer
from sandbox.apiserver.objects import Key, Obj, encode
from sandbox.apiserver.requests import Target
from sandbox.apiserver.selectors import selection
from sandbox.apiserver.storage import Stored
from sandbox.apiserver.store import Store
from sandbox.apiserver.writes import WriteOptions, Written

_ACCEPTED: Final = ("application/json", "application/yaml", protobuf.CONTENT_TYPE)
_VALIDATIONS: Final = ("Ignore", "Warn", "Strict")
_RETURNED_WHEN_DELETED: Final = frozenset({"pods", "serviceaccounts"})


@dataclass(frozen=True)
class Body:
    """A request's body as it came."""

    content_type: str = ""
    text: bytes = b""

    def decode(self) -> Obj:
        """The object in the body ({} when empty); 415 for unknown types, 400 when malformed."""
        kind = self.content_type.partition(";")[0].strip()
        if not self.text:
            return {}
        try:
            match kind:
                case "application/json" | "":
                    value = json.loads(self.text)
                case "application/yaml":
                    value = yaml.safe_load(self.text)
                case protobuf.CONTENT_TYPE:
                    value = protobuf.decode(self.text)
                case _:
                    raise errors.unsupported_media_type(_ACCEPTED)
        except (ValueError, yaml.YAMLError) as error:
            raise errors.bad_request(f"the object provided is unrecognized: {error}") from error
        if not isinstance(value, dict):
            raise errors.bad_request("the object provided is unrecognized: not an object")
        return value


@dataclass(frozen=True)
class Answer:
    """An HTTP answer with a JSON body."""

    code: int
    text: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def carry_out(store: Store, target: Target, body: Body, renderer: Renderer) -> Answer:
    """The answer to any request but a watch."""
    return _ACTIONS[target.verb](store, target, body, renderer)


def list_query(target: Target) -> ListQuery:
    """What the query parameters of a list or watch select."""
    query = target.query
    chosen = selection(
        target.resource.group_resource,
        query.get("labelSelector", ""),
        query.get("fieldSelector", ""),
    )
    return ListQuery(
        namespace=target.namespace,
        selection=chosen,
        limit=target.number("limit"),
        continue_token=query.get("continue", ""),
        resource_version=query.get("resourceVersion", ""),
        exact=query.get("resourceVersionMatch") == "Exact",
    )


def write_options(target: Target, user_agent: str = "") -> WriteOptions:
    """The query parameters of a write; BadRequest for values Kubernetes does not know."""
    query = target.query
    validation = query.get("fieldValidation") or "Ignore"
    if validation not in _VALIDATIONS:
        raise errors.bad_request(f"invalid fieldValidation: {validation!r}")
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise errors.bad_request(f"invalid dryRun: {dry_run!r}")
    manager = query.get("fieldManager") or user_agent.partition("/")[0]
    return WriteOptions(bool(dry_run), manager, target.flag("force"), validation)


def _get(store: Store, target: Target, _: Body, renderer: Renderer) -> Answer:
    stored = store.writer.current(target.resource, target.key)
    if target.subresource == "scale":
        return Answer(200, encode(scale.read(target.resource, stored.obj)))
    return Answer(200, renderer.one(stored))


def _list(store: Store, target: Target, _: Body, renderer: Renderer) -> Answer:
    found = listing.page(store.storage, target.resource, list_query(target))
    return Answer(200, renderer.page(found))


def _create(store: Store, target: Target, body: Body, renderer: Renderer) -> Answer:
    obj = body.decode()
    options = write_options(target)
    return _written(store.writer.create(target.resource, target.namespace, obj, options), renderer)


def _update(store: Store, target: Target, body: Body, renderer: Renderer) -> Answer:
    obj, options = body.decode(), write_options(target)
    if target.subresource == "scale":
        return _rescale(store, target, options, lambda _: obj)
    written = store.writer.update(target.resource, target.key, obj, options, target.subresource)
    return _written(written, renderer)


def _patch(store: Store, target: Target, body: Body, renderer: Renderer) -> Answer:
    patch = patching.Patch.decode(target.resource, body.content_type, body.text)
    options = write_options(target)
    if target.subresource == "scale":
        now = store.timestamp()
        return _rescale(
            store,
            target,
            options,
            lambda old: patching.patched(target.resource, old, patch, options, now),
        )
    written = store.writer.patch(target.resource, target.key, patch, options, target.subresource)
    return _written(written, renderer)


def _rescale(
    store: Store, target: Target, options: WriteOptions, change: Callable[[Obj], Obj]
) -> Answer:
    with store.storage.lock:
        current = store.writer.current(target.resource, target.key).obj
        wanted = change(scale.read(target.resource, current))
        scaled = scale.written(target.resource, current, wanted)
        written = store.writer.update(target.resource, target.key, scaled, options)
    return Answer(200, encode(scale.read(target.resource, written.stored.obj)))


def _written(written: Written, renderer: Renderer) -> Answer:
    headers = {"Warning": ", ".join(f'299 - "{_escaped(text)}"' for text in written.warnings)}
    code = 201 if written.created else 200
    return Answer(code, renderer.one(written.stored), headers if written.warnings else {})


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _delete_options(target: Target, body: Body) -> DeleteOptions:
    policy = target.query.get("propagationPolicy", "")
    return DeleteOptions.parse(body.decode(), policy, dry_run=write_options(target).dry_run)


def _delete(store: Store, target: Target, body: Body, renderer: Renderer) -> Answer:
    options = _delete_options(target, body)
    with store.storage.lock:
        stored = store.writer.current(target.resource, target.key)
        last, gone = store.deleter.delete(target.resource, stored, options)
    if not gone or target.resource.group_resource in _RETURNED_WHEN_DELETED:
        return Answer(200, renderer.one(last))
    return Answer(200, encode(_success(target, last)))


def _success(target: Target, last: Stored) -> Obj:
    details: dict[str, Any] = {"name": target.name, "kind": target.resource.plural}
    if target.resource.group:
        details["group"] = target.resource.group
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {**details, "uid": last.obj["metadata"]["uid"]},
    }


def _delete_collection(store: Store, target: Target, body: Body, renderer: Renderer) -> Answer:
    options = _delete_options(target, body)
    with store.storage.lock:
        found = listing.page(store.storage, target.resource, list_query(target))
        for stored in found.items:
            metadata = stored.obj["metadata"]
            key = Key(metadata.get("namespace", ""), metadata["name"])
            if store.storage.get(target.resource.group_resource, key) is not None:
                store.deleter.delete(target.resource, stored, options)
    return Answer(200, renderer.page(found))


_ACTIONS: Final[Mapping[str, Callable[[Store, Target, Body, Renderer], Answer]]] = {
    "create": _create,
    "delete": _delete,
    "deletecollection": _delete_collection,
    "get": _get,
    "list": _list,
    "patch": _patch,
    "update": _update,
}
