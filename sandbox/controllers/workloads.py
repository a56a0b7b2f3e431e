"""The ReplicaSets of a Deployment, as manifests, and what their state is at a time."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sandbox.apiserver.objects import Obj, at, clone, encode
from sandbox.controllers import pods
from sandbox.controllers.rollout import SetState

HASH_LABEL: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH: Final = 10


def template_hash(template: Mapping[str, Any]) -> str:
    """A name part that is the same for the same pod template."""
    digest = hashlib.sha256(encode(_sorted(template))).digest()
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_HASH_LENGTH])


def _sorted(value: Any) -> Any:
    match value:
        case dict():
            return {name: _sorted(value[name]) for name in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
        case _:
            return value


def replica_set(deployment: Obj, digest: str, revision: int) -> Obj:
    """The (still empty) ReplicaSet for the Deployment's present template."""
    template = clone(deployment["spec"]["template"])
    labels = {**at(template, ("metadata", "labels"), {}), HASH_LABEL: digest}
    template["metadata"] = {**template.get("metadata", {}), "labels": labels}
    selector = clone(deployment["spec"]["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
    annotations = at(deployment, ("metadata", "annotations"), {})
    kept = {k: v for k, v in annotations.items() if not k.startswith("kubectl.kubernetes.io/last-")}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{deployment['metadata']['name']}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": labels,
            "annotations": {**kept, REVISION: str(revision)},
            "ownerReferences": [pods.owner("Deployment", deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": selector,
            "template": template,
            "minReadySeconds": at(deployment, ("spec", "minReadySeconds"), 0),
        },
    }


def set_state(replicas: Obj, items: Iterable[Obj], digest: str, now: datetime) -> SetState:
    """What the rollout needs to know of a ReplicaSet and its Pods at `now`."""
    lives = [pods.life(item) for item in items]
    settle = timedelta(seconds=at(replicas, ("spec", "minReadySeconds"), 0))
    return SetState(
        name=replicas["metadata"]["name"],
        is_new=at(replicas, ("metadata", "labels", HASH_LABEL)) == digest,
        desired=at(replicas, ("spec", "replicas"), 0),
        pods=len(lives),
        ready=sum(1 for life in lives if life.is_ready(now)),
        available=sum(1 for life in lives if life.is_ready(now) and now >= life.ready_at + settle),
    )


def set_status(replicas: Obj, state: SetState) -> Obj:
    """The ReplicaSet's status."""
    counts = {
        "fullyLabeledReplicas": state.pods,
        "readyReplicas": state.ready,
        "availableReplicas": state.available,
    }
    return {
        "observedGeneration": at(replicas, ("metadata", "generation"), 1),
        "replicas": state.pods,
        **{name: count for name, count in counts.items() if count},
    }
