"""Canaries at rest by the thousand: copies in etcd of a namespace that Coalmine has initialized.

Made one by one they would keep kube-apiserver busy for longer than a measurement may take: it
counts all cluster IPs whenever a Service is created. The API server serves what is in etcd, and
stores objects as JSON where nobody asked it for protobuf. Copies have the names of the originals,
another namespace and uids of their own, so that templates and their revisions are the same.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import requests

from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from clients.kube.rest import KubeHttp

_KEYS: Final[Mapping[Resource, str]] = {
    resources.DEPLOYMENTS: "/registry/deployments",
    resources.SERVICES: "/registry/services/specs",
    resources.CANARIES: "/registry/flagger.app/canaries",
    resources.DESTINATION_RULES: "/registry/networking.istio.io/destinationrules",
    resources.VIRTUAL_SERVICES: "/registry/networking.istio.io/virtualservices",
}
"""Where kube-apiserver keeps objects in etcd; what a Canary is about comes before the Canary."""

_TIMEOUT_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Copier:
    """Copies namespaces in the etcd at the URL `etcd`; `kube` reads the originals."""

    kube: KubeHttp
    etcd: str

    def copy(self, original: str, namespaces: Sequence[str]) -> None:
        """Gives each of `namespaces`, which do not exist yet, all that is in `original`."""
        bodies = [
            (prefix, {**item, "apiVersion": resource.api_version, "kind": resource.kind})
            for resource, prefix in _KEYS.items()
            for item in self.kube.list(resource, original).items
        ]
        made = self.kube.get(resources.NAMESPACES, None, original)
        pairs = (copies(made, bodies, original, namespace) for namespace in namespaces)
        with requests.Session() as session:
            for key, value in itertools.chain.from_iterable(pairs):
                # One by one: all of a transaction has one version, and watches go by versions.
                put = {"key": _coded(key), "value": _coded(value)}
                url = f"{self.etcd}/v3/kv/put"
                session.post(url, json=put, timeout=_TIMEOUT_SECONDS).raise_for_status()


def copies(
    made: Object, bodies: Sequence[tuple[str, Object]], original: str, namespace: str
) -> Iterator[tuple[str, str]]:
    """The keys and values of a namespace and of all that is in it."""
    uids: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        if found[0] == original:
            return namespace
        return uids.setdefault(found[0], str(uuid.uuid4()))

    known = sorted({body["metadata"]["uid"] for body in (made, *(each for _, each in bodies))})
    changing = re.compile("|".join([rf"\b{re.escape(original)}\b", *known]))
    yield f"/registry/namespaces/{namespace}", changing.sub(renamed, _stored(made))
    for prefix, body in bodies:
        name = body["metadata"]["name"]
        yield f"{prefix}/{namespace}/{name}", changing.sub(renamed, _stored(body))


def _stored(body: Object) -> str:
    """The JSON that is stored: the version is etcd's to tell."""
    metadata: dict[str, Any] = {**body["metadata"]}
    metadata.pop("resourceVersion", None)
    return json.dumps({**body, "metadata": metadata})


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
