"""A PATCH body and its content type, turned into the object it asks for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import yaml

from sandbox.apiserver import applied, errors, patches, strategic
from sandbox.apiserver.objects import Key, Obj
from sandbox.apiserver.resources import Resource

JSON: Final = "application/json-patch+json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"
APPLY: Final = "application/apply-patch+yaml"


class ApplyOptions(Protocol):
    """The write options server-side apply looks at."""

    @property
    def field_manager(self) -> str:
        """Who applies."""

    @property
    def force(self) -> bool:
        """Whether to take fields other managers own."""


@dataclass(frozen=True)
class Patch:
    """A decoded PATCH body; `content_type` is one of the four above."""

    content_type: str
    body: Any

    @property
    def creates(self) -> bool:
        """Whether this patch makes the object when there is none."""
        return self.content_type == APPLY

    @classmethod
    def decode(cls, resource: Resource, content_type: str, text: bytes) -> "Patch":
        """The patch in a request; 415 for a type the resource does not take, 400 if malformed."""
        chosen = content_type.partition(";")[0].strip()
        accepted = (JSON, MERGE, APPLY) if resource.custom else (JSON, MERGE, STRATEGIC, APPLY)
        if chosen not in accepted:
            raise errors.unsupported_media_type(accepted)
        try:
            body = _load(text, may_be_yaml=chosen == APPLY)
        except (ValueError, yaml.YAMLError) as error:
            raise errors.bad_request(f"error decoding patch: {error}") from error
        if chosen != JSON and not isinstance(body, dict):
            raise errors.bad_request("error decoding patch: expected an object")
        return cls(chosen, body)


def _load(text: bytes, *, may_be_yaml: bool) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if not may_be_yaml:
            raise
        return yaml.safe_load(text)


def patched(resource: Resource, obj: Obj, patch: Patch, options: ApplyOptions, now: str) -> Obj:
    """The object `patch` makes of `obj`; a resourceVersion stays only if the patch names one."""
    match patch.content_type:
        case "application/json-patch+json":
            return _object(patches.json_patch(obj, patch.body))
        case "application/merge-patch+json":
            return _object(patches.merge(obj, patch.body))
        case "application/strategic-merge-patch+json":
            return strategic.merge(obj, patch.body)
        case "application/apply-patch+yaml":
            manager = _manager(options)
            return applied.apply(resource, obj, patch.body, manager, now)
        case unknown:
            raise errors.unsupported_media_type((unknown,))


def applied_to_nothing(
    resource: Resource, key: Key, patch: Patch, options: ApplyOptions, now: str
) -> Obj:
    """The new object a server-side apply makes when there is none."""
    empty: Obj = {"metadata": {"name": key.name}}
    if resource.namespaced:
        empty["metadata"]["namespace"] = key.namespace
    return applied.apply(resource, empty, patch.body, _manager(options), now)


def _manager(options: ApplyOptions) -> applied.Manager:
    if not options.field_manager:
        detail = "is required for apply patch"
        raise errors.invalid(
            "PatchOptions", "meta.k8s.io", "", [errors.required("fieldManager", detail)]
        )
    return applied.Manager(options.field_manager, force=options.force)


def _object(value: Any) -> Obj:
    if not isinstance(value, Mapping):
        raise errors.bad_request("error decoding patch: the result is not an object")
    return dict(value)
