"""The defaults Kubernetes 1.32 gives built-in objects, as pure functions from object to object.

Source: `pkg/apis/{core,apps,autoscaling}/*/defaults.go` of Kubernetes.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.apiserver.objects import Obj, at, under, without

_CONTAINER: Final = {
    "imagePullPolicy": "IfNotPresent",
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Final = {
    "failureThreshold": 3,
    "periodSeconds": 10,
    "successThreshold": 1,
    "timeoutSeconds": 1,
}
_POD_SPEC: Final = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}
_DEPLOYMENT_SPEC: Final = {
    "progressDeadlineSeconds": 600,
    "replicas": 1,
    "revisionHistoryLimit": 10,
    "strategy": {"type": "RollingUpdate"},
}
_ROLLING: Final = {"maxSurge": "25%", "maxUnavailable": "25%"}
_DAEMON_SET_SPEC: Final = {
    "revisionHistoryLimit": 10,
    "updateStrategy": {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
    },
}
_STATEFUL_SET_SPEC: Final = {
    "podManagementPolicy": "OrderedReady",
    "replicas": 1,
    "revisionHistoryLimit": 10,
    "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
}
_SERVICE_SPEC: Final = {
    "internalTrafficPolicy": "Cluster",
    "sessionAffinity": "None",
    "type": "ClusterIP",
}
_MODE_0644: Final = 0o644


def defaulted(group_resource: str, obj: Obj) -> Obj:
    """`obj` with what Kubernetes fills in for its kind; unchanged for kinds without defaults."""
    fill = _FILLERS.get(group_resource)
    return obj if fill is None else fill(obj)


def _spec(obj: Obj, defaults: Mapping[str, Any]) -> Obj:
    return under(obj, {"spec": dict(defaults)})


def _with_template(obj: Obj) -> Obj:
    template = at(obj, ("spec", "template"))
    if template is None:
        return obj
    metadata = under(template.get("metadata"), {"creationTimestamp": None})
    filled = {**template, "metadata": metadata, "spec": _pod_spec(template.get("spec") or {})}
    return {**obj, "spec": {**obj["spec"], "template": filled}}


def _deployment(obj: Obj) -> Obj:
    filled = _spec(obj, _DEPLOYMENT_SPEC)
    if filled["spec"]["strategy"].get("type") == "RollingUpdate":
        filled = under(filled, {"spec": {"strategy": {"rollingUpdate": _ROLLING}}})
    return _with_template(filled)


def _replica_set(obj: Obj) -> Obj:
    return _with_template(_spec(obj, {"replicas": 1}))


def _daemon_set(obj: Obj) -> Obj:
    return _with_template(_spec(obj, _DAEMON_SET_SPEC))


def _stateful_set(obj: Obj) -> Obj:
    return _with_template(_spec(obj, _STATEFUL_SET_SPEC))


def _pod(obj: Obj) -> Obj:
    return {**obj, "spec": under(_pod_spec(obj.get("spec") or {}), {"enableServiceLinks": True})}


def _pod_spec(spec: Obj) -> Obj:
    filled: Obj = under(spec, _POD_SPEC)
    for field in ("containers", "initContainers"):
        if filled.get(field):
            filled = {**filled, field: [_container(item) for item in filled[field]]}
    if filled.get("serviceAccountName") and "serviceAccount" not in filled:
        filled = {**filled, "serviceAccount": filled["serviceAccountName"]}
    if filled.get("volumes"):
        filled = {**filled, "volumes": [_volume(item) for item in filled["volumes"]]}
    return filled


def _container(container: Obj) -> Obj:
    filled: Obj = under(container, {**_CONTAINER, "imagePullPolicy": _pull_policy(container)})
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if filled.get(probe):
            filled = {**filled, probe: _probe(filled[probe])}
    if filled.get("ports"):
        ports = [under(port, {"protocol": "TCP"}) for port in filled["ports"]]
        filled = {**filled, "ports": ports}
    if filled.get("env"):
        filled = {**filled, "env": [_env(item) for item in filled["env"]]}
    return filled


def _pull_policy(container: Obj) -> str:
    """Always for the tag `latest` or no tag at all, as Kubernetes guesses."""
    image = str(container.get("image") or "")
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    untagged = "@" not in image and tag in ("", "latest")
    return "Always" if untagged else "IfNotPresent"


def _probe(probe: Obj) -> Obj:
    filled: Obj = under(probe, _PROBE)
    if filled.get("httpGet"):
        filled = under(filled, {"httpGet": {"path": "/", "scheme": "HTTP"}})
    if filled.get("grpc"):
        filled = under(filled, {"grpc": {"service": ""}})
    return filled


def _env(entry: Obj) -> Obj:
    if at(entry, ("valueFrom", "fieldRef")):
        return under(entry, {"valueFrom": {"fieldRef": {"apiVersion": "v1"}}})
    return entry


def _volume(volume: Obj) -> Obj:
    for source in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(source) is not None:
            return under(volume, {source: {"defaultMode": _MODE_0644}})
    return volume if len(volume) > 1 else {**volume, "emptyDir": {}}


def _service(obj: Obj) -> Obj:
    if at(obj, ("spec", "type")) == "ExternalName":
        return _spec(obj, {"sessionAffinity": "None"})
    filled = _spec(obj, _SERVICE_SPEC)
    spec = filled["spec"]
    ports = [
        under(port, {"protocol": "TCP", "targetPort": port.get("port")})
        for port in spec.get("ports") or ()
    ]
    families = {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"}
    return {**filled, "spec": {**under(spec, families), **({"ports": ports} if ports else {})}}


def _autoscaler(obj: Obj) -> Obj:
    cpu = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    return _spec(obj, {"minReplicas": 1, "metrics": [cpu]})


def _secret(obj: Obj) -> Obj:
    """`stringData` goes into `data`, as Base64."""
    given = {
        name: base64.b64encode(text.encode()).decode()
        for name, text in (obj.get("stringData") or {}).items()
    }
    data = {**(obj.get("data") or {}), **given}
    filled = under(without(obj, "stringData"), {"type": "Opaque"})
    return {**filled, "data": data} if data else filled


def _namespace(obj: Obj) -> Obj:
    return under(
        obj,
        {
            "metadata": {"labels": {"kubernetes.io/metadata.name": obj["metadata"]["name"]}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        },
    )


_FILLERS: Final[Mapping[str, Callable[[Obj], Obj]]] = {
    "daemonsets.apps": _daemon_set,
    "deployments.apps": _deployment,
    "horizontalpodautoscalers.autoscaling": _autoscaler,
    "namespaces": _namespace,
    "pods": _pod,
    "replicasets.apps": _replica_set,
    "secrets": _secret,
    "services": _service,
    "statefulsets.apps": _stateful_set,
}
