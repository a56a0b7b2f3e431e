"""The Pods of a ReplicaSet: how they begin, when they are ready, and what their status is.

Nothing runs. A Pod becomes ready some time after it was made, as the annotation of its template
says or the controller's default. Two endings of an image's tag make a bad release of any image:
`podinfo:6.0.2-no-such-image` cannot be pulled, `podinfo:6.0.2-crash` exits a few seconds after it
has become ready, and for good.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from config import moments
from sandbox.apiserver.objects import Obj, at, clone, without

READY_AFTER: Final = "sandbox.coalmine.dev/ready-after"
READY_AT: Final = "sandbox.coalmine.dev/ready-at"
NO_SUCH_IMAGE: Final = "-no-such-image"
CRASH: Final = "-crash"
RUNS_FOR: Final = timedelta(seconds=5)
"""How long a Pod that crashes is ready."""

NEVER: Final = datetime.max.replace(tzinfo=UTC)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Life:
    """From when, and until when, a Pod is ready; NEVER for what does not happen."""

    ready_at: datetime
    ends_at: datetime = NEVER

    def is_ready(self, now: datetime) -> bool:
        """Whether the Pod is ready at `now`."""
        return self.ready_at <= now < self.ends_at


def owner(kind: str, obj: Obj) -> Obj:
    """The reference of a dependent to `obj`, which controls it."""
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod(replicas: Obj, now: datetime, default_ready_after: timedelta) -> Obj:
    """One new Pod of a ReplicaSet, annotated with the moment it becomes ready."""
    template = replicas["spec"]["template"]
    metadata = clone(template["metadata"])
    annotations = metadata.get("annotations") or {}
    ready_at = now + _delay(annotations, default_ready_after)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **without(metadata, "creationTimestamp"),
            "annotations": {**annotations, READY_AT: ready_at.isoformat()},
            "generateName": f"{replicas['metadata']['name']}-",
            "namespace": replicas["metadata"]["namespace"],
            "ownerReferences": [owner("ReplicaSet", replicas)],
        },
        "spec": {**clone(template["spec"]), "nodeName": "sandbox"},
    }


def _delay(annotations: Mapping[str, str], default: timedelta) -> timedelta:
    text = annotations.get(READY_AFTER)
    return parse_duration(text) if text else default


def parse_duration(text: str) -> timedelta:
    """A duration such as `1.5s`, `200ms`, `2m`; raises ValueError naming what is allowed."""
    number = text.rstrip("hms")
    unit = text[len(number) :]
    if unit not in _UNITS:
        raise ValueError(f"{READY_AFTER}: {text!r} needs a unit: one of {', '.join(_UNITS)}")
    return timedelta(seconds=float(number) * _UNITS[unit])


def life(item: Obj) -> Life:
    """From when until when the Pod is ready."""
    text = at(item, ("metadata", "annotations", READY_AT))
    if text is None or _has(item, NO_SUCH_IMAGE):
        return Life(NEVER)
    ready_at = datetime.fromisoformat(text)
    return Life(ready_at, ready_at + RUNS_FOR if _has(item, CRASH) else NEVER)


def status(item: Obj, now: datetime) -> Obj:
    """The status the Pod has at `now`."""
    span, created = life(item), item["metadata"]["creationTimestamp"]
    ready = span.is_ready(now)
    since = next((moment for moment in (span.ends_at, span.ready_at) if moment <= now), None)
    return {
        "phase": "Pending" if _has(item, NO_SUCH_IMAGE) else "Running",
        "startTime": created,
        "conditions": [
            {
                "type": kind,
                "status": "True" if ready else "False",
                "lastProbeTime": None,
                "lastTransitionTime": moments.rfc3339(since) if since else created,
                **({} if ready else {"reason": "ContainersNotReady"}),
            }
            for kind in ("Ready", "ContainersReady")
        ],
        "containerStatuses": [
            _container(container, span, now, created) for container in item["spec"]["containers"]
        ],
    }


def _container(container: Obj, span: Life, now: datetime, created: str) -> Obj:
    image = str(container.get("image", ""))
    pulled = not image.endswith(NO_SUCH_IMAGE)
    exited = image.endswith(CRASH) and span.ends_at <= now
    state: Obj = {"running": {"startedAt": created}}
    if not pulled:
        state = _waiting("ImagePullBackOff", f'Back-off pulling image "{image}"')
    elif exited:
        state = _waiting("CrashLoopBackOff", "back-off restarting failed container")
    return {
        "name": container["name"],
        "image": image,
        "imageID": "",
        "ready": pulled and not exited and span.ready_at <= now,
        "started": pulled and not exited,
        "restartCount": 1 if exited else 0,
        "state": state,
    }


def _waiting(reason: str, message: str) -> Obj:
    return {"waiting": {"reason": reason, "message": message}}


def _has(item: Obj, ending: str) -> bool:
    return any(str(each.get("image", "")).endswith(ending) for each in item["spec"]["containers"])
