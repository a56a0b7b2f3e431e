"""ConfigMaps and Secrets as raw objects: what they hold, its digest, and the copy for a primary.

Pure. Source: docs/compatibility/lifecycle.md, "ConfigMaps and Secrets"; the digests of Secrets are
decision 0033's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

from clients.documents.configs import ConfigKind, ConfigRef, Content
from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from config import canonical, ownership, well_known
from config.api.canary import Canary
from workloads import primary
from workloads.primary import Copying

RESOURCES: Final[Mapping[ConfigKind, Resource]] = {
    ConfigKind.CONFIG_MAP: resources.CONFIG_MAPS,
    ConfigKind.SECRET: resources.SECRETS,
}
METADATA: Final[Mapping[ConfigKind, Resource]] = {
    ConfigKind.CONFIG_MAP: resources.CONFIG_MAP_METADATA,
    ConfigKind.SECRET: resources.SECRET_METADATA,
}
"""The same, of which no more than the metadata is read."""

LENGTH: Final = 16
"""Hex digits of a digest, as in Flagger: 64 bits."""

_TRACKED_TYPES: Final = frozenset(
    {"Opaque", "kubernetes.io/basic-auth", "kubernetes.io/ssh-auth", "kubernetes.io/tls"}
)
"""Types of Secrets whose contents are a part of the release; of others there is no copy."""

_OPT_OUT: Final = "disable"

_HELD: Final = ("data", "binaryData", "immutable")
_ESCAPED: Final = str.maketrans(
    {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
)  # as Go writes JSON


def is_tracked(ref: ConfigRef, raw: Object) -> bool:
    """Whether the contents of an object are a part of the release, and copied for the primary."""
    told = (raw["metadata"].get("annotations") or {}).get(well_known.CONFIG_TRACKING_ANNOTATION)
    if str(told or "").startswith(_OPT_OUT):
        return False
    return ref.kind is ConfigKind.CONFIG_MAP or raw.get("type", "Opaque") in _TRACKED_TYPES


def content(ref: ConfigRef, raw: Object, digest_key: bytes) -> Content:
    """What is known of an object that was read.

    Of a Secret nothing can be guessed from it without the `digest_key`. The copy of a Secret has
    the digest of what it is a copy of.
    """
    version = str(raw["metadata"]["resourceVersion"])
    if not is_tracked(ref, raw):
        return Content(version)
    text = _held(raw).encode()
    if ref.kind is ConfigKind.SECRET:
        whole = hmac.new(digest_key, text, hashlib.sha256).hexdigest()
    else:
        whole = hashlib.sha256(text).hexdigest()
    return Content(version, whole[:LENGTH])


def _held(raw: Object) -> str:
    """What an object holds, as JSON: of one without binary data, what Flagger digests."""
    data, binary = raw.get("data") or None, raw.get("binaryData")
    held: Any = {"data": data, "binaryData": binary} if binary else data
    return canonical.text(held).translate(_ESCAPED)


def copy(
    canary: Canary, ref: ConfigRef, original: Object, live: Object | None, copying: Copying
) -> dict[str, Any]:
    """The copy of an object for the primary of `canary`, made of the one that is `live`, if any.

    Data and type are those of the original; annotations, and other owners, are those of the copy.
    """
    present = dict(live or {})
    metadata = dict(
        present.get("metadata")
        or {"name": ref.name + well_known.PRIMARY_SUFFIX, "namespace": canary.namespace}
    )
    labels = {**(metadata.get("labels") or {}), **primary.prefixed(original, "labels", copying)}
    kept = {key: value for key, value in present.items() if key not in (*_HELD, "metadata")}
    held = {key: original[key] for key in (*_HELD, "type") if original.get(key)}
    resource = RESOURCES[ref.kind]
    return {
        **kept,
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            **metadata,
            **({"labels": labels} if labels else {}),
            "ownerReferences": _owners(canary, metadata),
        },
        **held,
    }


def _owners(canary: Canary, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who owns a copy: this canary controls it, others that share it keep it as well."""
    uid = canary.metadata.uid
    others = [
        {**each, "controller": False}
        for each in metadata.get("ownerReferences") or ()
        if each.get("uid") != uid
    ]
    return [*others, ownership.reference(canary)]


def is_stranger(live: Object, original: Object) -> bool:
    """Whether an object that has the name of a copy is none: no canary made it, and it differs."""
    owners = live["metadata"].get("ownerReferences") or ()
    made = any(each.get("kind") == well_known.CANARY_KIND for each in owners)
    return not made and _held(live) != _held(original)


def must_be_made_anew(live: Object, wanted: Object) -> bool:
    """Whether a copy cannot be changed into the wanted one: it is immutable, or of another type."""
    is_other = live.get("type") != wanted.get("type")
    is_fixed = bool(live.get("immutable"))
    return is_other or (is_fixed and (_held(live) != _held(wanted) or not wanted.get("immutable")))


def without_identity(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same object, to be created."""
    of_the_live = {"uid", "resourceVersion", "creationTimestamp", "managedFields"}
    metadata = {key: each for key, each in wanted["metadata"].items() if key not in of_the_live}
    return {**wanted, "metadata": metadata}


def named(ref: ConfigRef, canary: Canary) -> str:
    """How texts name an object, as in `configmap shop-config.shop`."""
    return f"{ref.kind} {ref.name}.{canary.namespace}"
