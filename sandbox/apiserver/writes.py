"""Creating, replacing and patching objects: the API server's write path, over the storage.

Each write is one critical section under the storage's lock: read, compute, check, store.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandbox.apiserver import allocation, errors, patching, rules
from sandbox.apiserver.deletion import Deleter
from sandbox.apiserver.objects import Key, Obj
from sandbox.apiserver.resources import Resource
from sandbox.apiserver.storage import Storage, Stored

_SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH: Final = 5


@dataclass(frozen=True)
class WriteOptions:
    """The query parameters of a write; `field_validation` is Ignore, Warn or Strict."""

    dry_run: bool = False
    field_manager: str = ""
    force: bool = False
    field_validation: str = "Ignore"


@dataclass(frozen=True)
class Written:
    """What a write left behind, whether it made a new object, and warnings for the client."""

    stored: Stored
    created: bool = False
    warnings: tuple[str, ...] = ()


class Writer:
    """The write path for every resource."""

    def __init__(
        self,
        storage: Storage,
        deleter: Deleter,
        now: Callable[[], str],
        randomness: random.Random,
    ) -> None:
        self._storage = storage
        self._deleter = deleter
        self._now = now
        self._random = randomness

    def create(
        self, resource: Resource, namespace: str, obj: Obj, options: WriteOptions
    ) -> Written:
        """The object as stored; raises AlreadyExists, Invalid, NotFound of its namespace."""
        with self._storage.lock:
            named = self._identified(resource, namespace, obj)
            fresh = rules.initial(resource, named)
            self._check_namespace(resource, fresh)
            if self._storage.get(resource.group_resource, _key(fresh)) is not None:
                name = fresh["metadata"]["name"]
                raise errors.already_exists(resource.plural, resource.group, name)
            complete, warnings = self._completed(resource, fresh, options)
            complete = allocation.on_create(resource, complete, self._storage)
            _refuse(resource, complete, rules.problems(resource, complete))
            if options.dry_run:
                return Written(Stored(complete, 0), created=True, warnings=warnings)
            stored = self._storage.put(resource.group_resource, complete)
            self._deleter.collect_if_orphaned(resource, stored)
            return Written(stored, created=True, warnings=warnings)

    def _identified(self, resource: Resource, namespace: str, obj: Obj) -> Obj:
        """`obj` with the metadata the server sets on creation."""
        given = obj.get("metadata") or {}
        if given.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise errors.ApiError(500, "", message)
        metadata = {**given, "name": self._name(resource, given), "uid": self._uid()}
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"):
            metadata.pop(field, None)
        metadata["creationTimestamp"] = self._now()
        if resource.generation:
            metadata["generation"] = 1
        if resource.namespaced:
            metadata["namespace"] = _same_namespace(given, namespace)
        else:
            metadata.pop("namespace", None)
        return {**_typed(resource, obj), "metadata": metadata}

    def _name(self, resource: Resource, metadata: Obj) -> str:
        if metadata.get("name"):
            return str(metadata["name"])
        if not metadata.get("generateName"):
            detail = "name or generateName is required"
            raise resource.invalid("", [errors.required("metadata.name", detail)])
        suffix = "".join(self._random.choices(_SUFFIX_ALPHABET, k=_SUFFIX_LENGTH))
        return f"{metadata['generateName']}{suffix}"

    def _uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _check_namespace(self, resource: Resource, obj: Obj) -> None:
        if not resource.namespaced:
            return
        name = obj["metadata"]["namespace"]
        found = self._storage.get("namespaces", Key("", name))
        if found is None:
            raise errors.not_found("namespaces", "", name)
        if found.obj["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise errors.forbidden(resource.plural, resource.group, obj["metadata"]["name"], why)

    def update(
        self,
        resource: Resource,
        key: Key,
        obj: Obj,
        options: WriteOptions,
        subresource: str = "",
    ) -> Written:
        """The object after a PUT; raises Conflict when it carries another resourceVersion."""
        with self._storage.lock:
            old = self.current(resource, key)
            metadata = obj.get("metadata") or {}
            _check_identity(resource, key, metadata)
            if resource.custom and not metadata.get("resourceVersion"):
                problem = errors.FieldError(
                    "metadata.resourceVersion",
                    "FieldValueInvalid",
                    "Invalid value: 0x0: must be specified for an update",
                )
                raise resource.invalid(key.name, [problem])
            return self._replace(resource, old, _typed(resource, obj), options, subresource)

    def current(self, resource: Resource, key: Key) -> Stored:
        """The object in the version of `resource`; raises NotFound."""
        stored = self._storage.get(resource.group_resource, key)
        if stored is None:
            raise resource.not_found(key.name)
        return stored.in_version(resource.api_version)

    def patch(
        self,
        resource: Resource,
        key: Key,
        patch: patching.Patch,
        options: WriteOptions,
        subresource: str = "",
    ) -> Written:
        """The object after a PATCH; an apply patch creates what does not exist."""
        with self._storage.lock:
            stored = self._storage.get(resource.group_resource, key)
            if stored is None and patch.creates and not subresource:
                obj = patching.applied_to_nothing(resource, key, patch, options, self._now())
                return self.create(resource, key.namespace, obj, options)
            old = self.current(resource, key)
            new = patching.patched(resource, old.obj, patch, options, self._now())
            _check_identity(resource, key, new.get("metadata") or {})
            return self._replace(resource, old, _typed(resource, new), options, subresource)

    def _replace(
        self,
        resource: Resource,
        old: Stored,
        new: Obj,
        options: WriteOptions,
        subresource: str,
    ) -> Written:
        _check_version(resource, new, old.obj)
        if subresource == "status":
            merged = rules.status_update(resource, new, old.obj)
            complete, warnings = self._completed(resource, merged, options)
        else:
            kept = allocation.on_update(resource, new, old.obj)
            complete, warnings = self._completed(resource, kept, options)
            complete = rules.main_update(resource, complete, old.obj)
        _refuse(resource, complete, rules.problems(resource, complete, old.obj))
        unversioned = {**complete["metadata"], "resourceVersion": str(old.revision)}
        complete = {**complete, "metadata": unversioned}
        if complete == old.obj:
            return Written(old, warnings=warnings)
        if options.dry_run:
            return Written(Stored(complete, old.revision), warnings=warnings)
        gone = self._deleter.finalized(resource, complete)
        stored = gone or self._storage.put(resource.group_resource, complete)
        return Written(stored, warnings=warnings)

    def _completed(
        self, resource: Resource, obj: Obj, options: WriteOptions
    ) -> tuple[Obj, tuple[str, ...]]:
        for problem in rules.decoding_problems(resource, obj):
            raise errors.bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                f"{resource.kind}: {problem}"
            )
        complete, dropped = rules.completed(resource, obj, self._now())
        unknown = tuple(f'unknown field "{path}"' for path in dropped)
        if unknown and options.field_validation == "Strict":
            message = (
                f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                f"{resource.kind}: strict decoding error: {', '.join(unknown)}"
            )
            raise errors.bad_request(message)
        return complete, unknown if options.field_validation == "Warn" else ()


def _key(obj: Obj) -> Key:
    return Key(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def _typed(resource: Resource, obj: Obj) -> Obj:
    """`obj` with the resource's apiVersion and kind; BadRequest when it claims another."""
    for field, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        found = obj.get(field) or wanted
        if found != wanted:
            message = (
                f"the {'API version' if field == 'apiVersion' else 'kind'} in the data ({found}) "
                f"does not match the expected {field} ({wanted})"
            )
            raise errors.bad_request(message)
    return {**obj, "apiVersion": resource.api_version, "kind": resource.kind}


def _same_namespace(metadata: Obj, namespace: str) -> str:
    if metadata.get("namespace", namespace) not in (namespace, ""):
        message = (
            "the namespace of the provided object does not match the namespace sent on the request"
        )
        raise errors.bad_request(message)
    return namespace


def _check_identity(resource: Resource, key: Key, metadata: Obj) -> None:
    name = metadata.get("name") or key.name
    if name != key.name:
        message = f"the name of the object ({name}) does not match the name on the URL ({key.name})"
        raise errors.bad_request(message)
    if resource.namespaced:
        _same_namespace(metadata, key.namespace)


def _check_version(resource: Resource, new: Obj, old: Obj) -> None:
    metadata, before = new["metadata"], old["metadata"]
    wanted = metadata.get("resourceVersion")
    if wanted and wanted != before["resourceVersion"]:
        raise resource.conflict(before["name"])
    uid = metadata.get("uid")
    if uid and uid != before["uid"]:
        detail = (
            f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before['uid']}"
        )
        raise resource.conflict(before["name"], detail)


def _refuse(resource: Resource, obj: Obj, problems: list[errors.FieldError]) -> None:
    if problems:
        raise resource.invalid(obj["metadata"]["name"], problems)
