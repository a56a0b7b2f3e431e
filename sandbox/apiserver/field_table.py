"""Makes `fields.json`: the fields of built-in kinds, read from the Go sources of k8s.io/api.

    python -m sandbox.apiserver.field_table API_FOLDER APIMACHINERY_FOLDER > fields.json

Run by hand when the Kubernetes version moves; the folders are where the Go modules k8s.io/api and
k8s.io/apimachinery are unpacked. The format is described in `fields`.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

Table: TypeAlias = dict[str, dict[str, str]]

PACKAGES: Final = (
    "apps/v1",
    "autoscaling/v1",
    "autoscaling/v2",
    "coordination/v1",
    "core/v1",
    "discovery/v1",
    "networking/v1",
    "rbac/v1",
)
META: Final = "meta/v1"
ROOTS: Final = (
    "apps/v1.DaemonSet",
    "apps/v1.Deployment",
    "apps/v1.ReplicaSet",
    "apps/v1.StatefulSet",
    "autoscaling/v1.Scale",
    "autoscaling/v2.HorizontalPodAutoscaler",
    "coordination/v1.Lease",
    "core/v1.ConfigMap",
    "core/v1.Endpoints",
    "core/v1.Event",
    "core/v1.Namespace",
    "core/v1.Node",
    "core/v1.Pod",
    "core/v1.Secret",
    "core/v1.Service",
    "core/v1.ServiceAccount",
    "discovery/v1.EndpointSlice",
    "networking/v1.Ingress",
    "rbac/v1.ClusterRole",
    "rbac/v1.ClusterRoleBinding",
    "rbac/v1.Role",
    "rbac/v1.RoleBinding",
    "meta/v1.DeleteOptions",
)
SCALARS: Final[Mapping[str, str]] = {
    "[]byte": "bytes",
    "FieldsV1": "raw",
    "bool": "bool",
    "float64": "float",
    "int": "int",
    "int32": "int",
    "int64": "int",
    "intstr.IntOrString": "intstr",
    "metav1.FieldsV1": "raw",
    "metav1.MicroTime": "microtime",
    "metav1.Time": "time",
    "MicroTime": "microtime",
    "Time": "time",
    "resource.Quantity": "quantity",
    "runtime.RawExtension": "raw",
    "string": "string",
    "types.NodeName": "string",
    "types.UID": "string",
}
_STRUCT: Final = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS: Final = re.compile(r"^type (\w+) (?!struct)(\S+)$", re.MULTILINE)
_FIELD: Final = re.compile(
    r'^\s*(?:\w+\s+)?(?P<type>[\w.*\[\]]+)\s+`json:"(?P<json>[^"]*)"[^`]*'
    r'protobuf:"\w+,(?P<number>\d+),',
    re.MULTILINE,
)


def table(api: Path, machinery: Path) -> Table:
    """The fields of every message the built-in kinds reach, by package and Go type name."""
    sources = {name: api / name / "types.go" for name in PACKAGES}
    sources[META] = machinery / "pkg" / "apis" / "meta" / "v1" / "types.go"
    texts = {name: path.read_text("utf-8") for name, path in sources.items()}
    aliases = {
        f"{package}.{found[1]}": found[2]
        for package, text in texts.items()
        for found in _ALIAS.finditer(text)
    }
    messages = {
        f"{package}.{found[1]}": dict(_fields(package, found[2], aliases))
        for package, text in texts.items()
        for found in _STRUCT.finditer(text)
    }
    return _reachable(messages)


def _fields(package: str, body: str, aliases: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for found in _FIELD.finditer(body):
        name, *options = found["json"].split(",")
        kept = "omitempty" not in options or found["type"].startswith("*")
        kind = _type(package, found["type"].removeprefix("*"), aliases)
        key = f"@{found['number']}" if "inline" in options else name
        yield key, f"{found['number']}{'!' if kept else ''} {kind}"


def _type(package: str, text: str, aliases: Mapping[str, str]) -> str:
    if text in SCALARS:
        return SCALARS[text]
    if text.startswith("[]"):
        return f"[]{_type(package, text[2:].removeprefix('*'), aliases)}"
    if found := re.match(r"map\[[\w.]+\](.+)", text):
        return f"map:{_type(package, found[1], aliases)}"
    owner, _, name = text.rpartition(".")
    places = {"": package, "v1": "core/v1", "metav1": META}
    full = f"{places[owner]}.{name}"
    return _type(places[owner], aliases[full], aliases) if full in aliases else full


def _reachable(messages: Table) -> Table:
    found: Table = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in found or name not in messages:
            continue
        found[name] = messages[name]
        kinds = [field.split(" ")[1] for field in messages[name].values()]
        waiting += [kind.removeprefix("[]").removeprefix("map:") for kind in kinds]
    return dict(sorted(found.items()))


if __name__ == "__main__":
    made = table(Path(sys.argv[1]), Path(sys.argv[2]))
    sys.stdout.write(json.dumps(made, indent=0, separators=(",", ":")) + "\n")
