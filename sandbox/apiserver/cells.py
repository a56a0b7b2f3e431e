"""The cells of `kubectl get` for built-in kinds: one small function per column.

Source: `pkg/printers/internalversion/printers.go` of Kubernetes.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from sandbox.apiserver.objects import Obj, at
from sandbox.apiserver.selectors import selector_text

Cell: TypeAlias = Callable[[Obj, datetime], Any]
NONE: Final = "<none>"
UNKNOWN: Final = "<unknown>"


def human_duration(elapsed: timedelta) -> str:
    """`elapsed` as kubectl shows ages: at most two units, the finer one only while it matters."""
    seconds = int(elapsed.total_seconds())
    if seconds < -1:
        return "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60 * 2:
        return f"{max(seconds, 0)}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 60 * 3:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    if days < 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"


def since(text: Any, now: datetime) -> str:
    """How long ago the timestamp `text` was, or `<unknown>` when there is none."""
    if not text:
        return UNKNOWN
    return human_duration(now - datetime.fromisoformat(str(text)))


def _value(*path: str, default: Any = NONE) -> Cell:
    return lambda obj, _now: at(obj, path, default)


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or NONE


def _containers(obj: Obj) -> Sequence[Obj]:
    containers: Sequence[Obj] = at(obj, ("spec", "template", "spec", "containers"), ())
    return containers


def _port(port: Obj) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _service_ports(obj: Obj, _now: datetime) -> str:
    return ",".join(_port(port) for port in at(obj, ("spec", "ports"), ())) or NONE


def _external_ip(obj: Obj, _now: datetime) -> str:
    match at(obj, ("spec", "type")):
        case "LoadBalancer":
            return "<pending>"
        case "ExternalName":
            return str(at(obj, ("spec", "externalName"), NONE))
        case _:
            return ",".join(at(obj, ("spec", "externalIPs"), ())) or NONE


def _deployment_ready(obj: Obj, _now: datetime) -> str:
    ready = at(obj, ("status", "readyReplicas"), 0)
    return f"{ready}/{at(obj, ('spec', 'replicas'), 0)}"


def _pod_ready(obj: Obj, _now: datetime) -> str:
    statuses = at(obj, ("status", "containerStatuses"), ())
    ready = sum(1 for status in statuses if status.get("ready"))
    return f"{ready}/{len(at(obj, ('spec', 'containers'), ()))}"


def _pod_restarts(obj: Obj, _now: datetime) -> str:
    statuses = at(obj, ("status", "containerStatuses"), ())
    return str(sum(status.get("restartCount", 0) for status in statuses))


def _pod_status(obj: Obj, _now: datetime) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    for status in at(obj, ("status", "containerStatuses"), ()):
        if reason := at(status, ("state", "waiting", "reason")):
            return str(reason)
    return str(at(obj, ("status", "phase"), UNKNOWN))


def _event_object(obj: Obj, _now: datetime) -> str:
    about = obj.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _event_source(obj: Obj, _now: datetime) -> str:
    source = obj.get("source") or {}
    name = source.get("component") or obj.get("reportingComponent") or ""
    host = source.get("host") or obj.get("reportingInstance") or ""
    return f"{name}, {host}" if host else str(name)


def _event_last_seen(obj: Obj, now: datetime) -> str:
    return since(obj.get("lastTimestamp") or obj.get("eventTime"), now)


def _event_first_seen(obj: Obj, now: datetime) -> str:
    return since(obj.get("firstTimestamp") or obj.get("eventTime"), now)


def _ingress_hosts(obj: Obj, _now: datetime) -> str:
    hosts = [rule.get("host") or "*" for rule in at(obj, ("spec", "rules"), ())]
    return ",".join(hosts) or "*"


def _scale_target(obj: Obj, _now: datetime) -> str:
    target = at(obj, ("spec", "scaleTargetRef"), {})
    return f"{target.get('kind')}/{target.get('name')}"


def _role(obj: Obj, _now: datetime) -> str:
    role = obj.get("roleRef") or {}
    return f"{role.get('kind')}/{role.get('name')}"


CELLS: Final[Mapping[str, Cell]] = {
    "age": lambda obj, now: since(obj["metadata"].get("creationTimestamp"), now),
    "available_replicas": _value("status", "availableReplicas", default=0),
    "cluster_ip": _value("spec", "clusterIP"),
    "containers": lambda obj, _: ",".join(item["name"] for item in _containers(obj)),
    "created": _value("metadata", "creationTimestamp"),
    "current_replicas": _value("status", "currentReplicas", default=0),
    "current_scheduled": _value("status", "currentNumberScheduled", default=0),
    "data_count": lambda obj, _: len({**(obj.get("data") or {}), **(obj.get("binaryData") or {})}),
    "deployment_ready": _deployment_ready,
    "desired_scheduled": _value("status", "desiredNumberScheduled", default=0),
    "event_count": lambda obj, _: str(obj.get("count") or 1),
    "event_first_seen": _event_first_seen,
    "event_last_seen": _event_last_seen,
    "event_object": _event_object,
    "event_source": _event_source,
    "external_ip": _external_ip,
    "images": lambda obj, _: ",".join(str(item.get("image")) for item in _containers(obj)),
    "ingress_class": _value("spec", "ingressClassName"),
    "ingress_hosts": _ingress_hosts,
    "min_replicas": lambda obj, _: str(at(obj, ("spec", "minReplicas"), "<unset>")),
    "name": lambda obj, _: obj["metadata"]["name"],
    "none": lambda _obj, _now: NONE,
    "number_available": _value("status", "numberAvailable", default=0),
    "number_ready": _value("status", "numberReady", default=0),
    "pod_ip": _value("status", "podIP"),
    "pod_node": _value("spec", "nodeName"),
    "pod_ready": _pod_ready,
    "pod_restarts": _pod_restarts,
    "pod_status": _pod_status,
    "ready_replicas": _value("status", "readyReplicas", default=0),
    "role_ref": _role,
    "scale_target": _scale_target,
    "secrets_count": lambda obj, _: len(obj.get("secrets") or ()),
    "selector": lambda obj, _: selector_text(at(obj, ("spec", "selector"), {})),
    "service_ports": _service_ports,
    "service_selector": lambda obj, _: _labels(at(obj, ("spec", "selector"), {})),
    "updated_replicas": _value("status", "updatedReplicas", default=0),
    "updated_scheduled": _value("status", "updatedNumberScheduled", default=0),
}
