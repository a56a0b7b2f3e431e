"""Creating, replacing and patching objects: the API server's write path, over the storage.

Each write is one critical section under the storage's lock: read, compute, check, store.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sandbox.apiserver import allocation, errors, patching, preconditions, rules
from sandbox.apiserver.deletion import Deleter
from sandbox.apiserver.objects import Key, Obj, key_of
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
            if self._storage.get(resource.group_resource, key_of(fresh)) is not None:
                name = fresh["metadata"]["name"]
                raise errors.already_exists(resource.plural, resource.group, name)
            complete, warnings = self._completed(resource, fresh, options)
            complete = allocation.on_create(resource, complete, self._storage)
            preconditions.check_rules(resource, complete)
            if options.dry_run:
                return Written(Stored(complete, 0), created=True, warnings=warnings)
            stored = self._storage.put(resource.group_resource, complete)
            self._deleter.collect_if_orphaned(resource, stored)
            return Written(stored, created=True, warnings=warnings)

    def _identified(self, resource: Resource, namespace: str, obj: Obj) -> Obj:
        """`obj` with the metadata the server sets on creation."""
        given = preconditions.metadata_of(obj)
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
            metadata["namespace"] = preconditions.same_namespace(given, namespace)
        else:
            metadata.pop("namespace", None)
        return {**preconditions.typed(resource, obj), "metadata": metadata}

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
            metadata = preconditions.metadata_of(obj)
            preconditions.check_identity(resource, key, metadata)
            if resource.custom and not metadata.get("resourceVersion"):
                problem = errors.FieldError(
                    "metadata.resourceVersion",
                    "FieldValueInvalid",
                    "Invalid value: 0x0: must be specified for an update",
                )
                raise resource.invalid(key.name, [problem])
            return self._replace(
                resource, old, preconditions.typed(resource, obj), options, subresource
            )

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
            preconditions.check_identity(resource, key, preconditions.metadata_of(new))
            return self._replace(
                resource, old, preconditions.typed(resource, new), options, subresource
            )

    def _replace(
        self,
        resource: Resource,
        old: Stored,
        new: Obj,
        options: WriteOptions,
        subresource: str,
    ) -> Written:
        preconditions.check_version(resource, new, old.obj)
        if subresource == "status":
            merged = rules.status_update(resource, new, old.obj)
            complete, warnings = self._completed(resource, merged, options)
        else:
            kept = allocation.on_update(resource, new, old.obj)
            complete, warnings = self._completed(resource, kept, options)
            complete = rules.main_update(resource, complete, old.obj)
        preconditions.check_rules(resource, complete, old.obj)
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
        preconditions.check_types(resource, obj)
        try:
            complete, dropped = rules.completed(resource, obj, self._now())
        except ValueError as error:
            raise resource.undecodable(str(error)) from error
        unknown = tuple(f'unknown field "{path}"' for path in dropped)
        if unknown and options.field_validation == "Strict":
            raise resource.undecodable(f"strict decoding error: {', '.join(unknown)}")
        return complete, unknown if options.field_validation == "Warn" else ()
