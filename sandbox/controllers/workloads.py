"""The ReplicaSets and Pods of a Deployment, as manifests, and what their state is at a time."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sandbox.apiserver.objects import Obj, at, clone, encode, timestamp, without
from sandbox.controllers.rollout import SetState

READY_AFTER: Final = "sandbox.coalmine.dev/ready-after"
NEVER_READY: Final = "sandbox.coalmine.dev/never-ready"
READY_AT: Final = "sandbox.coalmine.dev/ready-at"
NEVER: Final = "never"
HASH_LABEL: Final = "pod-template-hash"
REVISION: Final = "deployment.kubernetes.io/revision"
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_HASH_LENGTH: Final = 10
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


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


def _owner(kind: str, owner: Obj) -> Obj:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


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
            "ownerReferences": [_owner("Deployment", deployment)],
        },
        "spec": {
            "replicas": 0,
            "selector": selector,
            "template": template,
            "minReadySeconds": at(deployment, ("spec", "minReadySeconds"), 0),
        },
    }


def pod(replicas: Obj, now: datetime, default_ready_after: timedelta) -> Obj:
    """One new Pod of a ReplicaSet, annotated with the moment it becomes ready."""
    template = replicas["spec"]["template"]
    metadata = clone(template["metadata"])
    annotations = metadata.get("annotations") or {}
    ready_at = _ready_at(annotations, now, default_ready_after)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **without(metadata, "creationTimestamp"),
            "annotations": {**annotations, READY_AT: ready_at},
            "generateName": f"{replicas['metadata']['name']}-",
            "namespace": replicas["metadata"]["namespace"],
            "ownerReferences": [_owner("ReplicaSet", replicas)],
        },
        "spec": {**clone(template["spec"]), "nodeName": "sandbox"},
    }


def _ready_at(annotations: Mapping[str, str], now: datetime, default: timedelta) -> str:
    if annotations.get(NEVER_READY) == "true":
        return NEVER
    text = annotations.get(READY_AFTER)
    return (now + (parse_duration(text) if text else default)).isoformat()


def parse_duration(text: str) -> timedelta:
    """A duration such as `1.5s`, `200ms`, `2m`; raises ValueError naming what is allowed."""
    number = text.rstrip("hms")
    unit = text[len(number) :]
    if unit not in _UNITS:
        raise ValueError(f"{READY_AFTER}: {text!r} needs a unit: one of {', '.join(_UNITS)}")
    return timedelta(seconds=float(number) * _UNITS[unit])


def ready_moment(item: Obj) -> datetime | None:
    """When the Pod is ready from; None for never."""
    text = at(item, ("metadata", "annotations", READY_AT), NEVER)
    return None if text == NEVER else datetime.fromisoformat(text)


def pod_status(item: Obj, now: datetime) -> Obj:
    """The status the Pod has at `now`: running, and ready once its moment has come."""
    moment = ready_moment(item)
    ready = moment is not None and now >= moment
    since = timestamp(moment) if ready and moment else item["metadata"]["creationTimestamp"]
    started = {"running": {"startedAt": item["metadata"]["creationTimestamp"]}}
    return {
        "phase": "Running",
        "startTime": item["metadata"]["creationTimestamp"],
        "conditions": [
            {
                "type": kind,
                "status": "True" if ready else "False",
                "lastProbeTime": None,
                "lastTransitionTime": since,
                **({} if ready else {"reason": "ContainersNotReady"}),
            }
            for kind in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [
            {
                "name": container["name"],
                "image": container.get("image", ""),
                "imageID": "",
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "state": started,
            }
            for container in item["spec"]["containers"]
        ],
    }


def set_state(replicas: Obj, pods: Iterable[Obj], digest: str, now: datetime) -> SetState:
    """What the rollout needs to know of a ReplicaSet and its Pods at `now`."""
    moments = [ready_moment(item) for item in pods]
    settle = timedelta(seconds=at(replicas, ("spec", "minReadySeconds"), 0))
    return SetState(
        name=replicas["metadata"]["name"],
        is_new=at(replicas, ("metadata", "labels", HASH_LABEL)) == digest,
        desired=at(replicas, ("spec", "replicas"), 0),
        pods=len(moments),
        ready=sum(1 for moment in moments if moment and now >= moment),
        available=sum(1 for moment in moments if moment and now >= moment + settle),
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
